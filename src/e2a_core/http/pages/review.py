"""One held message: what would go out or come in, why it waits, and the decision about it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from starlette.responses import PlainTextResponse, Response

from e2a_core.contract.conversations import ConversationDetailView
from e2a_core.contract.limits import MAX_ATTACHMENTS_BYTES, MAX_REASON_CHARS
from e2a_core.contract.message_views import MessageSummaryView, MessageView
from e2a_core.contract.reviews import ApproveRequest, RejectRequest
from e2a_core.contract.states import Direction, Review
from e2a_core.errors import Conflict, DraftChanged, InvalidRequest, MessageNotPending, NotFound
from e2a_core.http.files import file_response
from e2a_core.http.pages.attached import FILES_HINT, FILES_OCTETS
from e2a_core.http.pages.mail_html import (
    FRAME_HEADERS,
    MAX_PICTURE_OCTETS,
    frame_response,
    framed,
    misleading,
    pictures_named,
)
from e2a_core.http.pages.review_edit import EDIT_OCTETS, changes, edited
from e2a_core.http.pages.review_files import edited_files
from e2a_core.http.pages.review_words import DECIDED, expiry_of, on_expiry_of, why
from e2a_core.http.pages.routes import Page
from e2a_core.http.pages.visit import Visit
from e2a_core.http.pages.words import cut
from e2a_core.mail.html import html_links
from e2a_core.reviews.bodies import Bodies
from e2a_core.reviews.views import named
from e2a_core.visible import one_line, visible_text

__all__ = ["PAGES", "text_of"]

SHOWN_OCTETS = 14_000
"""Of each body, as HTML writes it: the page stays under 50 kB. The whole of it is one click away."""
EDITED_OCTETS = 16_000
"""Of each body of a draft that is changed on a page."""
MAX_LINKS = 10
MAX_EARLIER = 8
MAX_FILES = 50


@dataclass(frozen=True, slots=True)
class Shown:
    """The bodies as the page shows them."""

    text: str
    whole_text: bool
    html: bool
    differ: bool
    differences: dict[str, str]
    links: list[tuple[str, str, bool]]
    more_links: int


async def review(visit: Visit) -> Response:
    return await _shown(visit, await _view(visit))


async def approve(visit: Visit) -> Response:
    """Approves exactly what was shown, or what the reviewer made of it and saw."""
    view = await _view(visit)
    seen = _seen(visit)
    members: dict[str, Any] = {}
    if "edited" in visit.form:
        members |= edited(visit.form, view).members
        files = await edited_files(visit, view)
        if files.differ:
            members["attachments"] = await files.members(visit, view)
    request = ApproveRequest(content_hash=seen, **members)
    try:
        result = await visit.session.reviews.approve(view.id, request)
    except (DraftChanged, MessageNotPending) as problem:
        return await _raced(visit, problem)
    if view.direction == Direction.INBOUND:
        return visit.go("/reviews", said="approved-inbound")
    return visit.go("/reviews", said="approved-later" if result.scheduled_at else "approved-sent")


async def reject(visit: Visit) -> Response:
    view = await _view(visit)
    reason = visit.form.text("reason").strip()[:MAX_REASON_CHARS] or None
    try:
        await visit.session.reviews.reject(view.id, RejectRequest(reason=reason, content_hash=_seen(visit)))
    except (DraftChanged, MessageNotPending) as problem:
        return await _raced(visit, problem)
    return visit.go(
        "/reviews", said="rejected-inbound" if view.direction == Direction.INBOUND else "rejected"
    )


async def edit(visit: Visit) -> Response:
    """The form in which a draft is changed."""
    view = await _draft(visit)
    return await visit.page(
        "review_edit.html",
        title="Edit first",
        at="reviews",
        view=view,
        body=view.body,
        files_hint=FILES_HINT,
        files_most=MAX_ATTACHMENTS_BYTES,
        most_files=MAX_FILES,
        fits=all(cut(body, EDITED_OCTETS)[1] for body in (text_of(view), _html_of(view))),
    )


async def preview(visit: Visit) -> Response:
    """What the changes are; nothing is sent yet."""
    view = await _draft(visit)
    if _seen(visit) != view.content_hash:
        return await _raced(visit, DraftChanged("the agent changed the draft since you opened it"))
    given = edited(visit.form, view)
    files = await edited_files(visit, view)
    compared = await visit.core.offload.run(given.length, changes, view, given)
    if files.differ:
        compared.append(files.change())
    return await visit.page(
        "review_preview.html",
        title="Approve with your changes?",
        at="reviews",
        view=view,
        given=given,
        files=files,
        changes=compared,
        stale_html="text" in given.members and bool(_html_of(view)) and "html" not in given.members,
    )


async def html(visit: Visit) -> Response:
    """The document in the frame of a review."""
    view = await _view(visit)
    source = _html_of(view)
    if not source:
        raise NotFound("this message has no HTML")
    pictures, left = {}, MAX_PICTURE_OCTETS
    for cid in pictures_named(source):
        meta = next((item for item in view.attachments if (item.content_id or "").strip("<>") == cid), None)
        if meta is not None and meta.size_bytes <= left:
            left -= meta.size_bytes
            pictures[cid] = await visit.session.messages.attachment_content(_inbox(view), view.id, meta.index)
    result = await visit.core.offload.run(len(source), framed, source, pictures)
    return frame_response(result.document)


async def text(visit: Visit) -> Response:
    """The whole text, and with `part=html` the HTML as it is written, as plain text."""
    view = await _view(visit)
    content = _html_of(view) if visit.asked("part") == "html" else text_of(view)
    return PlainTextResponse(visible_text(content), headers=FRAME_HEADERS)


async def file(visit: Visit) -> Response:
    view = await _view(visit)
    index = visit.request.path_params["index"]
    if not (index.isascii() and index.isdigit() and len(index) < 6):
        raise NotFound("no such file")
    found = await visit.session.messages.attachment_content(_inbox(view), view.id, int(index))
    return file_response(found.data, found.meta.content_type, found.meta.filename)


def text_of(view: MessageView) -> str:
    return (view.body.text if view.body else None) or (view.parsed.text if view.parsed else None) or ""


def _html_of(view: MessageView) -> str:
    return (view.body.html if view.body else None) or (view.parsed.html if view.parsed else None) or ""


def _inbox(view: MessageView) -> str:
    return view.agent_email or view.delivered_to


def _seen(visit: Visit) -> str:
    """The hash of what the person saw. Raises `InvalidRequest` for a form without one."""
    seen = visit.form.text("content_hash")
    if not seen:
        raise InvalidRequest("the form does not say which content was seen")
    return seen


async def _view(visit: Visit) -> MessageView:
    view = await visit.session.reviews.get(visit.request.path_params["held_id"])
    if view.review_status is None:
        raise NotFound("this message was never held")
    return view


async def _draft(visit: Visit) -> MessageView:
    view = await _view(visit)
    if view.direction == Direction.INBOUND or view.body is None:
        raise Conflict("only a draft can be edited")
    if view.review_status != Review.PENDING:
        raise MessageNotPending("this message was decided before")
    return view


async def _raced(visit: Visit, problem: DraftChanged | MessageNotPending) -> Response:
    """The page after a decision that did not count, since somebody or something was faster."""
    return await _shown(visit, await _view(visit), problem)


async def _shown(
    visit: Visit, view: MessageView, problem: DraftChanged | MessageNotPending | None = None
) -> Response:
    email = _inbox(view)
    thread = await _thread(visit, email, view)
    agent = await visit.session.agents.get(email)
    on_expiry = await on_expiry_of(visit.session, email)
    length = len(_html_of(view)) + len(text_of(view))
    body = await visit.core.offload.run(length, _bodies, view)
    held, finding = why(view)
    return await visit.page(
        "review.html",
        title=_start(view.subject, 1000) or "No subject",
        at="reviews",
        status=problem.status if problem else 200,
        problem=problem,
        view=view,
        inbox=email,
        inbound=view.direction == Direction.INBOUND,
        pending=view.review_status == Review.PENDING,
        decided=DECIDED.get(Review(view.review_status)) if view.review_status else "",
        heading=_heading(view, email),
        held=held,
        finding=finding,
        body=body,
        people=_people(view, thread),
        author=one_line(
            f"{view.from_name} <{view.header_from}>" if view.from_name else view.header_from or ""
        ),
        answered=_answered(view, thread),
        earlier=_earlier(view, thread),
        expiry=expiry_of(view, on_expiry, agent.sending_paused is not None),
        paused=agent.sending_paused,
        files=view.attachments[:MAX_FILES],
        more_files=max(0, len(view.attachments) - MAX_FILES),
        short=lambda text: _start(text or "", 400),
    )


def _heading(view: MessageView, email: str) -> str:
    if view.direction == Direction.INBOUND:
        return f"Somebody wrote to {email}. The agent has not seen it."
    what = {"reply": "answer", "forward": "forward mail to"}.get(view.type or "", "write to")
    names = [item.model_dump() for item in view.names or ()]
    whom = _start(named(view.to[:2], names), 300) or "hidden recipients"
    more = f" and {len(view.to) - 2} more" if len(view.to) > 2 else ""
    return f"{email} wants to {what} {whom}{more}. Nothing has left yet."


def _bodies(view: MessageView) -> Shown:
    source = _html_of(view)
    bodies = Bodies.of(view)
    text, whole = cut(visible_text(text_of(view)), SHOWN_OCTETS)
    links = html_links(source) if source else []
    listed = [
        (_start(link.text, 300) or "a picture", _start(link.url, 600), misleading(link.text, link.url))
        for link in dict.fromkeys(links)
    ]
    listed.sort(key=lambda item: not item[2])
    return Shown(
        text=text,
        whole_text=whole,
        html=bool(source),
        differ=bodies.differ,
        differences={where: _start(words, 400) for where, words in bodies.differences.items()},
        links=listed[:MAX_LINKS],
        more_links=max(0, len(listed) - MAX_LINKS),
    )


def _start(text: str, octets: int) -> str:
    """The beginning of a line that a stranger chose the length of."""
    shown, whole = cut(one_line(text), octets)
    return shown if whole else f"{shown}…"


async def _thread(visit: Visit, email: str, view: MessageView) -> ConversationDetailView | None:
    if not view.conversation_id:
        return None
    try:
        return await visit.session.conversations.get(email, view.conversation_id)
    except NotFound:
        return None


def _before(view: MessageView, thread: ConversationDetailView | None) -> list[MessageSummaryView]:
    """The messages of the thread before this one, newest first."""
    messages = thread.messages if thread else []
    return [item for item in reversed(messages) if item.id != view.id and item.created_at <= view.created_at]


def _answered(view: MessageView, thread: ConversationDetailView | None) -> MessageSummaryView | None:
    if view.direction == Direction.INBOUND:
        return None
    return next((item for item in _before(view, thread) if item.direction == Direction.INBOUND), None)


def _earlier(view: MessageView, thread: ConversationDetailView | None) -> list[MessageSummaryView]:
    answered = _answered(view, thread)
    return [item for item in _before(view, thread) if answered is None or item.id != answered.id][
        :MAX_EARLIER
    ]


def _people(
    view: MessageView, thread: ConversationDetailView | None
) -> list[tuple[str, list[tuple[str, str]]]]:
    """The recipients by field, each with what is unusual of it."""
    known = _known(view, thread)
    names = [item.model_dump() for item in view.names or ()]
    fields = (("To", view.to), ("Cc", view.cc), ("Bcc", view.bcc or []), ("Reply-To", view.reply_to))
    unsigned = view.authentication.unsigned if view.authentication else None
    found = []
    for field, addresses in fields:
        marks = []
        for address in addresses:
            mark = "new in this thread" if known is not None and _bare(address) not in known else ""
            if field == "Bcc":
                mark = "hidden from the others" + (f", {mark}" if mark else "")
            if field == "Reply-To" and view.direction == Direction.INBOUND:
                mark = "not signed" if "reply-to" in [item.lower() for item in unsigned or ()] else ""
            elif field == "Reply-To":
                mark = "answers go here"
            marks.append((_person(one_line(named([address], names))), mark))
        found.append((field, marks))
    return found


def _person(shown: str) -> str:
    """A recipient, whose name is left out if it is too long for a page; the address never is."""
    return shown if cut(shown, 300)[1] or "<" not in shown else f"… <{shown.rpartition('<')[2]}"


def _known(view: MessageView, thread: ConversationDetailView | None) -> set[str] | None:
    """The addresses of the mail before a draft; None where there was none, so that nobody is new."""
    before = _before(view, thread)
    if view.direction == Direction.INBOUND or not before:
        return None
    found: set[str] = set()
    for item in before:
        found.update(_bare(address) for address in [*item.to, *(item.cc or []), *(item.reply_to or [])])
        found.add(_bare(item.header_from or ""))
    return found


def _bare(address: str) -> str:
    return address.rpartition("<")[2].rstrip(">").strip().lower()


PAGES = (
    Page("GET", "/reviews/{held_id}", review),
    Page("GET", "/reviews/{held_id}/html", html),
    Page("GET", "/reviews/{held_id}/text", text),
    Page("GET", "/reviews/{held_id}/files/{index}", file),
    Page("GET", "/reviews/{held_id}/edit", edit),
    Page("POST", "/reviews/{held_id}/edit", preview, FILES_OCTETS, files=True),
    Page("POST", "/reviews/{held_id}/approve", approve, EDIT_OCTETS),
    Page("POST", "/reviews/{held_id}/reject", reject),
)
