"""The envelope of an event, the same on every channel, and the log of them."""

from __future__ import annotations

from typing import Any, Literal, Protocol, get_args

from e2a_core.contract.base import Moment, Page, Query, Request, Timestamp, View
from e2a_core.contract.operation import READS, Access, Budget, Hints, NoTool, Tool, operation
from e2a_core.contract.parameters import Cursor, EventId, Limit
from e2a_core.errors import Conflict, EventGone, InvalidCursor, InvalidFilter, NotFound

__all__ = [
    "DeliveryStatusJSON",
    "EVENT_TYPES",
    "EventEnvelope",
    "EventQuery",
    "EventType",
    "INBOX_TYPES",
    "EventView",
    "InboxEventQuery",
    "InboxEventView",
    "OUTCOME_TYPES",
    "Events",
    "RedeliverDelivery",
    "RedeliverEventRequest",
    "RedeliverView",
]

EventType = Literal[
    "email.received",
    "email.sent",
    "email.failed",
    "email.delivered",
    "email.bounced",
    "email.complained",
    "email.flagged",
    "email.blocked",
    "email.review_requested",
    "email.review_approved",
    "email.review_rejected",
    "domain.sending_verified",
    "domain.sending_failed",
    "domain.suppression_added",
    "agent.suppression_added",
    "contact.due",
]
EVENT_TYPES: tuple[str, ...] = get_args(EventType)
INBOX_TYPES = frozenset({"agent.created", "agent.trashed", "agent.restored"})
"""Types that change the list of inboxes. Only sessions of the deployment itself are told of them, by `watch`."""

OUTCOME_TYPES = ("email.sent", "email.failed", "email.review_approved", "email.review_rejected")
"""What may become of a message that was sent or held."""


class EventEnvelope(View):
    """One event. Receivers deduplicate by `id`."""

    type: str
    id: str
    schema_version: str = "1"
    created_at: Timestamp
    data: dict[str, Any]


class DeliveryStatusJSON(View):
    """What came of an event at the webhooks it matched; redeliveries count too."""

    matched_webhooks: int
    delivered: int
    pending: int
    failed: int


class EventView(EventEnvelope):
    """An event of the log. `status`: pending until webhooks were looked for, then processed or no_match."""

    status: str
    agent_email: str | None = None
    conversation_id: str | None = None
    message_id: str | None = None
    delivery_status: DeliveryStatusJSON | None = None


class EventQuery(Query):
    type: str | None = None
    agent_email: str | None = None
    conversation_id: str | None = None
    message_id: str | None = None
    since: Moment | None = None
    until: Moment | None = None
    cursor: Cursor = None
    limit: Limit = 100


class InboxEventView(EventEnvelope):
    """An event of one inbox."""

    agent_email: str
    conversation_id: str | None = None
    message_id: str | None = None


class InboxEventQuery(Query):
    type: str | None = None
    event_id: str | None = None
    since: Moment | None = None
    until: Moment | None = None
    cursor: Cursor = None
    limit: Limit = 100


class RedeliverEventRequest(Request):
    webhook_id: str = ""


class RedeliverDelivery(View):
    webhook_id: str
    status: str
    delivery_id: str | None = None
    reason: str | None = None


class RedeliverView(View):
    event_id: str
    status: str
    webhook_id: str | None = None
    delivery_id: str | None = None
    deliveries: list[RedeliverDelivery] | None = None


class Events(Protocol):
    """The event log of the account, which keeps 30 days."""

    @operation(
        "GET",
        "/v1/events",
        id="list_events",
        errors=(InvalidCursor, InvalidFilter),
        tool=Tool(
            "List events",
            "What happened, newest first, in full; get_recent_events is shorter. since and until are RFC 3339.",
            READS,
        ),
    )
    async def list(self, query: EventQuery) -> Page[EventView]:
        """List the events, newest first."""

    @operation(
        "GET",
        "/v1/agents/{email}/events",
        id="list_inbox_events",
        access=Access.AGENT,
        budget=Budget.POLL,
        errors=(InvalidCursor, InvalidFilter, NotFound),
        tool=NoTool("get_recent_events shows them"),
    )
    async def of_inbox(self, email: str, query: InboxEventQuery) -> Page[InboxEventView]:
        """List the events of an inbox, newest first. An agent's key hears nothing of inbound mail held or blocked."""

    @operation(
        "GET",
        "/v1/events/{id}",
        id="get_event",
        errors=(EventGone, NotFound),
        tool=NoTool("list_events shows each of them whole"),
    )
    async def get(self, event_id: EventId) -> EventView:
        """Get one event."""

    @operation(
        "POST",
        "/v1/events/{id}/redeliver",
        id="redeliver_event",
        answer=202,
        errors=(Conflict, EventGone, NotFound),
        tool=Tool(
            "Redeliver an event", "Post it again to one webhook or all it matched.", Hints(open_world=True)
        ),
    )
    async def redeliver(self, event_id: EventId, request: RedeliverEventRequest) -> RedeliverView:
        """Send an event again, to one webhook that it matched or to all. It keeps its id."""
