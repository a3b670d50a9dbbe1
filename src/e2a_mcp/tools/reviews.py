"""Held mail and a person's decision on it. Not in the agent scope: an agent must not approve its own mail."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Annotated, Any, Literal

import anyio.to_thread
from pydantic import Field

from e2a_core.contract.limits import MAX_ATTACHMENTS
from e2a_core.contract.message_views import MessageView
from e2a_core.contract.protection import ProtectionHolds
from e2a_core.contract.reviews import ApproveRequest, RejectResultView, ReviewView
from e2a_core.contract.sending import Body, Recipient, Subject
from e2a_core.errors import E2AError
from e2a_core.reviews.bodies import BODIES_DIFFER, Bodies
from e2a_mcp.attaching import AttachmentSource, load_attachments
from e2a_mcp.fence import Fence, plain_line
from e2a_mcp.reading import DEFAULT_MAX_CHARS, MAX_MAX_CHARS, read_message
from e2a_mcp.render import ROW_FIELDS, sender, trust, with_few_addresses
from e2a_mcp.schema import Arguments, object_schema, validated, view_properties
from e2a_mcp.tool import Call, Reply, Tool
from e2a_mcp.tools.identity import paused_line
from e2a_mcp.tools.messages import MESSAGE
from e2a_mcp.tools.outputs import SEND_RESULT, TEXT, listing
from e2a_mcp.tools.passing import by_hand, pass_through
from e2a_mcp.tools.sending import sent

__all__ = ["TOOLS", "ApproveReview", "approve_review", "review_rows"]


class GetReview(Arguments):
    message_id: str
    format: Annotated[Literal["text", "html"], Field(description="html: the source")] = "text"
    offset: Annotated[int, Field(ge=0)] = 0
    max_chars: Annotated[int, Field(ge=1, le=MAX_MAX_CHARS)] = DEFAULT_MAX_CHARS


class ApproveReview(Arguments):
    message_id: str
    content_hash: str | None = None
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
    fence = Fence(
        call.services.ids,
        (text for view in views for text in (view.subject, view.header_from, view.from_name)),
    )
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
    structured["untrusted"] = fence.note((*ROW_FIELDS, "hold_reason"))
    return Reply(structured, "\n".join(lines), untrusted=bool(views))


def _row(fence: Fence, view: ReviewView, row: dict[str, Any]) -> list[str]:
    reason = f" reason={plain_line(view.hold_reason.code, 80)}" if view.hold_reason else ""
    expires = f" expires={row['approval_expires_at']}" if view.approval_expires_at else ""
    leaves = f" leaves={row['scheduled_at']}" if view.scheduled_at else ""
    head = f"{view.id} {view.direction} {view.agent_email} {row['created_at']}{leaves}{expires}{reason}"
    if view.direction == "outbound":
        words = f"To: {plain_line(', '.join(view.to))} | Subject: {row['subject']}"
        found = view.hold_reason.sentences[1] if view.hold_reason else ""
        return [head, fence.inline(f"{words} | Held: {plain_line(found)}" if found else words)]
    words = f"From: {sender(view.header_from, view.from_name)} | Subject: {row['subject']}"
    return [f"{head} {row['trust']}", fence.inline(words)]


async def get_review(call: Call, arguments: GetReview) -> Reply:
    """Returns held mail as a reviewer needs it: all that leaves, both bodies, and what happens without a decision."""
    view = await call.session.reviews.get(arguments.message_id)
    # If the deployment does not name the inbox, it is the address the mail went to or came from.
    named = view.delivered_to if view.direction == "inbound" else view.header_from
    inbox = view.agent_email or named or ""
    expiry, paused = await _on_expiry(call, inbox), await _paused(call, inbox, view)
    # Long bodies take longer than other calls should wait.
    bodies = await anyio.to_thread.run_sync(Bodies.of, view)
    words = _as_html(bodies) if arguments.format == "text" and not arguments.offset else ()
    told: dict[str, Any] = {"on_expiry": expiry} if expiry else {}
    if bodies.source:
        told["html_differs"] = bodies.differ
    read = read_message(
        view,
        inbox,
        call.services.ids,
        format=arguments.format,
        offset=arguments.offset,
        max_chars=arguments.max_chars,
        extra={"html": bodies.source[: arguments.max_chars]}
        if arguments.format == "text" and bodies.source
        else None,
        extra_lines=words,
        head_lines=(*([paused] if paused else ()), *_decision(call, view, expiry, bodies)),
        always_fenced=True,  # the agent's words may repeat a sender's
    )
    return replace(read, structured={**read.structured, **told})


async def _on_expiry(call: Call, inbox: str) -> str | None:
    """Returns what happens to mail on which nobody decides, or None if the deployment does not tell."""
    try:
        holds = (await call.session.protection.get(inbox)).holds
    except E2AError:
        return None
    return holds.on_expiry or ProtectionHolds().on_expiry


async def _paused(call: Call, inbox: str, view: MessageView) -> str | None:
    """Returns what a pause means for a draft, or None if it may leave or the deployment does not tell."""
    try:
        return paused_line(await call.session.agents.get(inbox)) if view.direction == "outbound" else None
    except E2AError:
        return None


def _decision(call: Call, view: MessageView, expiry: str | None, bodies: Bodies) -> Iterator[str]:
    """Yields what a person must know to decide, in words of this server."""
    shown = view.model_dump(mode="json", include={"approval_expires_at", "scheduled_at"})
    if view.approval_expires_at:
        outbound = view.direction == "outbound"
        approved = "it is sent" if outbound else "it is let in"
        end = {"approve": approved, "reject": "it is discarded"}.get(
            expiry or "", "the inbox's setting decides"
        )
        yield f"without a decision by {shown['approval_expires_at']}: {end}"
    if view.scheduled_at and view.scheduled_at > call.services.clock.now():
        yield f"once approved it leaves at {shown['scheduled_at']}"
    elif view.scheduled_at:
        yield f"it was to leave at {shown['scheduled_at']}; once approved it leaves at once"
    if bodies.differ:
        yield BODIES_DIFFER
    elif bodies.html:
        yield "the HTML says the same as the text; format=html shows its source"


def _as_html(bodies: Bodies) -> tuple[str, ...]:
    """Returns the HTML as it is read, above the text, if it says something else."""
    if not bodies.differ:
        return ()
    words = [f"{where}: {words}" for where, words in bodies.differences.items()]
    shown = bodies.html[:DEFAULT_MAX_CHARS]
    cut = "" if len(shown) == len(bodies.html) else " (cut; format=html has the rest)"
    return (*words, f"As HTML{cut}:", shown, "As text:")


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


def _rejected(call: Call, view: RejectResultView) -> Reply:
    fence = Fence(call.services.ids, [view.rejection_reason])
    why = f": {fence.inline(plain_line(view.rejection_reason, 500))}" if view.rejection_reason else ""
    return Reply(view.to_wire(), f"{view.message_id} is rejected{why}")


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
    by_hand("get_review", GetReview, MESSAGE, get_review),
    by_hand("approve_review", ApproveReview, SEND_RESULT, approve_review),
    pass_through(
        "reject_review",
        ["message_id", "status"],
        reply=lambda call, arguments, view: _rejected(call, view),
    ),
)
