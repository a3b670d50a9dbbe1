"""Sending, replying and forwarding."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from email.utils import parseaddr
from typing import Annotated, Any, Literal, TypeVar

from pydantic import Field, WithJsonSchema

from e2a_core.contract.base import Instant, Request
from e2a_core.contract.limits import MAX_ATTACHMENTS
from e2a_core.contract.sending import (
    Body,
    ForwardRequest,
    Recipient,
    ReplyRequest,
    ReplyTo,
    SendEmailRequest,
    SendOptions,
    SendResultView,
    SentRecipientView,
    Subject,
)
from e2a_core.errors import E2AError
from e2a_mcp.attaching import AttachmentSource, load_attachments
from e2a_mcp.fence import Fence, plain_line
from e2a_mcp.render import MAX_ADDRESSES
from e2a_mcp.schema import validated
from e2a_mcp.tool import Call, Reply, Tool
from e2a_mcp.tools.arguments import InboxArguments
from e2a_mcp.tools.identity import paused_line
from e2a_mcp.tools.outputs import SEND_RESULT
from e2a_mcp.tools.passing import by_hand

__all__ = ["TOOLS", "SendMessage", "send_message", "sent"]

ConversationId = Annotated[str, Field(max_length=200, description="your own id for the thread, if any")]
IdempotencyKey = Annotated[str, Field(max_length=255)]
_STILL_HERE = frozenset({"accepted", "scheduled", "pending_review"})
_TEMPLATE_FIELDS = ("template_id", "template_alias", "template_data")
"""Not listed to agents, which cannot list templates."""
_REPLY_TO = {"type": "string", "description": "where answers go"}
"""Listed as one address, as models write it; a list is accepted too."""
MAX_REPLY_CHARS = 300
"""A server's reply says why in its first words."""
_OUTCOMES = {"pending": "to", "succeeded": "sent to", "failed": "not sent to", "unknown": "perhaps sent to"}
_SHARED = (
    *("html", "cc", "bcc", "reply_to", "attachments", "conversation_id", "idempotency_key"),
    *("allow_duplicate", "send_at", "unsubscribe", "wait_sent"),
)
"""Described by `send_message` alone: told three times, they would fill a quarter of an agent's catalogue."""
_CONVERTED = frozenset({"attachments", "unsubscribe"})


class _Composed(InboxArguments):
    html: Body | None = None
    cc: list[Recipient] | None = None
    bcc: list[Recipient] | None = None
    reply_to: Annotated[ReplyTo, WithJsonSchema(_REPLY_TO)] | None = None
    attachments: Annotated[list[AttachmentSource], Field(max_length=MAX_ATTACHMENTS)] | None = None
    conversation_id: ConversationId | None = None
    idempotency_key: IdempotencyKey | None = None
    allow_duplicate: Annotated[bool, Field(description="though the same went out minutes ago")] = False
    send_at: Annotated[Instant, Field(description="not before: time, date, or 2h")] | None = None
    unsubscribe: Annotated[Literal["managed"], Field(description="add an unsubscribe link")] | None = None
    wait_sent: Annotated[bool, Field(description="answer when handed over")] = False


class SendMessage(_Composed):
    to: Annotated[list[Recipient], Field(min_length=1)]
    subject: Subject | None = None
    text: Body | None = None
    template_id: str | None = None
    template_alias: str | None = None
    template_data: dict[str, Any] | None = None


class ReplyToMessage(_Composed):
    message_id: str
    text: Body | None = None
    reply_all: Annotated[bool, Field(description="also to the others it was addressed to")] | None = None


class ForwardMessage(_Composed):
    message_id: str
    to: Annotated[list[Recipient], Field(min_length=1)]
    text: Body = ""


RequestT = TypeVar("RequestT", bound=Request)


async def _request(call: Call, arguments: _Composed, kind: type[RequestT]) -> RequestT:
    given = {
        name: value
        for name in kind.model_fields
        if name not in _CONVERTED and (value := getattr(arguments, name, None)) is not None
    }
    if arguments.attachments:
        given["attachments"] = await load_attachments(call, arguments.attachments)
    if arguments.unsubscribe:
        given["unsubscribe"] = {"mode": arguments.unsubscribe}
    return validated(kind, given)


def _options(arguments: _Composed) -> SendOptions:
    key = arguments.idempotency_key
    return SendOptions(
        idempotency_key=key,
        dedupe="content" if key is None and not arguments.allow_duplicate else None,
        wait="sent" if arguments.wait_sent else None,
    )


