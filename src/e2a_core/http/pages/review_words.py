"""Held mail in words: who wants what, why it waits, and what doing nothing does."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime, timedelta

from e2a_core.contract.engine import Session
from e2a_core.contract.message_views import MessageView
from e2a_core.contract.reviews import ReviewView
from e2a_core.contract.screening_views import HoldReasonView
from e2a_core.contract.states import Direction, Review
from e2a_core.http.pages.words import short_address
from e2a_core.visible import one_line

__all__ = ["DECIDED", "Waiting", "expiry_of", "waiting", "why"]

MAX_SHOWN = 120
"""Characters of a subject or name in a line, which a screen cuts earlier."""
SOON = timedelta(hours=1)
_ANSWERS = re.compile(r"\s*(?:re|aw|sv|antw)\s*(?:\[\d+\])?:", re.IGNORECASE)
_FORWARDS = re.compile(r"\s*(?:fwd?|wg)\s*:", re.IGNORECASE)

DECIDED = {
    Review.SENT: "It was approved.",
    Review.APPROVED: "It was approved.",
    Review.REJECTED: "It was rejected or withdrawn.",
    Review.EXPIRED_APPROVED: "Nobody decided in time, so it was approved.",
    Review.EXPIRED_REJECTED: "Nobody decided in time, so it was rejected.",
}


@dataclass(frozen=True, slots=True)
class Waiting:
    """A line of the queue."""

    id: str
    agent: str
    wants: str
    whom: str
    subject: str
    why: str
    since: datetime
    expires: datetime | None
    ends: str
    """What happens at `expires`: rejected, sent, kept out or let in."""
    soon: bool
    scheduled: datetime | None


def waiting(view: ReviewView, on_expiry: str, now: datetime) -> Waiting:
    inbound = view.direction == Direction.INBOUND
    expires = view.approval_expires_at
    return Waiting(
        id=view.id,
        agent=short_address(view.agent_email),
        wants="received from" if inbound else _wants(view.subject),
        whom=one_line(_author(view) if inbound else _people(view.to))[:MAX_SHOWN],
        subject=one_line(view.subject)[:MAX_SHOWN],
        why=_why(view.hold_reason),
        since=view.created_at,
        expires=expires,
        ends=_ends(inbound, on_expiry),
        soon=expires is not None and expires - now < SOON,
        scheduled=view.scheduled_at,
    )


def why(view: MessageView) -> tuple[str, str]:
    """Why it is held, and the finding behind it."""
    if view.hold_reason is None:
        return "This message is held for a decision.", ""
    return view.hold_reason.sentences


def expiry_of(view: MessageView, on_expiry: str, paused: bool) -> str:
    """What happens at the end of the hold, as the end of a sentence."""
    inbound = view.direction == Direction.INBOUND
    if on_expiry == "approve" and paused and not inbound:
        return "it waits until sending is resumed, and is sent then"
    return {
        "rejected": "it is rejected and not sent",
        "sent": "it is sent",
        "kept out": "the agent never sees it",
        "let in": "it goes into the inbox",
    }[_ends(inbound, on_expiry)]


async def on_expiry_of(session: Session, email: str) -> str:
    """`approve` or `reject`: what an agent's holds end in."""
    return (await session.protection.get(email)).holds.on_expiry or "reject"


def _ends(inbound: bool, on_expiry: str) -> str:
    if inbound:
        return "let in" if on_expiry == "approve" else "kept out"
    return "sent" if on_expiry == "approve" else "rejected"


def _wants(subject: str) -> str:
    if _ANSWERS.match(subject):
        return "wants to answer"
    return "wants to forward mail to" if _FORWARDS.match(subject) else "wants to write to"


def _author(view: ReviewView) -> str:
    if not view.header_from:
        return view.envelope_from or "nobody"
    return f"{view.from_name} <{view.header_from}>" if view.from_name else view.header_from


def _people(addresses: list[str]) -> str:
    first = ", ".join(addresses[:2])
    return f"{first} and {len(addresses) - 2} more" if len(addresses) > 2 else first or "hidden recipients"


def _why(reason: HoldReasonView | None) -> str:
    if reason is None:
        return ""
    summary, finding = reason.sentences
    return finding or summary
