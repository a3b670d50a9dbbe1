"""Names that older agents call. Each stands for a tool of today and takes that tool's path."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field

from e2a_core.contract.message_views import AttachmentView
from e2a_core.contract.reviews import ReviewView
from e2a_mcp.attaching import MAX_ATTACHMENTS, AttachmentSource
from e2a_mcp.schema import Arguments, object_schema, view_properties
from e2a_mcp.tool import Call, Hints, Reply, Tool
from e2a_mcp.tools.attachments import Index, attachment
from e2a_mcp.tools.identity import NoArguments
from e2a_mcp.tools.messages import MESSAGE
from e2a_mcp.tools.outputs import SEND_RESULT
from e2a_mcp.tools.reviews import (
    REJECTED,
    ApproveReview,
    GetReview,
    RejectReview,
    approve_review,
    get_review,
    reject_review,
    review_rows,
)
from e2a_mcp.tools.sending import Address, Body, SendMessage, Subject, send_message

__all__ = ["LEGACY_ACCOUNT_TOOLS", "LEGACY_AGENT_TOOLS"]

PAGE = 100
# 2,000 held messages: more than a person can decide on, and an end to a list that never ends.
MAX_PAGES = 20


class SendEmail(Arguments):
    to: Annotated[list[Address], Field(min_length=1)]
    subject: Subject
    body: Body
    html_body: Body | None = None
    cc: list[Address] | None = None
    bcc: list[Address] | None = None
    attachments: Annotated[list[AttachmentSource], Field(max_length=MAX_ATTACHMENTS)] | None = None
    conversation_id: Annotated[str, Field(max_length=200)] | None = None
    idempotency_key: Annotated[str, Field(max_length=255)] | None = None
    agent_email: str | None = None


class GetAttachmentData(Arguments):
    message_id: str
    attachment_index: Index
    agent_email: str | None = None


class ApprovePendingMessage(GetReview):
    subject: Subject | None = None
    body_text: Body | None = None
    body_html: Body | None = None
    to: list[Address] | None = None
    cc: list[Address] | None = None
    bcc: list[Address] | None = None
    attachments: Annotated[list[AttachmentSource], Field(max_length=MAX_ATTACHMENTS)] | None = None
    idempotency_key: Annotated[str, Field(max_length=255)] | None = None


_RENAMED = {
    "body": "text",
    "html_body": "html",
    "agent_email": "email",
    "body_text": "text",
    "body_html": "html",
}


def _renamed(arguments: Arguments) -> dict[str, Any]:
    return {_RENAMED.get(name, name): getattr(arguments, name) for name in arguments.model_fields_set}


async def send_email(call: Call, arguments: SendEmail) -> Reply:
    return await send_message(call, SendMessage.model_construct(**_renamed(arguments)))


async def get_attachment_data(call: Call, arguments: GetAttachmentData) -> Reply:
    email = call.inbox(arguments.agent_email)
    reply = await attachment(call, email, arguments.message_id, arguments.attachment_index, inline=True)
    names = ("filename", "content_type", "size_bytes", "data")
    return Reply({name: reply.structured[name] for name in names if name in reply.structured}, untrusted=True)


async def list_pending_messages(call: Call, arguments: NoArguments) -> Reply:
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
    return await approve_review(call, ApproveReview.model_construct(**_renamed(arguments)))


_SENDS = Hints(open_world=True)
_READS = Hints(read_only=True, idempotent=True)
_REJECTS = Hints(destructive=True)

LEGACY_AGENT_TOOLS: tuple[Tool[Any], ...] = (
    Tool(
        "send_email",
        "Send a new message (old name)",
        "Deprecated: use send_message.",
        SendEmail,
        SEND_RESULT,
        send_email,
        _SENDS,
    ),
    Tool(
        "get_attachment_data",
        "Get an attachment's bytes (old name)",
        "Deprecated: use get_attachment.",
        GetAttachmentData,
        object_schema(
            {
                name: schema
                for name, schema in view_properties(AttachmentView).items()
                if name in {"filename", "content_type", "size_bytes", "data"}
            },
            ["size_bytes"],
        ),
        get_attachment_data,
        _READS,
    ),
)

LEGACY_ACCOUNT_TOOLS: tuple[Tool[Any], ...] = (
    Tool(
        "list_pending_messages",
        "List held mail (old name)",
        "Deprecated: use list_reviews.",
        NoArguments,
        object_schema(
            {"messages": {"type": "array", "items": object_schema(view_properties(ReviewView, depth=0))}},
            ["messages"],
        ),
        list_pending_messages,
        _READS,
    ),
    Tool(
        "get_pending_message",
        "Show held mail (old name)",
        "Deprecated: use get_review.",
        GetReview,
        MESSAGE,
        get_review,
        _READS,
    ),
    Tool(
        "approve_pending_message",
        "Approve held mail (old name)",
        "Deprecated: use approve_review.",
        ApprovePendingMessage,
        SEND_RESULT,
        approve_pending_message,
        _SENDS,
    ),
    Tool(
        "approve_message",
        "Approve held mail (old name)",
        "Deprecated: use approve_review.",
        ApproveReview,
        SEND_RESULT,
        approve_review,
        _SENDS,
    ),
    *(
        Tool(
            name,
            "Reject held mail (old name)",
            "Deprecated: use reject_review.",
            RejectReview,
            REJECTED,
            reject_review,
            _REJECTS,
        )
        for name in ("reject_pending_message", "reject_message")
    ),
)
