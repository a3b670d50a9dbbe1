"""Writing as an agent: new mail, an answer, and a forward. A form that is sent twice sends once."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable

from starlette.responses import Response

from e2a_core.contract.message_views import MessageView
from e2a_core.contract.sending import (
    ForwardRequest,
    ReplyRequest,
    SendEmailRequest,
    SendOptions,
    SendResultView,
)
from e2a_core.contract.states import Direction
from e2a_core.errors import E2AError
from e2a_core.http.pages.attached import FILES_OCTETS, Attached, attachment, kept_files, with_new_files
from e2a_core.http.pages.mail_words import message_path
from e2a_core.http.pages.routes import Page
from e2a_core.http.pages.sheet import Field, Form, Note, Section, address, read, sheet
from e2a_core.http.pages.visit import Visit
from e2a_core.http.pages.words import cut

__all__ = ["PAGES"]

KEPT_OCTETS = 24_000
"""Of a text that was not accepted, to be shown again in the form."""

_SAID = {"pending_review": "held", "scheduled": "scheduled"}
_ENTRY = re.compile(r'(?:"(?:[^"\\\n]|\\.)*"|[^",;\n])+')

Ask = Callable[[Visit, E2AError | None, Attached], Awaitable[Response]]
Send = Callable[[Attached], Awaitable[SendResultView]]

_NO_FILES = Attached()


async def ask_new(visit: Visit, problem: E2AError | None = None, files: Attached = _NO_FILES) -> Response:
    email = _email(visit)
    fields = [
        _people(visit, "to", "To", required=True),
        _people(visit, "cc", "Cc"),
        _people(visit, "bcc", "Bcc"),
        Field("subject", "Subject", visit.form.text("subject"), most=2000),
    ]
    return await _form(visit, "Write", address("mail", email, "compose"), "Send", fields, files, problem)


async def send_new(visit: Visit) -> Response:
    async def send(files: Attached) -> SendResultView:
        members = await _members(visit, files, "to", "cc", "bcc") | {
            "subject": visit.form.text("subject").strip()
        }
        request = read(visit, SendEmailRequest, members)
        return await visit.session.messages.send(_email(visit), request, _options(visit))

    return await _sent(visit, send, ask_new)


async def ask_reply(visit: Visit, problem: E2AError | None = None, files: Attached = _NO_FILES) -> Response:
    view = await _answered(visit)
    everybody = Field("all", "Answer everybody it went to", kind="check", on="all" in visit.form)
    quote = Field(
        "quote", "Quote it below", kind="check", on="quote" in visit.form or "key" not in visit.form
    )
    unsigned = [
        item.lower() for item in (view.authentication.unsigned if view.authentication else None) or ()
    ]
    notes = (
        [Note("Its Reply-To is not signed,", "so the answer goes to the address in From.")]
        if "reply-to" in unsigned
        else []
    )
    whom = view.header_from if view.direction == Direction.INBOUND else ", ".join(view.to[:3])
    path = message_path(_email(visit), view.id, "reply")
    title, lead = "Answer", f"To {whom or 'its sender'} about “{view.subject or 'no subject'}”."
    return await _form(visit, title, path, "Send", [everybody, quote], files, problem, view, lead, notes)


async def send_reply(visit: Visit) -> Response:
    async def send(files: Attached) -> SendResultView:
        marks = {"reply_all": "all" in visit.form, "quote_history": "quote" in visit.form}
        members = await _members(visit, files) | marks
        request = read(visit, ReplyRequest, members)
        return await visit.session.messages.reply(_email(visit), _id(visit), request, _options(visit))

    return await _sent(visit, send, ask_reply)


async def ask_forward(visit: Visit, problem: E2AError | None = None, files: Attached = _NO_FILES) -> Response:
    view = await _answered(visit)
    fields = [_people(visit, "to", "To", required=True), _people(visit, "cc", "Cc")]
    path = message_path(_email(visit), view.id, "forward")
    lead = f"“{view.subject or 'no subject'}” goes along with its files."
    return await _form(visit, "Forward", path, "Forward", fields, files, problem, view, lead)


async def send_forward(visit: Visit) -> Response:
    async def send(files: Attached) -> SendResultView:
        request = read(visit, ForwardRequest, await _members(visit, files, "to", "cc"))
        return await visit.session.messages.forward(_email(visit), _id(visit), request, _options(visit))

    return await _sent(visit, send, ask_forward)


async def _form(
    visit: Visit,
    title: str,
    path: str,
    button: str,
    fields: list[Field],
    files: Attached,
    problem: E2AError | None,
    view: MessageView | None = None,
    lead: str = "",
    notes: list[Note] | None = None,
) -> Response:
    """The form, with what was given before if it was not accepted."""
    email = _email(visit)
    agent = await visit.session.agents.get(email)
    kept, whole = cut(visit.form.text("text"), KEPT_OCTETS)
    text = Field("text", "Text", kept, "area", "" if whole else "Only the beginning of your text fits here.")
    hint = "Empty is at once. Or 2h, 3d, or 2027-01-31T09:00Z."
    leaves = Field("send_at", "Leaves", visit.form.text("send_at"), hint=hint, most=64)
    key = Field("key", value=visit.core.ids.new("form"), kind="hidden")
    back = message_path(email, view.id) if view else address("mail", email)
    form = Form(path, button, [key, *fields, text, *files.fields(), leaves], cancel=back)
    notes = [*(notes or []), *files.notes]
    if agent.sending_paused:
        notes.append(Note("Sending is paused.", "Until it is resumed, nothing is accepted."))
    if not visit.owner:
        notes.append(Note(f"A {visit.who.person.role} may read and not write."))
    crumbs = [("Mail", "/mail"), (agent.email, address("mail", agent.email))]
    return await sheet(
        visit,
        title,
        Section(forms=[form]),
        at="mail",
        lead=lead or f"As {agent.email}.",
        crumbs=crumbs,
        notes=notes,
        problem=problem,
    )


async def _sent(visit: Visit, send: Send, ask: Ask) -> Response:
    """Sends, and leads to the message; what is wrong with the form is said above it, with its texts and files kept.

    Files whose sizes the person was not told yet are told first.
    """
    files = await kept_files(visit)
    try:
        files = await with_new_files(visit, files, may=visit.owner)
        if files.untold:
            return await ask(visit, None, files)
        result = await send(files)
    except E2AError as problem:
        if not visit.owner:
            raise
        return await ask(visit, problem, files)
    said = "kept" if result.method == "sandbox" else _SAID.get(result.status, "sent")
    return visit.go(message_path(_email(visit), result.message_id), said=said)


async def _members(visit: Visit, files: Attached, *people: str) -> dict[str, object]:
    """The members of a request that every form has; what is empty is left out."""
    given: dict[str, object] = {
        name: [entry.strip() for entry in _ENTRY.findall(visit.form.text(name)) if entry.strip()]
        for name in people
    }
    given["text"] = visit.form.text("text")
    given["send_at"] = visit.form.text("send_at").strip()
    given["attachments"] = [
        await attachment(visit, item.filename, item.content_type, item.data) for item in files.uploads
    ]
    return {name: value for name, value in given.items() if value or name == "to"}


def _options(visit: Visit) -> SendOptions:
    return SendOptions(idempotency_key=visit.form.text("key")[:64] or None)


def _people(visit: Visit, name: str, label: str, *, required: bool = False) -> Field:
    hint = "Several with commas between." if name == "to" else ""
    return Field(name, label, visit.form.text(name), hint=hint, required=required, most=8000)


async def _answered(visit: Visit) -> MessageView:
    return await visit.session.messages.get(_email(visit), _id(visit), peek=True)


def _email(visit: Visit) -> str:
    return str(visit.request.path_params["email"])


def _id(visit: Visit) -> str:
    return str(visit.request.path_params["message_id"])


_ONE = "/mail/{email}/messages/{message_id}"
PAGES = (
    Page("GET", "/mail/{email}/compose", ask_new),
    Page("POST", "/mail/{email}/compose", send_new, FILES_OCTETS, files=True),
    Page("GET", f"{_ONE}/reply", ask_reply),
    Page("POST", f"{_ONE}/reply", send_reply, FILES_OCTETS, files=True),
    Page("GET", f"{_ONE}/forward", ask_forward),
    Page("POST", f"{_ONE}/forward", send_forward, FILES_OCTETS, files=True),
)