def sent(call: Call, result: SendResultView, *, left_out: str = "") -> Reply:
    """Returns the result of a send; its text says what the status means for the caller, and what each recipient got.

    `left_out` is the inbox itself if the caller named it beside others: mail to others does not come back.
    """
    structured = result.to_wire()
    line = f"{result.status} {result.message_id}"
    if result.conversation_id:
        line += f" conversation={result.conversation_id}"
    notes = {
        "pending_review": "a person must approve it; do not send it again",
        "accepted": "it is queued; do not send it again",
        "scheduled": f"it goes out at {structured.get('scheduled_at')}, unless delete_message calls it off before",
    }
    missed = result.not_addressed or []
    replies = [item.detail for item in result.recipients or [] if item.detail]
    notes["failed"] = (
        "it was not delivered" if replies else "it was not delivered; get_message_lifecycle tells why"
    )
    fence = Fence(call.services.ids, [*replies, *missed])
    theirs = [name for name, said in {"recipients.detail": replies, "not_addressed": missed}.items() if said]
    lines = [line, *([fence.notice] if theirs else []), *_recipients(fence, result.recipients or [])]
    if theirs:
        structured["untrusted"] = fence.note(theirs)
    if left_out:
        lines.append(f"not written to, since it is the inbox itself: {left_out}")
    if missed:
        lines.append(f"no address, so not written to: {fence.inline(plain_line('; '.join(missed), 1000))}")
    if result.failed_recipients:
        without = ", ".join(map(plain_line, result.failed_recipients))
        lines.append(f"only these did not get it, write to them alone if at all: {without}")
    elif note := notes.get(result.status):
        lines.append(note)
    if result.deduplicated:
        lines.append(
            "the same message was sent shortly before: this is its result; allow_duplicate sends anew"
        )
    if result.sandbox:
        lines.append("sandbox: no upstream relay is set, outside addresses were captured and not mailed")
    return Reply(structured, "\n".join(lines), untrusted=bool(theirs))


def _recipients(fence: Fence, recipients: Sequence[SentRecipientView]) -> list[str]:
    """Returns a line for each outcome with its recipients, and one for each recipient that has a reply to show."""
    together: dict[str, list[str]] = {}
    lines = []
    for item in recipients:
        if item.detail is None:
            together.setdefault(_OUTCOMES.get(item.outcome, item.outcome), []).append(item.address)
            continue
        code = f" {item.code}" if item.code else ""
        said = fence.inline(plain_line(item.detail, MAX_REPLY_CHARS))
        lines.append(
            f"{_OUTCOMES.get(item.outcome, item.outcome)} {plain_line(item.address, 254)}:{code} {said}"
        )
    for outcome, addresses in together.items():
        shown = ", ".join(plain_line(address, 254) for address in addresses[:MAX_ADDRESSES])
        more = f" and {len(addresses) - MAX_ADDRESSES} more" if len(addresses) > MAX_ADDRESSES else ""
        lines.insert(0, f"{outcome} {shown}{more}")
    return lines


async def send_message(call: Call, arguments: SendMessage) -> Reply:
    email = call.inbox(arguments.email)
    request = await _request(call, arguments, SendEmailRequest)
    result = await call.session.messages.send(email, request, _options(arguments))
    return await _told(call, email, result, left_out=_left_out(email, request, result))


async def reply_to_message(call: Call, arguments: ReplyToMessage) -> Reply:
    email = call.inbox(arguments.email)
    request = await _request(call, arguments, ReplyRequest)
    result = await call.session.messages.reply(email, arguments.message_id, request, _options(arguments))
    return await _told(call, email, result)


async def forward_message(call: Call, arguments: ForwardMessage) -> Reply:
    email = call.inbox(arguments.email)
    request = await _request(call, arguments, ForwardRequest)
    result = await call.session.messages.forward(email, arguments.message_id, request, _options(arguments))
    return await _told(call, email, result, left_out=_left_out(email, request, result))


async def _told(call: Call, email: str, result: SendResultView, *, left_out: str = "") -> Reply:
    """Returns `sent`, and says of mail that was sent before whether a pause keeps it from leaving."""
    reply = sent(call, result, left_out=left_out)
    if not result.deduplicated or result.status not in _STILL_HERE:
        return reply
    try:
        paused = paused_line(await call.session.agents.get(email))
    except E2AError:
        return reply
    return replace(reply, text=f"{reply.text}\n{paused}") if paused else reply


def _left_out(email: str, request: SendEmailRequest | ForwardRequest, result: SendResultView) -> str:
    """Returns the inbox if it was to be a recipient and is none."""
    own = email.lower()
    given = [*request.to, *(request.cc or ()), *(request.bcc or ())]
    named = {parseaddr(item)[1].lower() for item in given}
    reached = {item.address.lower() for item in result.recipients or ()}
    return own if reached and own in named - reached else ""


TOOLS: tuple[Tool[Any], ...] = (
    by_hand("send_message", SendMessage, SEND_RESULT, send_message, hidden=_TEMPLATE_FIELDS),
    by_hand("reply_to_message", ReplyToMessage, SEND_RESULT, reply_to_message, brief=_SHARED),
    by_hand("forward_message", ForwardMessage, SEND_RESULT, forward_message, brief=_SHARED),
)
