"""Webhooks and deliveries as the API shows them."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any

from e2a_core.clock import from_micros
from e2a_core.contract.webhooks import WebhookDeliveryView, WebhookFiltersView, WebhookView
from e2a_core.store.statement import Row

__all__ = ["delivery_view", "webhook_members", "webhook_view"]


def webhook_view(row: Row) -> WebhookView:
    return WebhookView(**webhook_members(row))


def webhook_members(row: Row) -> dict[str, Any]:
    """The members of a view, also of one that adds the secret."""
    return {
        "id": row["id"],
        "url": row["url"],
        "description": row["description"],
        "events": json.loads(row["events"]),
        "filters": WebhookFiltersView(**json.loads(row["filters"])),
        "enabled": bool(row["enabled"]),
        "ordered": True if row["ordered"] else None,
        "created_at": from_micros(row["created_at"]),
        "last_delivered_at": _instant(row["last_delivered_at"]),
        "auto_disabled_at": _instant(row["auto_disabled_at"]),
        "auto_disabled_reason": row["auto_disabled_reason"],
    }


def delivery_view(row: Row) -> WebhookDeliveryView:
    return WebhookDeliveryView(
        id=row["id"],
        type=row["type"],
        event_id=row["event_id"],
        status=row["status"],
        attempts=row["attempts"],
        next_retry_at=from_micros(row["due_at"]),
        last_attempt_at=_instant(row["last_attempt_at"]),
        last_status_code=row["last_status_code"],
        last_error=row["last_error"],
        created_at=from_micros(row["created_at"]),
    )


def _instant(micros: int | None) -> datetime | None:
    return None if micros is None else from_micros(micros)
