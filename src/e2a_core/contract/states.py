"""The states of a message, spelled alike in the API, in rows and in SQL.

They belong to the contract because clients branch on them. `messages.state` defines the transitions.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

from e2a_core.contract.base import Stated

__all__ = [
    "SENDING_PAUSED",
    "Delivery",
    "Direction",
    "DirectionText",
    "Method",
    "OutcomeText",
    "Review",
    "StageText",
]


SENDING_PAUSED = "waits, because sending is paused"
"""The `delivery_detail` of a message that was due while its inbox or account was paused."""


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


DirectionText = Annotated[str, Stated(enum=[*Direction])]
"""A direction in an answer. Its values are all there are, yet one of a newer deployment is read too."""

StageText = Annotated[
    str,
    Stated(
        enum=[
            "accepted",
            "authentication",
            "review",
            "suppression",
            "queued",
            "submission",
            "delivery",
            "complaint",
        ]
    ),
]
"""A stage in the life of a message."""

OutcomeText = Annotated[
    str,
    Stated(
        enum=[
            "accepted",
            "passed",
            "failed",
            "indeterminate",
            "pending",
            "approved",
            "rejected",
            "blocked",
            "applied",
            "enqueued",
            "deferred",
            "delivered",
            "bounced",
            "reported",
        ]
    ),
]
"""What a stage ended with."""
