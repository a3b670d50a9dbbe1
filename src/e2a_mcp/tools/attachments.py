"""Attachments of stored messages."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field

from e2a_core.contract.message_views import AttachmentView
from e2a_mcp.fence import Fence, plain_line
from e2a_mcp.render import attachment_link, mail_uri
from e2a_mcp.schema import object_schema, view_properties
from e2a_mcp.tool import Call, Reply, Tool
from e2a_mcp.tools.arguments import MessageArguments
from e2a_mcp.tools.outputs import TEXT, UNTRUSTED
from e2a_mcp.tools.passing import by_hand

__all__ = ["TOOLS", "Index", "attachment"]

Index = Annotated[int, Field(ge=0)]


class GetAttachment(MessageArguments):
    attachment_index: Index
    inline: Annotated[bool, Field(description="base64 data in the result, small files only")] = False


async def attachment(call: Call, email: str, message_id: str, index: int, *, inline: bool) -> Reply:
    """Returns the description of one attachment and its resource link; with `inline` its bytes too."""
    view = await call.session.messages.attachment(email, message_id, index, inline=inline)
    structured = view.to_wire()
    structured["uri"] = mail_uri(email, "messages", message_id, "attachments", str(index))
    link = attachment_link(email, message_id, structured, untrusted=True)
    words = f"{plain_line(view.filename, 120) or 'unnamed'} {plain_line(view.content_type, 80)}"
    fence = Fence(call.services.ids, [words])
    structured["untrusted"] = fence.note(["filename", "content_type", "content_id", "data"])
    lines = [fence.notice, f"{fence.inline(words)} {view.size_bytes} bytes", f"resource: {structured['uri']}"]
    if view.data is None:
        lines.append(f"download: {view.download_url}")
    return Reply(structured, "\n".join(lines), (link,), untrusted=True)


async def get_attachment(call: Call, arguments: GetAttachment) -> Reply:
    return await attachment(
        call,
        call.inbox(arguments.email),
        arguments.message_id,
        arguments.attachment_index,
        inline=arguments.inline,
    )


TOOLS: tuple[Tool[Any], ...] = (
    by_hand(
        "get_attachment",
        GetAttachment,
        object_schema(
            {**view_properties(AttachmentView), "uri": TEXT, "untrusted": UNTRUSTED},
            ["index", "size_bytes", "download_url", "uri"],
        ),
        get_attachment,
    ),
)
