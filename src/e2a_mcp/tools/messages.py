"""Listing and reading mail."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any

from pydantic import Field

from e2a_core.contract.base import Page
from e2a_core.contract.message_views import MessageSummaryView, MessageView
from e2a_core.contract.messages import MessageLifecycleTransition
from e2a_mcp.fence import Fence, plain_line
from e2a_mcp.reading import DEFAULT_MAX_CHARS, MAX_MAX_CHARS, Format, read_message
from e2a_mcp.render import ROW_FIELDS, fence_rows, message_lines, page_line
from e2a_mcp.schema import object_schema, view_properties
from e2a_mcp.tool import Call, Reply, Tool
from e2a_mcp.tools.arguments import InboxArguments, Limit, MessageArguments
from e2a_mcp.tools.attachments import invitation
from e2a_mcp.tools.outputs import SUMMARY_ROW, TEXT, UNTRUSTED, listing
from e2a_mcp.tools.passing import by_hand, pass_through

__all__ = ["MESSAGE", "TOOLS", "message_rows"]

Query = Annotated[str, Field(max_length=500, description="full text: subject, addresses, body")]
Expression = Annotated[
    str, Field(max_length=500, description="label: from: subject: created>=DATE, with OR, NOT, ( )")
]

MESSAGE = object_schema(
    {
        **{
            name: schema
            for name, schema in view_properties(MessageView, depth=0).items()
            if name not in {"raw_message", "parsed", "body", "created_at"}
        },
        "received_at": TEXT,
        "trust": {"enum": ["verified", "partial", "unverified", "failed"]},
        "text": TEXT,
        "html": TEXT,
        "headers": TEXT,
        "invitation": TEXT,
        "truncated": {"type": "boolean"},
        "quoted_chars": {"type": "integer"},
        "total_chars": {"type": "integer"},
        "next_offset": {"type": "integer"},
        "untrusted": UNTRUSTED,
    },
    ["id", "direction", "subject", "received_at"],
)


class ListMessages(InboxArguments):
    query: Query | None = None
    filter: Expression | None = None
    labels: Annotated[list[str], Field(description="all of them")] | None = None
    since: Annotated[str, Field(description="inclusive")] | None = None
    until: Annotated[str, Field(description="exclusive")] | None = None
    deleted: Annotated[bool, Field(description="the trash")] = False
    limit: Limit = 20


class GetMessage(MessageArguments):
    format: Annotated[Format, Field(description="full: text with quoted history")] = "text"
    offset: Annotated[int, Field(ge=0)] = 0
    max_chars: Annotated[int, Field(ge=1, le=MAX_MAX_CHARS)] = DEFAULT_MAX_CHARS
    peek: Annotated[bool, Field(description="do not mark read")] = False


def message_rows(call: Call, email: str, page: Page[MessageSummaryView]) -> Reply:
    """Returns a page of the mail of `email`; in the text the senders' words are fenced."""
    fence, rows = fence_rows(call.services.ids, page.items)
    structured: dict[str, object] = {"messages": rows}
    if page.next_cursor:
        structured["next_cursor"] = page.next_cursor
    structured["untrusted"] = fence.note(ROW_FIELDS)
    lines = [page_line(len(rows), "message", email, page.next_cursor), *message_lines(fence, rows)]
    return Reply(structured, "\n".join(lines), untrusted=bool(rows))


async def get_message(call: Call, arguments: GetMessage) -> Reply:
    email = call.inbox(arguments.email)
    view = await call.session.messages.get(email, arguments.message_id, peek=arguments.peek, whole=True)
    raw = None
    if arguments.format == "headers":
        raw = await call.session.messages.raw(email, arguments.message_id)
    extra = await invitation(call, email, view) if arguments.offset == 0 else {}
    return read_message(
        view,
        email,
        call.services.ids,
        format=arguments.format,
        offset=arguments.offset,
        max_chars=arguments.max_chars,
        raw=raw,
        extra=extra,
        extra_lines=tuple(f"{name}:\n{words}" for name, words in extra.items()),
    )


def _steps(call: Call, message_id: str, page: Page[MessageLifecycleTransition]) -> Reply:
    fence = Fence(call.services.ids, map(_said, page.items))
    structured: dict[str, object] = {"transitions": [row.to_wire() for row in page.items]}
    if page.next_cursor:
        structured["next_cursor"] = page.next_cursor
    elif page.items:
        structured["outlook"] = _outlook(page.items)
    structured["untrusted"] = fence.note(["evidence"])
    lines = [page_line(len(page.items), "step", message_id, page.next_cursor), fence.notice]
    for row, shown in zip(page.items, page.to_wire()["items"], strict=True):
        to = f" {plain_line(row.recipient, 254)}" if row.recipient else ""
        said = f" {fence.inline(_said(row))}" if _said(row) else ""
        lines.append(f"{shown['occurred_at']} {row.stage} {row.outcome} {row.reason_code}{to}{said}")
    if "outlook" in structured:
        lines.append(str(structured["outlook"]))
    return Reply(structured, "\n".join(lines), untrusted=True)


_OUTLOOKS = {
    "review.hold_created": "it waits for a person's decision",
    "review.rejected": "it was not let out; nothing more will come",
    "review.expired_rejected": "it was not let out; nothing more will come",
    "queue.outbound_submission": "it waits to be handed over",
    "submission.upstream_accepted": "handed over; the relay reports no delivery: nothing more will come but a bounce",
    "submission.local_loopback_accepted": "delivered here; nothing more will come",
    "submission.temporary_failure": "it will be tried again",
    "submission.provider_rejected": "refused; it is not tried again, and nothing more will come",
    "submission.local_retries_exhausted": "given up; nothing more will come",
    "submission.cancelled": "called off; nothing more will come",
    "delivery.temporary_delay": "the recipient's server still tries",
}
"""What may still come, by the newest step."""


def _outlook(steps: Sequence[MessageLifecycleTransition]) -> str:
    newest = steps[-1].reason_code
    handed_over = any(row.reason_code == "submission.upstream_accepted" for row in steps)
    if newest == "submission.provider_rejected" and handed_over:
        return "refused for some, handed over for the others; nothing more will come but a bounce"
    return _OUTLOOKS.get(newest, "nothing more is expected")


def _said(row: MessageLifecycleTransition) -> str:
    """Returns the words of another server, which a sender may have forged."""
    words = (row.evidence or {}).get("smtp_detail") or (row.evidence or {}).get("failure_reason")
    return plain_line(str(words), 500) if words else ""


_LIFECYCLE = listing("transitions", object_schema(view_properties(MessageLifecycleTransition, depth=0)))
_LIFECYCLE["properties"]["outlook"] = TEXT

TOOLS: tuple[Tool[Any], ...] = (
    pass_through(
        "list_messages",
        narrowed=ListMessages,
        output=listing("messages", SUMMARY_ROW),
        reply=lambda call, arguments, page: message_rows(call, call.inbox(arguments.email), page),
    ),
    by_hand("get_message", GetMessage, MESSAGE, get_message),
    pass_through(
        "get_message_lifecycle",
        output=_LIFECYCLE,
        reply=lambda call, arguments, page: _steps(call, arguments.message_id, page),
    ),
)
