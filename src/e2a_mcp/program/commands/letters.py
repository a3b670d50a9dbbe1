"""Mail in words: one line for each message of a list, and a message as a letter."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from e2a_core.contract.conversations import ConversationDetailView, ConversationSummaryView
from e2a_core.contract.message_views import MessageSummaryView, MessageView
from e2a_core.contract.messages import MessageLifecycleTransition
from e2a_core.contract.reviews import ReviewView
from e2a_mcp.program.commands.show import ago

__all__ = ["conversation", "conversation_line", "letter", "message_line", "review_line", "step_line"]

MOST_NAMED = 3
"""Recipients named in a line."""
_VERDICTS = {
    "verified": "proven",
    "partial": "partly proven",
    "failed": "disowned",
    "unverified": "not proven",
}


_Sent = MessageSummaryView | MessageView | ReviewView


def message_line(message: MessageSummaryView) -> Iterator[str]:
    """Who wrote what to whom, whether that is proven, and how it stands."""
    marks = [_VERDICTS.get(message.verdict or "", "")] if message.direction == "inbound" else []
    marks += [message.read_status if message.read_status == "unread" else "", message.delivery_status or ""]
    marks += ["held" if message.review_status == "pending_review" else "", *message.labels]
    shown = ", ".join(mark for mark in marks if mark)
    who = _author(message) if message.direction == "inbound" else f"to {_names(message.to)}"
    yield f"{message.id}  {who}: {message.subject or '(no subject)'}  [{shown}]  {ago(message.created_at)}"


def conversation_line(found: ConversationSummaryView) -> Iterator[str]:
    count = "1 message" if found.message_count == 1 else f"{found.message_count} messages"
    unread = ", unread" if found.has_unread else ""
    last = f"last {found.latest_from_name or found.latest_from} {ago(found.last_message_at)}"
    yield f"{found.id}  {found.latest_subject or '(no subject)'}  {count}{unread}, {last}"


def conversation(found: ConversationDetailView) -> Iterator[str]:
    yield from conversation_line(found)
    yield f"with {', '.join(found.participants)}"
    for message in found.messages:
        yield from message_line(message)


def review_line(review: ReviewView) -> Iterator[str]:
    """Who wants what, why it waits, and until when."""
    summary, finding = review.hold_reason.sentences if review.hold_reason else ("", "")
    reason = finding or summary or review.flag_reason or "a person decides"
    wish = (
        f"{review.agent_email} wants to write to {_names(review.to)}"
        if review.direction == "outbound"
        else f"{_author(review)} wrote to {review.agent_email}"
    )
    yield f"{review.id}  {wish}: {review.subject or '(no subject)'}"
    yield f"    {reason.rstrip('.')}; came {ago(review.created_at)}{_deadline(review.approval_expires_at)}"


def step_line(step: MessageLifecycleTransition) -> Iterator[str]:
    whom = f" for {step.recipient}" if step.recipient else ""
    yield f"{step.occurred_at:%Y-%m-%d %H:%M:%S}  {step.stage} {step.outcome}{whom}  ({step.reason_code})"


def letter(message: MessageView, ends: str = "decided") -> Iterator[str]:
    """The head of a message, with the verdict on its sender beside the name.

    `ends` is what becomes of a held one if nobody decides.
    """
    yield f"From      {_author(message)}{_proof(message)}"
    for name, addresses in (("To", message.to), ("Cc", message.cc), ("Bcc", message.bcc or [])):
        if addresses:
            yield f"{name:9} {', '.join(addresses)}"
    if message.reply_to:
        yield f"Reply-To  {', '.join(message.reply_to)}"
    yield f"Subject   {message.subject}"
    yield f"Date      {message.created_at:%Y-%m-%d %H:%M} UTC, {ago(message.created_at)}"
    if message.scheduled_at:
        yield f"Leaves    {message.scheduled_at:%Y-%m-%d %H:%M} UTC, {ago(message.scheduled_at)}"
    states = [message.delivery_status, message.review_status, *message.labels]
    if any(states):
        yield f"State     {', '.join(state for state in states if state)}"
    if message.hold_reason:
        summary, finding = message.hold_reason.sentences
        yield f"Held      {f'{summary} {finding}'.strip(' .')}{_deadline(message.approval_expires_at, ends)}"
    for file in message.attachments:
        yield f"File {file.index:<4} {file.filename or '(no name)'}, {file.content_type}, {file.size_bytes:,} octets"


def _author(message: _Sent) -> str:
    address = message.header_from or message.envelope_from or "somebody"
    return f"{message.from_name} <{address}>" if message.from_name else address


def _proof(message: MessageView) -> str:
    return f"  ({_VERDICTS.get(message.verdict, message.verdict)})" if message.verdict else ""


def _names(addresses: list[str]) -> str:
    more = len(addresses) - MOST_NAMED
    return ", ".join(addresses[:MOST_NAMED]) + (f" and {more} more" if more > 0 else "")


def _deadline(until: datetime | None, ends: str = "decided") -> str:
    return f"; {ends} by itself {ago(until)}" if until else ""
