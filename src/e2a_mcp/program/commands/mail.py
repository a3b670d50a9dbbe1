"""`e2a send`, `e2a reply`, `e2a forward`: mail that leaves an inbox."""

from __future__ import annotations

import base64
import json
import mimetypes
from collections.abc import Awaitable, Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from cyclopts import Parameter

from e2a_core.contract.sending import (
    ForwardRequest,
    ReplyRequest,
    SendEmailRequest,
    SendOptions,
    SendResultView,
)
from e2a_core.errors import SettingsError
from e2a_mcp.program.commands.acting import HERE, Acting, Agent, Where, act
from e2a_mcp.program.commands.reading import STANDARD_INPUT, octets_of, text_of
from e2a_mcp.program.commands.requesting import requested
from e2a_mcp.program.commands.show import ago
from e2a_mcp.program.statuses import EXPIRED, HELD, UNKNOWN

__all__ = ["forward", "outcome", "reply", "send", "told"]

FALLBACK_TYPE = "application/octet-stream"
_UNDER_WAY = frozenset({"accepted", "scheduled", "sent", "review_approved"})

MessageId = Annotated[str, Parameter(help="The id of the message.")]
To = Annotated[list[str], Parameter(help="A recipient; may be given again.")]


@Parameter(name="*")
@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """Options of everything that is sent."""

    body: Annotated[
        str | None, Parameter(help="The text; `-` reads it from standard input.", allow_leading_hyphen=True)
    ] = None
    body_file: Annotated[
        Path | None,
        Parameter(help="The text is in this file; `-` is standard input.", allow_leading_hyphen=True),
    ] = None
    html_file: Annotated[
        Path | None,
        Parameter(help="HTML in this file; alone, it makes its text.", allow_leading_hyphen=True),
    ] = None
    cc: Annotated[list[str] | None, Parameter(help="A recipient of a copy; may be given again.")] = None
    bcc: Annotated[list[str] | None, Parameter(help="A recipient the others do not see.")] = None
    reply_to: Annotated[list[str] | None, Parameter(help="Where answers go instead of to the inbox.")] = None
    attach: Annotated[list[Path] | None, Parameter(help="A file to attach; may be given again.")] = None
    conversation_id: Annotated[
        str | None,
        Parameter(name=["--conversation-id", "--conversation"], help="The conversation it belongs to."),
    ] = None
    send_at: Annotated[str | None, Parameter(help="When it leaves: a time, or a span such as 2h.")] = None
    unsubscribe: Annotated[bool, Parameter(help="Add an unsubscribe link, which the deployment honours.")] = (
        False
    )
    wait: Annotated[bool, Parameter(help="Wait for the relay's answer, at most 15 seconds.")] = False
    idempotency_key: Annotated[
        str | None, Parameter(help="A repeat with this key gets the first answer.")
    ] = None

    def members(self) -> dict[str, Any]:
        """The members of the request that were given. Raises `SettingsError`."""
        if self.body is not None and self.body_file is not None:
            raise SettingsError("--body and --body-file exclude each other")
        text = self.body
        if text == "-" or self.body_file is not None:
            text = text_of(self.body_file or STANDARD_INPUT)
        return {
            "text": text,
            "html": text_of(self.html_file) if self.html_file else None,
            "cc": self.cc,
            "bcc": self.bcc,
            "reply_to": self.reply_to,
            "attachments": [_attachment(path) for path in self.attach] if self.attach else None,
            "conversation_id": self.conversation_id,
            "send_at": self.send_at,
            "unsubscribe": {"mode": "managed"} if self.unsubscribe else None,
        }

    def options(self) -> SendOptions:
        return SendOptions(wait="sent" if self.wait else None, idempotency_key=self.idempotency_key)


EMPTY = Draft()


