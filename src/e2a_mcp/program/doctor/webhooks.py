"""Webhooks, of the home or of another deployment, as they are kept: no request is made to one."""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence
from urllib.parse import urlsplit

from e2a_core.contract.webhooks import WebhookDeliveryView, WebhookView
from e2a_mcp.program.doctor.finding import Finding, fail, passed, quoted, skip, warn
from e2a_mcp.program.doctor.limits import MAX_WEBHOOKS

__all__ = ["KeptWebhook", "check_webhooks", "webhook_findings"]

KeptWebhook = tuple[WebhookView, WebhookDeliveryView | None]
"""A webhook with its latest delivery."""


async def check_webhooks(kept: Sequence[KeptWebhook]) -> list[Finding]:
    """Those of a home. A home without any has nothing to say."""
    found = [webhook_findings(webhook, latest, here=True) for webhook, latest in kept[:MAX_WEBHOOKS]]
    more = [_too_many()] if len(kept) > MAX_WEBHOOKS else []
    return [*(finding for part in found for finding in part), *more]


def webhook_findings(
    webhook: WebhookView, latest: WebhookDeliveryView | None, *, here: bool = False
) -> list[Finding]:
    """How it is set, how its latest delivery went, and why it is not asked. `here` says that this machine posts."""
    detail = "a request to it could have effects, so none is made"
    return [
        _configured(webhook, here=here),
        _delivered(webhook, latest),
        skip("webhook.reachability", "no_safe_probe", detail, target=webhook.id),
    ]


def _configured(webhook: WebhookView, *, here: bool) -> Finding:
    id, url = "webhook.config", quoted(webhook.url)
    if not webhook.enabled and webhook.auto_disabled_at is not None:
        why = quoted(webhook.auto_disabled_reason or "deliveries failed")
        fix = f"mend the endpoint, then e2a webhooks update {quoted(webhook.id)} --enabled"
        return fail(id, "webhook_auto_disabled", f"{url} was disabled: {why}", fix, target=webhook.id)
    if not webhook.enabled:
        fix = (
            f"e2a webhooks update {quoted(webhook.id)} --enabled, or e2a webhooks delete {quoted(webhook.id)}"
        )
        return warn(id, "webhook_disabled", f"{url} is disabled", fix, target=webhook.id)
    if not webhook.url.lower().startswith("https://") and not (here and _is_loopback(webhook.url)):
        fix = f"give the endpoint TLS, then e2a webhooks update {quoted(webhook.id)} --url https://..."
        return warn(id, "insecure_url", f"{url} gets events in clear text", fix, target=webhook.id)
    return passed(id, f"{url} gets {len(webhook.events)} kinds of events", target=webhook.id)


def _is_loopback(url: str) -> bool:
    host = urlsplit(url).hostname or ""
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _delivered(webhook: WebhookView, latest: WebhookDeliveryView | None) -> Finding:
    id = "webhook.delivery"
    if latest is None:
        return skip(id, "no_deliveries", "nothing was delivered yet", target=webhook.id)
    if latest.status == "failed" or (latest.status == "pending" and latest.last_error):
        why = quoted(latest.last_error or f"status {latest.last_status_code}")
        event = quoted(latest.event_id or "")
        again = f"e2a events redeliver {event}" if event else f"e2a webhooks test {quoted(webhook.id)}"
        fix = f"see the log of the endpoint; once it answers 2xx: {again}"
        detail = f"the latest failed {latest.attempts} times: {why}"
        return warn(id, "deliveries_failing", detail, fix, target=webhook.id)
    return passed(id, f"the latest is {latest.status}", target=webhook.id)


def _too_many() -> Finding:
    return warn(
        "webhook.config",
        "too_many_webhooks",
        f"looked at the newest {MAX_WEBHOOKS} webhooks only",
        "e2a webhooks list --limit 0 shows all",
    )
