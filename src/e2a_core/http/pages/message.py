"""One message, its thread, its parts, and what can be done with it."""

from __future__ import annotations

from dataclasses import dataclass

from starlette.responses import PlainTextResponse, Response

from e2a_core.contract.conversations import ConversationDetailView
from e2a_core.contract.message_views import AttachmentContent, MessageView
from e2a_core.contract.messages import UpdateMessageRequest
from e2a_core.contract.states import Direction, Review
from e2a_core.errors import AttachmentNotFound, NotFound
from e2a_core.http.files import file_response
from e2a_core.http.pages.mail_html import (
    FRAME_HEADERS,
    MAX_PICTURE_OCTETS,
    frame_response,
    framed,
    pictures_named,
)
from e2a_core.http.pages.mail_words import (
    DISOWNED,
    evidence,
    item_of,
    message_path,
    state_tag,
    step_words,
    verdict_tag,
    waits,
)
from e2a_core.http.pages.routes import Page
from e2a_core.http.pages.sheet import Field, Form, Note, Tag, address, read
from e2a_core.http.pages.visit import Visit
from e2a_core.http.pages.words import cut, line
from e2a_core.reviews.bodies import Bodies
from e2a_core.visible import visible_text

__all__ = ["PAGES", "file_index", "inbox_of"]

SHOWN_OCTETS = 14_000
"""Of a body, as HTML writes it: the page stays under 50 kB. The whole is one click away."""
QUOTED_OCTETS = 4_000
IN_THREAD_OCTETS = 3_500
WHOLE_IN_THREAD = 6
"""Messages of a thread that are shown with their text; earlier ones are lines."""
LISTED_IN_THREAD = 40
MAX_FILES = 50
MAX_STEPS = 50


@dataclass(frozen=True, slots=True)
class Shown:
    """A message as a page shows it."""

    view: MessageView
    path: str
    who: str
    verdict: Tag | None
    state: Tag | None
    text: str
    whole: bool
    notes: list[Note]
    people: list[tuple[str, str, str]]


async def message(visit: Visit) -> Response:
    email, view = await _read(visit)
    shown = await visit.core.offload.run(len(_text(view)), _shown, email, view, SHOWN_OCTETS)
    steps = await visit.session.messages.lifecycle(email, view.id, limit=MAX_STEPS)
    quoted, _ = cut(visible_text((view.parsed.quoted_text if view.parsed else None) or ""), QUOTED_OCTETS)
    differ = await visit.core.offload.run(len(_html(view)), Bodies.of, view) if _html(view) else None
    return await visit.page(
        "message.html",
        title=line(view.subject) or "No subject",
        at="mail",
        shown=shown,
        crumbs=_crumbs(email),
        thread=address("mail", email, "thread", id=view.conversation_id or view.thread_id),
        email=email,
        view=view,
        inbound=view.direction == Direction.INBOUND,
        html=bool(_html(view)),
        differ=bool(differ and differ.differ),
        quoted=quoted,
        evidence=evidence(view.authentication),
        steps=[(step.occurred_at, *step_words(step)) for step in steps.items],
        files=view.attachments[:MAX_FILES],
        answers=_may_be_answered(view),
        labels=_label_form(email, view),
        forms=_forms(email, view),
    )


async def thread(visit: Visit) -> Response:
    """The newest messages of a conversation with their texts, those before as lines."""
    agent = await visit.session.agents.get(visit.request.path_params["email"])
    found = await visit.session.conversations.get(agent.email, visit.asked("id"))
    whole = []
    for summary in found.messages[-WHOLE_IN_THREAD:]:
        try:
            view = await visit.session.messages.get(agent.email, summary.id, peek=True)
        except NotFound:
            continue
        length = len(_text(view))
        whole.append(await visit.core.offload.run(length, _shown, agent.email, view, IN_THREAD_OCTETS))
    earlier = found.messages[:-WHOLE_IN_THREAD][-LISTED_IN_THREAD:]
    return await visit.page(
        "thread.html",
        title=line(found.latest_subject) or "No subject",
        at="mail",
        crumbs=_crumbs(agent.email),
        email=agent.email,
        found=found,
        people=_people_of(found),
        earlier=[item_of(agent.email, item) for item in earlier],
        unlisted=found.message_count - len(earlier) - len(whole),
        whole=whole,
        answered=next((item for item in reversed(whole) if _may_be_answered(item.view)), None),
    )