def send(
    *,
    to: To,
    subject: Annotated[str | None, Parameter(help="The subject; a template has its own.")] = None,
    template: Annotated[
        str | None, Parameter(help="The alias or id of a template, instead of a body.")
    ] = None,
    template_data: Annotated[str | None, Parameter(help="JSON with the values for its {{names}}.")] = None,
    draft: Draft = EMPTY,
    agent: Agent = None,
    where: Where = HERE,
) -> int:
    """Send a new message. Exit status 3 says that it is held for a person."""
    if template is None and subject is None:
        raise SettingsError("--subject is needed without a template")
    if template is None and not (draft.body is not None or draft.body_file or draft.html_file):
        raise SettingsError("one of --body, --body-file and --html-file is needed without a template")
    named = {"template_id" if (template or "").startswith("tmpl_") else "template_alias": template}
    given = {
        "to": to,
        "subject": subject,
        "template_data": _object(template_data),
        **named,
        **draft.members(),
    }
    request = requested(SendEmailRequest, _kept(given))

    async def sent(it: Acting, inbox: str) -> SendResultView:
        return await it.session.messages.send(inbox, request, draft.options())

    return _sending(where, agent, draft, sent)


def reply(
    id: MessageId,
    /,
    *,
    all: Annotated[bool, Parameter(help="Answer everybody who got the message.")] = False,
    quote: Annotated[bool, Parameter(help="Quote the message below the answer.")] = False,
    draft: Draft = EMPTY,
    agent: Agent = None,
    where: Where = HERE,
) -> int:
    """Answer a message in its thread. Exit status 3 says that the answer is held for a person."""
    given = {"reply_all": all or None, "quote_history": quote or None, **draft.members()}
    request = requested(ReplyRequest, _kept(given))

    async def sent(it: Acting, inbox: str) -> SendResultView:
        return await it.session.messages.reply(inbox, id, request, draft.options())

    return _sending(where, agent, draft, sent)


def forward(
    id: MessageId, /, *, to: To, draft: Draft = EMPTY, agent: Agent = None, where: Where = HERE
) -> int:
    """Forward a message with its attachments. Exit status 3 says that it is held for a person."""
    request = requested(ForwardRequest, _kept({"to": to, **draft.members()}))

    async def sent(it: Acting, inbox: str) -> SendResultView:
        return await it.session.messages.forward(inbox, id, request, draft.options())

    return _sending(where, agent, draft, sent)


def _sending(
    where: Where,
    agent: str | None,
    draft: Draft,
    sent: Callable[[Acting, str], Awaitable[SendResultView]],
) -> int:
    async def work(it: Acting) -> int:
        result = await sent(it, await it.inbox(agent))
        it.output.one(result, told)
        return outcome(result, waited=draft.wait)

    return act(where, work, agent=agent)


def outcome(result: SendResultView, *, waited: bool = False) -> int:
    """The exit status: held, under way, still under way after a wait, or failed for all anybody knows."""
    if result.status == "pending_review":
        return HELD
    if result.status not in _UNDER_WAY:
        return UNKNOWN
    return EXPIRED if waited and result.status == "accepted" else 0


def told(result: SendResultView) -> Iterator[str]:
    """What became of it, in a sentence, then what differs for single recipients."""
    kept = " Nothing left this machine: the sandbox captures mail to other hosts." if result.sandbox else ""
    if result.status == "pending_review":
        until = f", {ago(result.approval_expires_at)} at the latest" if result.approval_expires_at else ""
        yield f"{result.message_id} waits for a person{until}: `e2a reviews show {result.message_id}`"
    elif result.status == "scheduled" and result.scheduled_at:
        yield f"{result.message_id} leaves {ago(result.scheduled_at)}.{kept}"
    elif result.status in _UNDER_WAY:
        yield f"{result.message_id} {_STATES.get(result.status, result.status)}.{kept}"
    else:
        yield f"{result.message_id} {result.status}; do not send it again, it may arrive twice"
    for address in result.failed_recipients or ():
        yield f"  {address} did not get it"
    for entry in result.not_addressed or ():
        yield f"  {entry} is no address"


_STATES = {"accepted": "was accepted and leaves now", "sent": "was sent", "review_approved": "was released"}


def _attachment(path: Path) -> Mapping[str, str]:
    return {
        "filename": path.name,
        "content_type": mimetypes.guess_type(path.name)[0] or FALLBACK_TYPE,
        "data": base64.b64encode(octets_of(path)).decode(),
    }


def _object(text: str | None) -> Any:
    if text is None:
        return None
    try:
        return json.loads(text)
    except ValueError:
        raise SettingsError("--template-data must be a JSON object") from None


def _kept(given: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in given.items() if value is not None}
