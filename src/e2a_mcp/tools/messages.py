"""Listing and reading mail."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType
from typing import Annotated, Any, Literal

from pydantic import Field

from e2a_core.contract.base import Moment, Page
from e2a_core.contract.message_views import MessageSummaryView, MessageView, Verdict
from e2a_core.contract.messages import MessageLifecycleTransition, MessageQuery
from e2a_mcp.fence import Fence, plain_line
from e2a_mcp.finding import FOUND, found_in
from e2a_mcp.reading import DEFAULT_MAX_CHARS, MAX_MAX_CHARS, Format, read_message
from e2a_mcp.render import ROW_FIELDS, fence_rows, message_lines, page_line, shown_id
from e2a_mcp.schema import object_schema, view_properties
from e2a_mcp.tool import Call, Reply, Tool
from e2a_mcp.tools.arguments import InboxArguments, Limit, MessageArguments
from e2a_mcp.tools.attachments import Invitation, invitation
from e2a_mcp.tools.outputs import SUMMARY_ROW, TEXT, TRUST, UNTRUSTED, listing
from e2a_mcp.tools.passing import by_hand, pass_through

__all__ = ["MESSAGE", "TOOLS", "message_rows"]

MAX_COUNTED = 100
"""Read messages counted beside an empty list; one page of the engine."""

MAX_NAMED = 5
_SYNTAX = re.compile(
    r"-?\(*(?:from|to|cc|bcc|subject|label|labels|is|in|filename|after|before|older|newer|older_than|newer_than|since"
    r"|until|date|created|body|category|list|size|larger|smaller)[:=<>]+\S+|(?-i:NOT)|-has:\S+|has:(?!attachments?$)\S+"
    r"|-[^\W\d_][\w@.-]{2,}",
    re.IGNORECASE,
)
"""What other programs take for more than words; a number with a minus and the option of a command are none."""

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
        **FOUND,
        "trust": TRUST,
        "text": TEXT,
        "html": TEXT,
        "headers": TEXT,
        "invitation": TEXT,
        "truncated": {"type": "boolean"},
        "quoted_chars": {"type": "integer"},
        "unreadable_addresses": {"type": "array", "items": TEXT},
        "total_chars": {"type": "integer"},
        "next_offset": {"type": "integer"},
        "untrusted": UNTRUSTED,
    },
    ["id", "direction", "subject", "received_at"],
)


class ListMessages(InboxArguments):
    direction: Literal["inbound", "outbound", "all"] | None = None
    read_status: (
        Annotated[Literal["unread", "read", "all"], Field(description="default unread; all when searching")]
        | None
    ) = None
    query: Query | None = None
    filter: Expression | None = None
    from_: str | None = None
    subject_contains: str | None = None
    conversation_id: str | None = None
    labels: Annotated[list[str], Field(description="all of them")] | None = None
    trust: Annotated[Verdict, Field(description="verdict on the sender")] | None = None
    since: Annotated[Moment, Field(description="inclusive: time, date, or 2d")] | None = None
    until: Moment | None = None
    sort: Annotated[Literal["asc", "desc"], Field(description="by time")] | None = None
    deleted: Annotated[bool, Field(description="the trash")] = False
    cursor: str | None = None
    limit: Limit = 20

    @property
    def asked(self) -> MessageQuery:
        """The query. A search covers read mail too, since an agent asks for what it has seen before."""
        members = self.model_dump(exclude={"email", "trust"}, exclude_none=True)
        if any(members.get(name) for name in _SEARCHES) and not self.deleted:
            members.setdefault("read_status", "all")
        return MessageQuery(**members, verdict=self.trust)


_SEARCHES = ("query", "filter", "from_", "subject_contains", "conversation_id", "labels")


_EVERYTHING: Mapping[str, str] = MappingProxyType({"direction": "all", "read_status": "all"})


class GetMessage(MessageArguments):
    format: Annotated[Format, Field(description="full: text with quoted history")] = "text"
    offset: Annotated[int, Field(ge=0)] = 0
    max_chars: Annotated[int, Field(ge=1, le=MAX_MAX_CHARS)] = DEFAULT_MAX_CHARS
    peek: Annotated[bool, Field(description="do not mark read")] = False


async def list_messages(call: Call, arguments: ListMessages) -> Reply:
    """Returns a page of mail. If nothing unread was found, it tells how much read mail matches."""
    email, query = call.inbox(arguments.email), arguments.asked
    page = await call.session.messages.list(email, query)
    searched = _searched(query)
    read = 0
    if not page.items and searched["read_status"] == "unread" and not query.cursor:
        seen = query.model_copy(update={"read_status": "read", "limit": MAX_COUNTED})
        read = len((await call.session.messages.list(email, seen)).items)
    reply = message_rows(call, email, page, searched=searched, read_matches=read)
    structured = {**reply.structured}
    notes = [_taken_as_words(query.query or ""), _unsearched(page.unsearched or [])]
    if page.unsearched:
        structured |= {"truncated": True, "unsearched": page.unsearched}
    text = "\n".join([reply.text or "", *filter(None, notes)])
    return replace(reply, structured=structured, text=text)


def _unsearched(words: Sequence[str]) -> str:
    """Says which words of a query were not looked for: what is found need not have them."""
    return (
        f"note: the query is too long, and these words were not looked for: {_some(words)}" if words else ""
    )


def _some(words: Sequence[str]) -> str:
    named = ", ".join(plain_line(word, 60) for word in words[:MAX_NAMED])
    return named + (f" and {len(words) - MAX_NAMED} more" if len(words) > MAX_NAMED else "")


def _taken_as_words(query: str) -> str:
    """Says so if a query has the syntax of other mail programs: without a word, finding nothing would mislead."""
    found = [item for item in query.split() if _SYNTAX.fullmatch(item)]
    if not found:
        return ""
    named = _some(found)
    return f"note: query has words only, and took these as words: {named}; filter takes from: subject: label: NOT"


def _searched(query: MessageQuery) -> dict[str, str]:
    """What the list is of, with the defaults of the engine."""
    direction = query.direction or ("all" if query.deleted else "inbound")
    unread = direction == "inbound" and not query.deleted and not query.query
    read_status = query.read_status or ("unread" if unread else "all")
    return {"direction": direction, "read_status": read_status, **({"in": "trash"} if query.deleted else {})}


def message_rows(
    call: Call,
    email: str,
    page: Page[MessageSummaryView],
    *,
    searched: Mapping[str, str] = _EVERYTHING,
    read_matches: int = 0,
) -> Reply:
    """Returns a page of the mail of `email`; in the text the senders' words are fenced.

    `searched` says which mail was looked at, `read_matches` how many messages that were read would have matched.
    """
    fence, rows = fence_rows(call.services.ids, page.items)
    structured: dict[str, object] = {"messages": rows}
    if searched is not _EVERYTHING:
        structured["searched"] = dict(searched)
    if read_matches:
        structured["read_matches"] = read_matches
    if page.next_cursor:
        structured["next_cursor"] = page.next_cursor
    structured["untrusted"] = fence.note(ROW_FIELDS)
    parts = [len(rows), *(searched[name] for name in ("read_status", "direction") if searched[name] != "all")]
    noun = "message" if len(rows) == 1 else "messages"
    what = " ".join(map(str, parts if len(parts) > 1 else [*parts, noun]))
    head = f"{what} in {'the trash of ' if 'in' in searched else ''}{email}"
    if read_matches:
        more = " or more" if read_matches == MAX_COUNTED else ""
        head += f"; {read_matches}{more} read match (read_status=read)"
    if page.next_cursor:
        head += f"; more with cursor={page.next_cursor}"
    return Reply(structured, "\n".join([head, *message_lines(fence, rows)]), untrusted=bool(rows))


async def get_message(call: Call, arguments: GetMessage) -> Reply:
    email = call.inbox(arguments.email)
    view = await call.session.messages.get(email, arguments.message_id, peek=arguments.peek, whole=True)
    raw = None
    if arguments.format == "headers":
        raw = await call.session.messages.raw(email, arguments.message_id)
    begins = arguments.offset == 0
    invited = await invitation(call, email, view) if begins else Invitation("")
    found = found_in(view) if begins and arguments.format != "headers" else None
    return read_message(
        view,
        email,
        call.services.ids,
        format=arguments.format,
        offset=arguments.offset,
        max_chars=arguments.max_chars,
        raw=raw,
        extra={**invited.member, **(found.members if found and found.lines else {})},
        extra_lines=(
            *(f"{name}:\n{words}" for name, words in invited.member.items()),
            *(found.lines if found else ()),
        ),
        extra_notes=invited.notes,
    )


def _steps(call: Call, message_id: str, page: Page[MessageLifecycleTransition]) -> Reply:
    fence = Fence(call.services.ids, map(_said, page.items))
    structured: dict[str, object] = {"transitions": [row.to_wire() for row in page.items]}
    if page.next_cursor:
        structured["next_cursor"] = page.next_cursor
    elif page.items:
        structured["outlook"] = _outlook(page.items)
    structured["untrusted"] = fence.note(["evidence", "recipient", "correlation_ids"])
    lines = [page_line(len(page.items), "step", message_id, page.next_cursor), fence.notice]
    for row, shown in zip(page.items, page.to_wire()["items"], strict=True):
        to = f" {shown_id(fence, row.recipient)}" if row.recipient else ""
        leaves = f" leaves={_leaves(row)}" if _leaves(row) else ""
        said = f" {fence.inline(_said(row))}" if _said(row) else ""
        lines.append(f"{shown['occurred_at']} {row.stage} {row.outcome} {row.reason_code}{leaves}{to}{said}")
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
    if newest == "queue.outbound_submission" and _leaves(steps[-1]):
        return f"it waits until it leaves at {_leaves(steps[-1])}"
    return _OUTLOOKS.get(newest, "nothing more is expected")


def _leaves(row: MessageLifecycleTransition) -> str:
    """Returns when a message that waits is to leave; empty if that is at once or not told."""
    return plain_line(str((row.evidence or {}).get("scheduled_at") or ""), 40)


def _said(row: MessageLifecycleTransition) -> str:
    """Returns the words of another server, which a sender may have forged."""
    words = (row.evidence or {}).get("smtp_detail") or (row.evidence or {}).get("failure_reason")
    return plain_line(str(words), 500) if words else ""


_LIFECYCLE = listing("transitions", object_schema(view_properties(MessageLifecycleTransition, depth=0)))
_LIFECYCLE["properties"]["outlook"] = TEXT
_LISTING = listing(
    "messages",
    SUMMARY_ROW,
    searched={"type": "object"},
    read_matches={"type": "integer"},
    truncated={"type": "boolean"},
    unsearched={"type": "array", "items": TEXT},
)

TOOLS: tuple[Tool[Any], ...] = (
    by_hand("list_messages", ListMessages, _LISTING, list_messages),
    by_hand("get_message", GetMessage, MESSAGE, get_message),
    pass_through(
        "get_message_lifecycle",
        output=_LIFECYCLE,
        reply=lambda call, arguments, page: _steps(call, arguments.message_id, page),
    ),
)
