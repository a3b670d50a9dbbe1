"""The states of a message, spelled alike in the API, in rows and in SQL.

They belong to the contract because clients branch on them. `messages.state` defines the transitions.
"""

from __future__ import annotations

from enum import StrEnum

__all__ = ["Delivery", "Direction", "Method", "Review"]


class Direction(StrEnum):
    INBOUND = "inbound"
    OUTBOUND = "outbound"


class Review(StrEnum):
    """The review state of a message. A draft that a person approved becomes `SENT`, like any other."""

    SENT = "sent"
    PENDING = "pending_review"
    APPROVED = "review_approved"
    REJECTED = "review_rejected"
    EXPIRED_APPROVED = "review_expired_approved"
    EXPIRED_REJECTED = "review_expired_rejected"


class Delivery(StrEnum):
    """The delivery state of a sent message, or of one of its recipients."""

    ACCEPTED = "accepted"
    SENDING = "sending"
    SENT = "sent"
    DEFERRED = "deferred"
    DELIVERED = "delivered"
    FAILED = "failed"
    BOUNCED = "bounced"
    COMPLAINED = "complained"


class Method(StrEnum):
    """The route of a message: to local inboxes, to the upstream relay, or to the sandbox, which sends nothing."""

    LOOPBACK = "loopback"
    SMTP = "smtp"
    SANDBOX = "sandbox"
