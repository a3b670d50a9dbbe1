"""SQL that finds webhooks at which nothing arrives."""

from __future__ import annotations

from e2a_core.store.statement import Statement, sql

__all__ = ["disable", "failing", "hopeless", "last_error", "warned"]


def failing(count: int) -> Statement:
    """Enabled webhooks whose owner was not told yet, and of whose deliveries since the last arrival `count` failed."""
    return sql(
        "SELECT w.id, w.account_id FROM webhooks w WHERE w.enabled = 1 AND w.warned_at IS NULL AND ("
        "SELECT COUNT(*) FROM webhook_deliveries d WHERE d.webhook_id = w.id AND d.attempts > 0"
        " AND d.kind = 'first' AND d.status <> 'delivered'"
        " AND d.created_at > COALESCE(w.last_delivered_at, 0)) >= :count",
        count=count,
    )


def warned(webhook_id: str, now: int) -> Statement:
    """Notes that the owner is told; `StaleWrite` if that was noted, or the webhook was disabled, meanwhile."""
    return sql(
        "UPDATE webhooks SET warned_at = :now WHERE id = :id AND warned_at IS NULL AND enabled = 1",
        by_key=True,
        expect=1,
        now=now,
        id=webhook_id,
    )


def hopeless(count: int, since: int) -> Statement:
    """Enabled webhooks of whose deliveries made after `since` none arrived and `count` failed for good."""
    return sql(
        "SELECT w.id, w.account_id FROM webhooks w WHERE w.enabled = 1 AND ("
        "SELECT COUNT(*) FROM webhook_deliveries d WHERE d.webhook_id = w.id AND d.created_at > :since"
        " AND d.status = 'failed') >= :count AND NOT EXISTS ("
        "SELECT 1 FROM webhook_deliveries d WHERE d.webhook_id = w.id AND d.created_at > :since"
        " AND d.status = 'delivered')",
        since=since,
        count=count,
    )


def disable(webhook_id: str, reason: str, now: int) -> Statement:
    """Disables an enabled webhook; `StaleWrite` if it is not."""
    return sql(
        "UPDATE webhooks SET enabled = 0, disabled_at = :now, auto_disabled_at = :now, auto_disabled_reason = :reason"
        " WHERE id = :id AND enabled = 1",
        by_key=True,
        expect=1,
        now=now,
        reason=reason,
        id=webhook_id,
    )


def last_error(webhook_id: str) -> Statement:
    return sql(
        "SELECT last_error FROM webhook_deliveries WHERE webhook_id = :webhook AND last_error IS NOT NULL"
        " AND last_attempt_at IS NOT NULL ORDER BY last_attempt_at DESC, seq DESC LIMIT 1",
        webhook=webhook_id,
    )
