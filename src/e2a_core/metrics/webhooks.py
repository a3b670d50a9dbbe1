"""What became of the deliveries to the webhooks of an account."""

from __future__ import annotations

from collections.abc import Sequence
from urllib.parse import urlsplit

from e2a_core.clock import from_micros
from e2a_core.contract.metrics import WebhookEndpointMetricsView, WebhookMetricsView
from e2a_core.metrics.queries import Window
from e2a_core.store.statement import Row, Statement

__all__ = ["MAX_ENDPOINTS", "webhook_counts", "webhook_metrics"]

MAX_ENDPOINTS = 50

_COUNTED = ("deliveries", "delivered", "endpoint_rejected", "no_response", "pending")


def webhook_counts(window: Window) -> Statement:
    """Counts the deliveries of each webhook that were made in the window, also those of webhooks without any.

    A delivery that failed was rejected if its last attempt was answered.
    """
    made = "d.webhook_id = w.id AND d.created_at >= :start AND d.created_at < :end"
    return Statement(
        "SELECT w.id, w.url, w.enabled, w.auto_disabled_at, w.auto_disabled_reason, COUNT(d.id) AS deliveries, "
        "COUNT(CASE WHEN d.status = 'delivered' THEN 1 END) AS delivered, "
        "COUNT(CASE WHEN d.status = 'failed' AND d.last_status_code IS NOT NULL THEN 1 END) AS endpoint_rejected, "
        "COUNT(CASE WHEN d.status = 'failed' AND d.last_status_code IS NULL THEN 1 END) AS no_response, "
        "COUNT(CASE WHEN d.status = 'pending' THEN 1 END) AS pending, "
        f"(SELECT d.last_status_code FROM webhook_deliveries d WHERE {made} AND d.last_status_code IS NOT NULL "
        "ORDER BY d.last_attempt_at DESC, d.seq DESC LIMIT 1) AS last_status_code "
        f"FROM webhooks w LEFT JOIN webhook_deliveries d ON {made} WHERE w.account_id = :account "
        "GROUP BY w.id, w.url, w.enabled, w.auto_disabled_at, w.auto_disabled_reason",
        {"account": window.account_id, "start": window.start, "end": window.end},
    )


def webhook_metrics(rows: Sequence[Row], *, exceeds_retention: bool) -> WebhookMetricsView:
    """The figures for the rows of `webhook_counts`; of webhooks without deliveries only whether they are disabled."""
    busy = sorted((row for row in rows if row["deliveries"]), key=lambda row: (-row["deliveries"], row["id"]))
    totals = {name: sum(row[name] for row in rows) for name in _COUNTED}
    return WebhookMetricsView(
        **totals,
        endpoints=[_endpoint(row) for row in busy[:MAX_ENDPOINTS]],
        endpoints_auto_disabled=sum(row["auto_disabled_at"] is not None for row in rows),
        endpoints_truncated=len(busy) > MAX_ENDPOINTS,
        success_rate=_success_rate(totals),
        window_exceeds_retention=exceeds_retention,
    )


def _endpoint(row: Row) -> WebhookEndpointMetricsView:
    """Of the URL only the host: the rest may be a secret."""
    counts = {name: row[name] for name in _COUNTED}
    disabled_at = row["auto_disabled_at"]
    return WebhookEndpointMetricsView(
        **counts,
        webhook_id=row["id"],
        url_host=urlsplit(row["url"]).hostname or "",
        enabled=bool(row["enabled"]),
        auto_disabled_at=None if disabled_at is None else from_micros(disabled_at),
        auto_disable_reason=row["auto_disabled_reason"] or "",
        last_status_code=row["last_status_code"],
        success_rate=_success_rate(counts),
    )


def _success_rate(counts: dict[str, int]) -> float | None:
    settled = counts["delivered"] + counts["endpoint_rejected"] + counts["no_response"]
    return counts["delivered"] / settled if settled else None
