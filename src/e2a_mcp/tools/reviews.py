"""Held mail and a person's decision on it. Not in the agent scope: an agent must not approve its own mail."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any

from pydantic import Field

from e2a_core.contract.limits import MAX_ATTACHMENTS
from e2a_core.contract.message_views import MessageView
from e2a_core.contract.reviews import ApproveRequest, ReviewView
from e2a_core.contract.sending import Body, Recipient, Subject
from e2a_mcp.attaching import AttachmentSource, load_attachments
from e2a_mcp.fence import Fence, plain_line, plain_text
from e2a_mcp.reading import MAX_MAX_CHARS, read_message
from e2a_mcp.render import ROW_FIELDS, trust, with_few_addresses
from e2a_mcp.schema import Arguments, object_schema, validated, view_properties
from e2a_mcp.tool import Call, Reply, Tool
from e2a_mcp.tools.messages import MESSAGE
from e2a_mcp.tools.outputs import SEND_RESULT, TEXT, listing
from e2a_mcp.tools.passing import by_hand, pass_through
from e2a_mcp.tools.sending import sent

__all__ = ["TOOLS", "ApproveReview", "approve_review", "review_rows"]


class ApproveReview(Arguments):
    message_id: str
    content_hash: Annotated[str, Field(description="from get_review: approve only what was seen")] | None = (
        None
    )
    subject: Subject | None = None
    text: Body | None = None
    html: Body | None = None
    to: list[Recipient] | None = None
    cc: list[Recipient] | None = None
    bcc: list[Recipient] | None = None
    attachments: (
        Annotated[list[AttachmentSource], Field(max_length=MAX_ATTACHMENTS, description="[] strips them")]
        | None
    ) = None
    idempotency_key: Annotated[str, Field(max_length=255)] | None = None


def review_rows(call: Call, name: str, views: Sequence[ReviewView], cursor: str | None) -> Reply:
    """Returns held mail as the list `name`; in the text the senders' words are fenced."""
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


def _held(call: Call, view: MessageView) -> Reply:
    # If the deployment does not name the inbox, it is the address the mail went to or came from.
    named = view.delivered_to if view.direction == "inbound" else view.header_from
    inbox, ids = view.agent_email or named or "", call.services.ids
    html = plain_text((view.body.html if view.body else None) or "")[:MAX_MAX_CHARS]
    # Both bodies are sent, and they may differ.
    lines = ("As HTML:", html, "As text:") if html else ()
    extra = {"html": html} if html else None
    return read_message(
        view,
        inbox,
        ids,
        max_chars=MAX_MAX_CHARS,
        extra=extra,
        extra_lines=lines,
        always_fenced=True,  # the agent's words may repeat a sender's
    )


async def approve_review(call: Call, arguments: ApproveReview) -> Reply:
    # What was not given must stay unset: an empty list clears, an absent one changes nothing.
    edits = arguments.model_dump(
        exclude={"message_id", "attachments", "idempotency_key"}, exclude_none=True, exclude_unset=True
    )
    if arguments.attachments is not None:
        edits["attachments"] = await load_attachments(call, arguments.attachments)
    request = validated(ApproveRequest, edits)
    result = await call.session.reviews.approve(
        arguments.message_id, request, idempotency_key=arguments.idempotency_key
    )
    return sent(call, result)


_REVIEW = object_schema(
    {**view_properties(ReviewView, depth=0), "trust": TEXT},
    ["id", "agent_email", "direction", "review_status"],
)

TOOLS: tuple[Tool[Any], ...] = (
    pass_through(
        "list_reviews",
        output=listing("reviews", _REVIEW),
        reply=lambda call, arguments, page: review_rows(call, "reviews", page.items, page.next_cursor),
    ),
    pass_through("get_review", output=MESSAGE, reply=lambda call, arguments, view: _held(call, view)),
    by_hand("approve_review", ApproveReview, SEND_RESULT, approve_review),
    pass_through("reject_review", ["message_id", "status"]),
)
