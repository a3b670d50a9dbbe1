"""Webhooks of the account, what each was sent, and the log of events."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field

from e2a_mcp.schema import Arguments
from e2a_mcp.tool import Tool
from e2a_mcp.tools.passing import pass_through

__all__ = ["TOOLS"]

_WEBHOOK = ["id", "url", "events", "enabled"]

Url = Annotated[str, Field(description="https")]
Types = Annotated[list[str], Field(description="such as email.received")]
Filters = Annotated[dict[str, list[str]], Field(description="agent_emails, conversation_ids, labels")]
Ordered = Annotated[bool, Field(description="one event of a conversation at a time")]


class CreateWebhook(Arguments):
    url: Url
    events: Types
    filters: Filters | None = None
    description: Annotated[str, Field(description="a note")] | None = None
    ordered: Ordered | None = None


class UpdateWebhook(Arguments):
    url: Url | None = None
    events: Types | None = None
    filters: Filters | None = None
    description: Annotated[str, Field(description="a note")] | None = None
    enabled: Annotated[bool, Field(description="false stops it")] | None = None
    ordered: Ordered | None = None


class TestWebhook(Arguments):
    type: Annotated[str, Field(description="such as email.received")] | None = None
    data: Annotated[dict[str, Any], Field(description="of the event")] | None = None


class ListDeliveries(Arguments):
    status: Annotated[str, Field(description="pending, delivered or failed")] | None = None


class ListEvents(Arguments):
    type: Annotated[str, Field(description="such as email.received")] | None = None
    agent_email: Annotated[str, Field(description="one inbox")] | None = None
    conversation_id: Annotated[str, Field(description="one conversation")] | None = None
    since: Annotated[str, Field(description="instant")] | None = None
    until: Annotated[str, Field(description="instant")] | None = None


class RedeliverEvent(Arguments):
    webhook_id: Annotated[str, Field(description="all it matched, if left out")] | None = None


TOOLS: tuple[Tool[Any], ...] = (
    pass_through("list_webhooks", _WEBHOOK, rows="webhooks"),
    pass_through("create_webhook", [*_WEBHOOK, "signing_secret"], narrowed=CreateWebhook),
    pass_through("update_webhook", _WEBHOOK, narrowed=UpdateWebhook),
    pass_through("delete_webhook", ["deleted", "id"]),
    pass_through("rotate_webhook_secret", ["signing_secret", "previous_secret_expires_at"]),
    pass_through("test_webhook", ["delivery_id"], narrowed=TestWebhook),
    pass_through(
        "list_webhook_deliveries", ["id", "type", "status"], rows="deliveries", narrowed=ListDeliveries
    ),
    pass_through("list_events", ["id", "type", "data"], rows="events", narrowed=ListEvents),
    pass_through("redeliver_event", ["event_id", "status"], narrowed=RedeliverEvent),
)
