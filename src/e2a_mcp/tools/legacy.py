"""Deprecated tool names that older agents call. Each one runs a current tool."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated, Any

from pydantic import Field

from e2a_core.contract.limits import MAX_ATTACHMENTS
from e2a_core.contract.message_views import AttachmentView
from e2a_core.contract.operation import READS, Hints
from e2a_core.contract.reviews import ReviewView
from e2a_core.contract.sending import Body, Recipient, Subject
from e2a_mcp.attaching import AttachmentSource
from e2a_mcp.schema import Arguments, object_schema, validated, view_properties
from e2a_mcp.tool import Call, Reply, Tool
from e2a_mcp.tools import reviews, sending
from e2a_mcp.tools.attachments import Index, attachment
from e2a_mcp.tools.outputs import SEND_RESULT
from e2a_mcp.tools.reviews import ApproveReview, approve_review, review_rows
from e2a_mcp.tools.sending import SendMessage, send_message
from e2a_mcp.tools.waiting import DECISION, WaitForReview, wait_for_review

__all__ = ["LEGACY_ACCOUNT_TOOLS", "LEGACY_AGENT_TOOLS"]

PAGE = 100
MAX_PAGES = 20
"""2,000 held messages, more than a person can decide on; bounds the loop over pages."""

Files = Annotated[list[AttachmentSource], Field(max_length=MAX_ATTACHMENTS)]


class SendEmail(Arguments):
    """The aliases are the old names of the arguments; errors use them."""

    to: Annotated[list[Recipient], Field(min_length=1)]
    subject: Subject
    text: Annotated[Body, Field(alias="body")]
    html: Annotated[Body | None, Field(alias="html_body")] = None
    cc: list[Recipient] | None = None
    bcc: list[Recipient] | None = None
    attachments: Files | None = None
    conversation_id: Annotated[str, Field(max_length=200)] | None = None
    idempotency_key: Annotated[str, Field(max_length=255)] | None = None
    email: Annotated[str | None, Field(alias="agent_email")] = None


class GetAttachmentData(Arguments):
    message_id: str
    attachment_index: Index
    agent_email: str | None = None


class ApprovePendingMessage(Arguments):
    message_id: str
    subject: Subject | None = None
    text: Annotated[Body | None, Field(alias="body_text")] = None
    html: Annotated[Body | None, Field(alias="body_html")] = None
    to: list[Recipient] | None = None
    cc: list[Recipient] | None = None
    bcc: list[Recipient] | None = None
    attachments: Files | None = None
    idempotency_key: Annotated[str, Field(max_length=255)] | None = None


async def send_email(call: Call, arguments: SendEmail) -> Reply:
    return await send_message(call, validated(SendMessage, arguments.model_dump(exclude_unset=True)))


async def get_attachment_data(call: Call, arguments: GetAttachmentData) -> Reply:
    email = call.inbox(arguments.agent_email)
    reply = await attachment(call, email, arguments.message_id, arguments.attachment_index, inline=True)
    names = ("filename", "content_type", "size_bytes", "data")
    return Reply({name: reply.structured[name] for name in names if name in reply.structured}, untrusted=True)


async def list_pending_messages(call: Call, arguments: Arguments) -> Reply:
    views: list[ReviewView] = []
    seen: set[str] = set()
    cursor: str | None = None
    for _ in range(MAX_PAGES):
        page = await call.session.reviews.list(cursor=cursor, limit=PAGE)
        views += page.items
        cursor = page.next_cursor
        if cursor is None or cursor in seen:
            break
        seen.add(cursor)
    return review_rows(call, "messages", views, None)


async def approve_pending_message(call: Call, arguments: ApprovePendingMessage) -> Reply:
    return await approve_review(call, validated(ApproveReview, arguments.model_dump(exclude_unset=True)))


_NOW = {tool.name: tool for tool in (*sending.TOOLS, *reviews.TOOLS)}
_ATTACHMENT = {
    name: schema
    for name, schema in view_properties(AttachmentView).items()
    if name in {"filename", "content_type", "size_bytes", "data"}
}
_PENDING = {"messages": {"type": "array", "items": object_schema(view_properties(ReviewView, depth=0))}}


def _old(name: str, now: str, **changed: Any) -> Tool[Any]:
    """Returns the tool `now` under its old name."""
    tool = _NOW[now]
    return replace(
        tool, name=name, title=f"{tool.title} (old name)", description=f"Deprecated: use {now}.", **changed
    )


LEGACY_AGENT_TOOLS: tuple[Tool[Any], ...] = (
    _old("send_email", "send_message", shapes=lambda: (SendEmail, SEND_RESULT), run=send_email, hidden=()),
    Tool(
        "get_attachment_data",
        "Get an attachment's bytes (old name)",
        "Deprecated: use get_attachment.",
        READS,
        lambda: (GetAttachmentData, object_schema(_ATTACHMENT, ["size_bytes"])),
        get_attachment_data,
    ),
    Tool(
        "wait_for_review",
        "Wait for a decision (other name)",
        "Deprecated: use wait_for_message with message_id.",
        Hints(),
        lambda: (WaitForReview, DECISION),
        wait_for_review,
    ),
)

LEGACY_ACCOUNT_TOOLS: tuple[Tool[Any], ...] = (
    _old(
        "list_pending_messages",
        "list_reviews",
        shapes=lambda: (Arguments, object_schema(_PENDING, ["messages"])),
        run=list_pending_messages,
    ),
    _old("get_pending_message", "get_review"),
    _old(
        "approve_pending_message",
        "approve_review",
        shapes=lambda: (ApprovePendingMessage, SEND_RESULT),
        run=approve_pending_message,
    ),
    _old("approve_message", "approve_review"),
    _old("reject_pending_message", "reject_review"),
    _old("reject_message", "reject_review"),
)
