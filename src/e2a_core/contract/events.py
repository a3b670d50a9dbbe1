"""The envelope of an event, the same on every channel."""

from __future__ import annotations

from typing import Any

from e2a_core.contract.base import Timestamp, View

__all__ = ["EVENT_TYPES", "EventEnvelope"]

EVENT_TYPES = (
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
)


class EventEnvelope(View):
    """One event. Receivers deduplicate by `id`."""

    type: str
    id: str
    schema_version: str = "1"
    created_at: Timestamp
    data: dict[str, Any]