async def html(visit: Visit) -> Response:
    """The HTML as a document for the frame."""
    email, view = await _read(visit, whole=True)
    source = _html(view)
    pictures: dict[str, AttachmentContent] = {}
    room, named = MAX_PICTURE_OCTETS, pictures_named(source)
    for meta in view.attachments:
        if meta.content_id in named and meta.content_id and meta.size_bytes <= room:
            room -= meta.size_bytes
            found = await visit.session.messages.attachment_content(email, view.id, meta.index)
            pictures[meta.content_id] = found
    result = await visit.core.offload.run(len(source), framed, source, pictures)
    return frame_response(result.document)


async def text(visit: Visit) -> Response:
    """The whole text, as plain text."""
    _, view = await _read(visit, whole=True)
    return PlainTextResponse(visible_text(_text(view)), headers=FRAME_HEADERS)


async def source(visit: Visit) -> Response:
    """The message as transmitted, as plain text; with `save` as a file."""
    email, view = await _read(visit)
    octets = await visit.session.messages.raw(email, view.id)
    if visit.asked("save"):
        return file_response(octets, "message/rfc822", f"{view.id}.eml")
    return PlainTextResponse(octets.decode("utf-8", "replace"), headers=FRAME_HEADERS)


async def file(visit: Visit) -> Response:
    params = visit.request.path_params
    index = file_index(params["index"])
    found = await visit.session.messages.attachment_content(params["email"], params["message_id"], index)
    return file_response(found.data, found.meta.content_type, found.meta.filename)


async def label(visit: Visit) -> Response:
    adding = visit.form.text("labels").replace(",", " ").split()
    removing = visit.form.all("remove")
    request = read(visit, UpdateMessageRequest, {"add_labels": adding, "remove_labels": removing})
    await visit.session.messages.update(*_named(visit), request)
    return visit.go(message_path(*_named(visit)), said="labelled")


async def mark(visit: Visit) -> Response:
    """As read or unread for the agent."""
    status = visit.form.text("as")
    await visit.session.messages.update(
        *_named(visit), read(visit, UpdateMessageRequest, {"read_status": status})
    )
    return visit.go(message_path(*_named(visit)), said=status)


async def trash(visit: Visit) -> Response:
    result = await visit.session.messages.delete(*_named(visit))
    return visit.go(message_path(*_named(visit)), said="called-off" if result.cancelled else "trashed")


async def restore(visit: Visit) -> Response:
    await visit.session.messages.restore(*_named(visit))
    return visit.go(message_path(*_named(visit)), said="restored")


async def erase(visit: Visit) -> Response:
    await visit.session.messages.delete(*_named(visit), permanent=True)
    return visit.go(address("mail", inbox_of(visit)), said="erased", show="trash")


def inbox_of(visit: Visit) -> str:
    return str(visit.request.path_params["email"])


def file_index(text: str) -> int:
    """The number of a file in a path. Raises `AttachmentNotFound`."""
    if not (text.isascii() and text.isdigit() and len(text) < 6):
        raise AttachmentNotFound("no such file")
    return int(text)


def _named(visit: Visit) -> tuple[str, str]:
    return inbox_of(visit), str(visit.request.path_params["message_id"])


async def _read(visit: Visit, *, whole: bool = False) -> tuple[str, MessageView]:
    email, message_id = _named(visit)
    view = await visit.session.messages.get(email, message_id, peek=True, whole=whole)
    return (await visit.session.agents.get(email)).email, view


def _crumbs(email: str) -> list[tuple[str, str]]:
    return [("Mail", "/mail"), (email, address("mail", email))]


def _shown(email: str, view: MessageView, octets: int) -> Shown:
    body, whole = cut(visible_text(_text(view)), octets)
    who = view.header_from or view.envelope_from or (email if view.direction != Direction.INBOUND else "")
    return Shown(
        view,
        message_path(email, view.id),
        line(f"{view.from_name} <{who}>" if view.from_name else who or "nobody"),
        verdict_tag(view),
        state_tag(view),
        body,
        whole,
        _notes(view),
        _people(view),
    )


