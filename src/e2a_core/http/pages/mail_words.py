"""What pages say of mail: its sender's verdict, how far it came, and whom it is with."""

from __future__ import annotations

from collections.abc import Sequence

from e2a_core.contract.message_views import Authentication, MessageSummaryView, MessageView
from e2a_core.contract.messages import MessageLifecycleTransition
from e2a_core.contract.states import Delivery, Direction, Review
from e2a_core.http.pages.sheet import Item, Tag, address
from e2a_core.http.pages.words import short_address

__all__ = [
    "DISOWNED",
    "VERDICTS",
    "evidence",
    "item_of",
    "message_path",
    "state_tag",
    "step_words",
    "verdict_tag",
    "waits",
]

VERDICTS = {
    "verified": Tag("verified", "good"),
    "partial": Tag("partly verified", "warn"),
    "unverified": Tag("unverified", "warn"),
    "failed": Tag("failed", "bad"),
}
DISOWNED = "The domain of the sender says that this mail is not from them."

_REVIEWS = {
    Review.PENDING: Tag("held for review", "warn"),
    Review.REJECTED: Tag("rejected", "bad"),
    Review.EXPIRED_REJECTED: Tag("rejected by time", "bad"),
}
_DELIVERIES = {
    Delivery.ACCEPTED: Tag("on its way"),
    Delivery.SENDING: Tag("on its way"),
    Delivery.DEFERRED: Tag("tried again", "warn"),
    Delivery.FAILED: Tag("failed", "bad"),
    Delivery.BOUNCED: Tag("bounced", "bad"),
    Delivery.COMPLAINED: Tag("complained of", "bad"),
    Delivery.DELIVERED: Tag("delivered", "good"),
    Delivery.SENT: Tag("sent"),
}
_KNOWN = frozenset(Delivery)
_WAITING = frozenset({Delivery.ACCEPTED, Delivery.SENDING, Delivery.DEFERRED})
_GOOD = frozenset({"passed", "accepted", "approved", "delivered"})
_BAD = frozenset({"failed", "rejected", "blocked", "bounced", "reported"})


def verdict_tag(view: MessageSummaryView | MessageView) -> Tag | None:
    """The verdict on the sender in a word; none for what this deployment sent."""
    if view.direction != Direction.INBOUND:
        return None
    if view.author_agent:
        return Tag("agent", "good")
    return VERDICTS.get(view.verdict or "", Tag("not checked"))


def state_tag(view: MessageSummaryView | MessageView) -> Tag | None:
    """How far an outgoing message came, in a word."""
    if view.direction == Direction.INBOUND:
        return None
    if view.review_status in _REVIEWS:
        return _REVIEWS[Review(view.review_status)]
    if waits(view) and view.scheduled_at is not None:
        return Tag("scheduled")
    return _DELIVERIES.get(Delivery(view.delivery_status)) if view.delivery_status in _KNOWN else None


def waits(view: MessageSummaryView | MessageView) -> bool:
    """Whether an outgoing message can still be called off: a draft that is held, or mail that has not left."""
    return view.direction != Direction.INBOUND and (
        view.review_status == Review.PENDING
        or (view.delivery_status in _WAITING and view.review_status not in _REVIEWS)
    )


def item_of(email: str, view: MessageSummaryView) -> Item:
    """A line of a list of mail."""
    inbound = view.direction == Direction.INBOUND
    if inbound:
        who = view.from_name or view.header_from or view.envelope_from or "nobody"
        named = f" <{view.header_from}>" if view.from_name and view.header_from else ""
        title = f"{who}{named}"
    else:
        title = f"{short_address(email)} to {_some([*view.to, *(view.cc or [])])}"
    tags = [mark for mark in (verdict_tag(view), state_tag(view)) if mark is not None]
    tags += [Tag(label) for label in view.labels[:4]]
    if view.attachment_count:
        tags.append(Tag("1 file" if view.attachment_count == 1 else f"{view.attachment_count} files"))
    return Item(
        title,
        message_path(email, view.id),
        what=view.subject or "(no subject)",
        why=(view.preview or "")[:240],
        tags=tags,
        at=view.created_at,
        due=view.scheduled_at if waits(view) else None,
        strong=not inbound or view.read_status == "unread",
    )


def message_path(email: str, message_id: str, *more: str) -> str:
    return address("mail", email, "messages", message_id, *more)


def evidence(found: Authentication | None) -> list[tuple[str, str]]:
    """What the verdict rests on: one line for each check."""
    if found is None:
        return []
    lines = [("SPF", _result(found.spf.status, found.spf.domain, found.spf.detail))]
    lines += [
        (
            "DKIM",
            _result(item.status, item.domain, f"selector {item.selector}" if item.selector else "")
            + ("" if item.aligned in {None, True} else ", of another domain than From"),
        )
        for item in found.dkim[:8]
    ]
    policy = f"policy {found.dmarc.policy}" if found.dmarc.policy else found.dmarc.detail
    lines.append(("DMARC", _result(found.dmarc.status, found.dmarc.domain, policy)))
    if found.arc is not None:
        lines.append(("ARC", f"{_result(found.arc.status, found.arc.sealer, None)}, not relied on"))
    if found.unsigned:
        lines.append(("Not signed", ", ".join(found.unsigned[:12])))
    return lines


def step_words(step: MessageLifecycleTransition) -> tuple[str, Tag]:
    """What happened to a message at one step: a sentence and the outcome in a word."""
    whom = f" for {step.recipient}" if step.recipient else ""
    reason = step.reason_code.replace("_", " ").replace(".", " ")
    kind = "good" if step.outcome in _GOOD else "bad" if step.outcome in _BAD else ""
    return f"{step.stage.capitalize()}{whom}: {reason}", Tag(step.outcome, kind)


def _some(people: Sequence[str], most: int = 3) -> str:
    more = len(people) - most
    return ", ".join(people[:most]) + (f" and {more} more" if more > 0 else "") or "nobody"


def _result(status: str, domain: str | None, detail: str | None) -> str:
    return " · ".join(part for part in (f"{status}{f' for {domain}' if domain else ''}", detail) if part)
