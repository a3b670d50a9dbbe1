"""`e2a webhooks`, `e2a events`: where events are posted, what endpoints were sent, and the log of events."""

from __future__ import annotations

from cyclopts import App

from e2a_mcp.program.commands.derive import Verb, add

__all__ = ["events", "webhooks"]

_WEBHOOKS = ("id", "url", "events", "enabled", "last_delivered_at", "auto_disabled_reason")
_DELIVERIES = ("id", "type", "status", "attempts", "last_status_code", "last_error", "created_at")
_EVENTS = ("id", "type", "agent_email", "message_id", "status", "created_at")

webhooks = App(name="webhooks")
add(
    webhooks,
    "webhooks",
    Verb(name="list", operation="list_webhooks", shown=_WEBHOOKS),
    Verb(name="get", operation="get_webhook"),
    Verb(name="create", operation="create_webhook", arguments=("url",)),
    Verb(name="update", operation="update_webhook"),
    Verb(name="delete", operation="delete_webhook"),
    Verb(name="deliveries", operation="list_webhook_deliveries", shown=_DELIVERIES),
    Verb(name="rotate-secret", operation="rotate_webhook_secret"),
    Verb(name="test", operation="test_webhook"),
)

events = App(name="events")
add(
    events,
    "events",
    Verb(name="list", operation="list_events", shown=_EVENTS),
    Verb(name="get", operation="get_event"),
    Verb(name="redeliver", operation="redeliver_event"),
)