def _notes(view: MessageView) -> list[Note]:
    """What wants attention, in words, the worst first."""
    notes = []
    if view.verdict == "failed":
        notes.append(Note(DISOWNED, kind="bad"))
    if view.review_status == Review.PENDING:
        path = address("reviews", view.id)
        notes.append(
            Note(
                "Protection holds this draft.",
                "It leaves once somebody approves it.",
                "warn",
                path,
                "Review it",
            )
        )
    if view.rejection_reason:
        notes.append(Note("Rejected:", view.rejection_reason, "bad"))
    if view.deleted_at is not None:
        notes.append(Note("This is in the trash.", "The agent does not see it."))
    if view.method == "sandbox":
        notes.append(Note("Kept in the sandbox.", "It was not sent to anybody outside."))
    if view.delivery_detail:
        notes.append(Note("Delivery:", view.delivery_detail))
    if view.flagged:
        notes.append(Note("Protection marked this.", view.flag_reason or ""))
    if view.auto_submitted is not None:
        notes.append(Note("A machine sent this.", view.auto_submitted.reason, ""))
    notes += [
        Note(sentence, kind="") for sentence in ((view.parsed.notes if view.parsed else None) or [])[:6]
    ]
    return notes


def _people(view: MessageView) -> list[tuple[str, str, str]]:
    """Field, addresses, and what is unusual of it."""
    names = {item.address: item.name for item in view.names or ()}
    unsigned = [
        item.lower() for item in (view.authentication.unsigned if view.authentication else None) or ()
    ]
    fields = (("To", view.to), ("Cc", view.cc), ("Bcc", view.bcc or []), ("Reply-To", view.reply_to))
    found = []
    for name, addresses in fields:
        shown = [f"{names[item]} <{item}>" if item in names else item for item in addresses[:20]]
        more = f" and {len(addresses) - 20} more" if len(addresses) > 20 else ""
        mark = "not signed" if name == "Reply-To" and "reply-to" in unsigned else ""
        mark = "hidden from the others" if name == "Bcc" else mark
        if shown:
            found.append((name, ", ".join(shown) + more, mark))
    return found


def _people_of(found: ConversationDetailView) -> str:
    more = len(found.participants) - 6
    return ", ".join(found.participants[:6]) + (f" and {more} more" if more > 0 else "")


def _may_be_answered(view: MessageView) -> bool:
    return view.deleted_at is None and view.review_status not in {
        Review.PENDING,
        Review.REJECTED,
        Review.EXPIRED_REJECTED,
    }


def _label_form(email: str, view: MessageView) -> Form | None:
    if view.deleted_at is not None:
        return None
    own = [item for item in view.labels if not item.startswith("e2a:")]
    boxes = [Field("remove", f"Remove {item}", item, "check") for item in own[:12]]
    return Form(
        message_path(email, view.id, "labels"),
        "Change labels",
        [*boxes, Field("labels", "Add labels", hint="a-z 0-9 : _ -, with spaces between", most=300)],
    )


def _forms(email: str, view: MessageView) -> list[Form]:
    """What can be done at once."""

    def lone(to: str, button: str, *fields: Field, danger: bool = False) -> Form:
        return Form(message_path(email, view.id, to), button, fields, danger=danger, small=True)

    if view.deleted_at is not None:
        return [lone("restore", "Take out of the trash"), lone("erase", "Delete for good", danger=True)]
    forms = []
    if view.direction == Direction.INBOUND:
        status = "unread" if view.read_status == "read" else "read"
        forms.append(lone("mark", f"Mark {status} for the agent", Field("as", value=status, kind="hidden")))
    called = "Call off" if waits(view) else "Move to the trash"
    return [*forms, lone("trash", called, danger=waits(view))]


def _text(view: MessageView) -> str:
    return (view.body.text if view.body else None) or (view.parsed.text if view.parsed else None) or ""


def _html(view: MessageView) -> str:
    return (view.body.html if view.body else None) or (view.parsed.html if view.parsed else None) or ""


_ONE = "/mail/{email}/messages/{message_id}"
PAGES = (
    Page("GET", "/mail/{email}/thread", thread),
    Page("GET", _ONE, message),
    Page("GET", f"{_ONE}/html", html),
    Page("GET", f"{_ONE}/text", text),
    Page("GET", f"{_ONE}/source", source),
    Page("GET", f"{_ONE}/files/{{index}}", file),
    Page("POST", f"{_ONE}/labels", label),
    Page("POST", f"{_ONE}/mark", mark),
    Page("POST", f"{_ONE}/trash", trash),
    Page("POST", f"{_ONE}/restore", restore),
    Page("POST", f"{_ONE}/erase", erase),
)
