"""The closed sets of words for where a message is: the same on the wire, in rows and in SQL.

They are here since they are part of what clients branch on; `messages.state` says which may follow which.
"""

from __future__ import annotations

from enum import StrEnum

__all__ = ["Delivery", "Direction", "Method", "Review"]


class Direction(StrEnum):
    INBOUND = "inbound"
    OUTBOUND = "outbound"


class Review(StrEnum):
    """Whether a person has to look at a message, or has. A draft that a person approved is `SENT` as any other."""

    SENT = "sent"
    PENDING = "pending_review"
    APPROVED = "review_approved"
    REJECTED = "review_rejected"
    EXPIRED_APPROVED = "review_expired_approved"
    EXPIRED_REJECTED = "review_expired_rejected"


class Delivery(StrEnum):
    """How far sent mail has come, as a whole or to one recipient."""

    ACCEPTED = "accepted"
    SENDING = "sending"
    SENT = "sent"
    DEFERRED = "deferred"
    DELIVERED = "delivered"
    FAILED = "failed"
    BOUNCED = "bounced"
    COMPLAINED = "complained"


class Method(StrEnum):
    """The way a message takes: to inboxes here, to the upstream relay, or into the sandbox that sends nothing."""

    LOOPBACK = "loopback"
    SMTP = "smtp"
    SANDBOX = "sandbox"
