"""Attachments of stored messages."""

from __future__ import annotations

import base64
from dataclasses import dataclass, replace
from typing import Annotated, Any

from pydantic import Field

from e2a_core.contract.message_views import AttachmentTextView, AttachmentView, MessageView
from e2a_core.errors import E2AError
from e2a_mcp.fence import Fence, plain_line, plain_text
from e2a_mcp.reading import DEFAULT_MAX_CHARS, MAX_MAX_CHARS
from e2a_mcp.render import attachment_link, mail_uri
from e2a_mcp.schema import object_schema, view_properties
from e2a_mcp.tool import Call, Reply, Tool
from e2a_mcp.tools.arguments import MessageArguments
from e2a_mcp.tools.outputs import TEXT, UNTRUSTED
from e2a_mcp.tools.passing import by_hand

__all__ = ["TOOLS", "Index", "Invitation", "attachment", "invitation"]

Index = Annotated[int, Field(ge=0)]

_CALENDARS = frozenset({"text/calendar", "application/ics"})
MAX_NAMED = 10
"""Further calendar files named; the list of attachments has the others."""
INVITATION_CHARS = 2_000
"""Of an invitation in its message; `get_attachment` shows the rest."""

_TOLD = frozenset({"outcome", "note", "text", "offset", "next_offset", "total_chars", "truncated", "pages"})
"""What is told of the text beside the file."""


class GetAttachment(MessageArguments):
    attachment_index: Index
    offset: Annotated[int, Field(ge=0, description="next_offset of the page before")] = 0
    max_chars: Annotated[int, Field(ge=1, le=MAX_MAX_CHARS)] = DEFAULT_MAX_CHARS
    inline: Annotated[bool, Field(description="base64, small files only")] = False


async def attachment(call: Call, email: str, message_id: str, index: int, *, inline: bool) -> Reply:
    """Returns the description of one attachment and its resource link; with `inline` its bytes too."""
    view = await call.session.messages.attachment(email, message_id, index, inline=inline)
    structured = view.to_wire()
    structured["uri"] = mail_uri(email, "messages", message_id, "attachments", str(index))
    words = f"{plain_line(view.filename, 120) or 'unnamed'} {plain_line(view.content_type, 80)}"
    fence = Fence(call.services.ids, [words])
    link = attachment_link(email, message_id, structured, fence)
    structured["untrusted"] = fence.note(["filename", "content_type", "content_id", "data"])
    lines = [fence.notice, f"{fence.inline(words)} {view.size_bytes} bytes", f"resource: {structured['uri']}"]
    if view.data is None:
        lines.append(f"download: {view.download_url}")
    return Reply(structured, "\n".join(lines), (link,), untrusted=True)


async def get_attachment(call: Call, arguments: GetAttachment) -> Reply:
    """Returns one attachment: the words of a document in pages, a picture as a picture, and the link to the file."""
    email, message_id, index = call.inbox(arguments.email), arguments.message_id, arguments.attachment_index
    file = await attachment(call, email, message_id, index, inline=arguments.inline)
    if arguments.inline:
        return file
    read = await call.session.messages.attachment_text(
        email, message_id, index, offset=arguments.offset, max_chars=arguments.max_chars
    )
    if read.outcome == "picture":
        return await _shown(call, file, email, message_id, index)
    return _with_text(call, file, read)


@dataclass(frozen=True, slots=True)
class Invitation:
    """What, when, where and who of a message's first calendar file, and what a reader has to know besides."""

    text: str
    notes: tuple[str, ...] = ()

    @property
    def member(self) -> dict[str, str]:
        """The member of a result; none if the message has no such file."""
        return {"invitation": self.text} if self.text else {}


async def invitation(call: Call, email: str, view: MessageView) -> Invitation:
    """The invitation in a message. Says how to read what is not shown of it, and further ones."""
    files = [meta for meta in view.attachments if meta.content_type in _CALENDARS]
    if not files:
        return Invitation("")
    notes = []
    if len(files) > 1:
        listed = ", ".join(str(meta.index) for meta in files[1 : 1 + MAX_NAMED])
        notes.append(f"{len(files) - 1} more calendar files: get_attachment attachment_index={listed}")
    try:
        read = await call.session.messages.attachment_text(
            email, view.id, files[0].index, max_chars=INVITATION_CHARS
        )
    except E2AError as problem:
        return Invitation(f"(not read: {problem.code})", tuple(notes))
    if read.next_offset:
        where = f"get_attachment attachment_index={files[0].index} offset={read.next_offset}"
        notes.append(
            f"the invitation is cut after {read.next_offset} of {read.total_chars} characters: {where}"
        )
    return Invitation(plain_text(read.text) or f"(not read: {read.note})", tuple(notes))


async def _shown(call: Call, file: Reply, email: str, message_id: str, index: int) -> Reply:
    """The reply with the picture, which is scaled down, or with the reason why there is none."""
    picture = await call.session.messages.attachment_picture(email, message_id, index)
    structured = {**file.structured, "outcome": picture.outcome, "note": picture.note}
    if not picture.data:
        return replace(file, structured=structured, text=f"{file.text}\n{picture.note}")
    block = {
        "type": "image",
        "data": base64.b64encode(picture.data).decode("ascii"),
        "mimeType": picture.content_type,
        "_meta": {"dev.e2a/untrusted": True},
    }
    return replace(file, structured=structured, links=(*file.links, block))


def _with_text(call: Call, file: Reply, read: AttachmentTextView) -> Reply:
    words = plain_text(read.text)
    fence = Fence(call.services.ids, [words])
    names = _TOLD if words else ("outcome", "note")
    structured = {**file.structured, **read.model_dump(mode="json", include=set(names), exclude_none=True)}
    if words:
        structured["text"] = fence.around(words)
        structured["untrusted"] = fence.note([*file.structured["untrusted"]["fields"], "text"])
        head = f"{fence.notice}\n{_extent(read)}\n{structured['text']}"
    else:
        head = read.note
    return replace(file, structured=structured, text=f"{file.text}\n{head}")


def _extent(read: AttachmentTextView) -> str:
    """What part of the document is shown, and how to go on."""
    shown = f"characters {read.offset}-{read.offset + len(read.text)} of {read.total_chars}"
    facts = [shown if read.offset or read.next_offset else f"{read.total_chars} characters"]
    if read.pages:
        facts.append(f"{read.pages} page{'' if read.pages == 1 else 's'}")
    if read.next_offset:
        facts.append(f"truncated: go on with offset={read.next_offset}")
    if read.truncated:
        facts.append("the file holds more, which is not read")
    return "text: " + ", ".join(facts)


TOOLS: tuple[Tool[Any], ...] = (
    by_hand(
        "get_attachment",
        GetAttachment,
        object_schema(
            {
                **view_properties(AttachmentView),
                **{
                    name: value
                    for name, value in view_properties(AttachmentTextView).items()
                    if name in _TOLD
                },
                "uri": TEXT,
                "untrusted": UNTRUSTED,
            },
            ["index", "size_bytes", "download_url", "uri"],
        ),
        get_attachment,
    ),
)
