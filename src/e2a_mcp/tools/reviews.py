"""Held mail and a person's decision on it. Never in the agent tier: an agent cannot approve itself."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any

from pydantic import Field

from e2a_core.contract.reviews import ApproveRequest, RejectRequest, RejectResultView, ReviewView
from e2a_mcp.attaching import MAX_ATTACHMENTS, AttachmentSource, load_attachments
from e2a_mcp.fence import Fence, plain_line, plain_text
from e2a_mcp.reading import MAX_MAX_CHARS, read_message
from e2a_mcp.render import ROW_FIELDS, trust, with_few_addresses
from e2a_mcp.schema import Arguments, object_schema, view_properties
from e2a_mcp.tool import Call, Hints, Reply, Tool
from e2a_mcp.tools.arguments import PageArguments
from e2a_mcp.tools.messages import MESSAGE
from e2a_mcp.tools.outputs import SEND_RESULT, TEXT, listing
from e2a_mcp.tools.sending import Address, Body, Subject, sent

__all__ = [
    "REJECTED",
    "TOOLS",
    "ApproveReview",
    "GetReview",
    "RejectReview",
    "approve_review",
    "get_review",
    "reject_review",
    "review_rows",
]


class GetReview(Arguments):
    message_id: str


class ApproveReview(GetReview):
    content_hash: Annotated[str, Field(description="from get_review: approve only what was seen")] | None = (
        None
    )
    subject: Subject | None = None
    text: Body | None = None
    html: Body | None = None
    to: list[Address] | None = None
    cc: list[Address] | None = None
    bcc: list[Address] | None = None
    attachments: (
        Annotated[list[AttachmentSource], Field(max_length=MAX_ATTACHMENTS, description="[] strips them")]
        | None
    ) = None
    idempotency_key: Annotated[str, Field(max_length=255)] | None = None


class RejectReview(GetReview):
    reason: Annotated[str, Field(max_length=2000)] | None = None
    content_hash: str | None = None


async def list_reviews(call: Call, arguments: PageArguments) -> Reply:
    page = await call.session.reviews.list(cursor=arguments.cursor, limit=arguments.limit)
    return review_rows(call, "reviews", page.items, page.next_cursor)


def review_rows(call: Call, name: str, views: Sequence[ReviewView], cursor: str | None) -> Reply:
    """Held mail as the list `name`, what senders wrote fenced in the text."""
    fence = Fence(call.services.ids, (text for view in views for text in (view.subject, view.header_from)))
    rows = []
    lines = [f"{len(views)} waiting" + (f"; more with cursor={cursor}" if cursor else "")]
    if views:
        lines.append(fence.notice)
    for view in views:
        row = with_few_addresses({**view.to_wire(), "subject": plain_line(view.subject)})
        if view.direction == "inbound":
            row["trust"] = trust(view.verified_domain)
        rows.append(row)
        lines += _row(fence, view, row)
    structured: dict[str, Any] = {name: rows}
    if cursor:
        structured["next_cursor"] = cursor
    structured["untrusted"] = fence.note(ROW_FIELDS)
    return Reply(structured, "\n".join(lines), untrusted=bool(views))


def _row(fence: Fence, view: ReviewView, row: dict[str, Any]) -> list[str]:
    reason = f" reason={plain_line(view.hold_reason.code, 80)}" if view.hold_reason else ""
    expires = f" expires={row['approval_expires_at']}" if view.approval_expires_at else ""
    head = f"{view.id} {view.direction} {view.agent_email} {row['created_at']}{expires}{reason}"
    if view.direction == "outbound":
        return [head, fence.inline(f"To: {plain_line(', '.join(view.to))} | Subject: {row['subject']}")]
    words = f"From: {plain_line(view.header_from)} | Subject: {row['subject']}"
    return [f"{head} {row['trust']}", fence.inline(words)]


async def get_review(call: Call, arguments: GetReview) -> Reply:
    view = await call.session.reviews.get(arguments.message_id)
    # A deployment that does not name the inbox leaves the address the mail went to, or came from.
    named = view.delivered_to if view.direction == "inbound" else view.header_from
    inbox, ids = view.agent_email or named or "", call.services.ids
    html = plain_text((view.body.html if view.body else None) or "")[:MAX_MAX_CHARS]
    # A draft's two bodies need not say the same, and both are sent.
    lines = ("As HTML:", html, "As text:") if html else ()
    extra = {"html": html} if html else None
    return read_message(
        view,
        inbox,
        ids,
        max_chars=MAX_MAX_CHARS,
        extra=extra,
        extra_lines=lines,
        always_fenced=True,  # an agent's words, and whoever talked it into them
    )


async def approve_review(call: Call, arguments: ApproveReview) -> Reply:
    # What was not given must stay unset: an empty list clears, an absent one leaves as is.
    edits = arguments.model_dump(
        exclude={"message_id", "attachments", "idempotency_key"}, exclude_none=True, exclude_unset=True
    )
    if arguments.attachments is not None:
        edits["attachments"] = await load_attachments(call, arguments.attachments)
    request = ApproveRequest.model_construct(**edits)
    result = await call.session.reviews.approve(
        arguments.message_id, request, idempotency_key=arguments.idempotency_key
    )
    return sent(result)


async def reject_review(call: Call, arguments: RejectReview) -> Reply:
    request = RejectRequest(reason=arguments.reason, content_hash=arguments.content_hash)
    return Reply((await call.session.reviews.reject(arguments.message_id, request)).to_wire())


_REVIEW = object_schema(
    {**view_properties(ReviewView, depth=0), "trust": TEXT},
    ["id", "agent_email", "direction", "review_status"],
)

REJECTED = object_schema(view_properties(RejectResultView), ["message_id", "status"])

TOOLS: tuple[Tool[Any], ...] = (
    Tool(
        "list_reviews",
        "List held mail",
        "Mail waiting for a person, newest first.",
        PageArguments,
        listing("reviews", _REVIEW),
        list_reviews,
        Hints(read_only=True, idempotent=True),
    ),
    Tool(
        "get_review",
        "Show held mail",
        "The held message in full with its content_hash and why it is held.",
        GetReview,
        MESSAGE,
        get_review,
        Hints(read_only=True, idempotent=True),
    ),
    Tool(
        "approve_review",
        "Approve held mail",
        "Send a held draft, or let held inbound mail in. Only on a person's word. Fields given replace the "
        "draft's; inbound mail takes none. 409 when already decided or when the draft is not that of content_hash.",
        ApproveReview,
        SEND_RESULT,
        approve_review,
        Hints(open_world=True),
    ),
    Tool(
        "reject_review",
        "Reject held mail",
        "Discard a held draft or held inbound mail, for good.",
        RejectReview,
        REJECTED,
        reject_review,
        Hints(destructive=True),
    ),
)
