"""Waiting for mail instead of polling for it."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import timedelta
from typing import Annotated, Any, TypeVar

import anyio
from pydantic import Field

from e2a_core.clock import rfc3339
from e2a_core.contract.engine import Session
from e2a_core.contract.events import EventEnvelope
from e2a_core.contract.message_views import MessageView
from e2a_core.contract.messages import MessageQuery
from e2a_core.contract.operation import Hints
from e2a_core.contract.states import SENDING_PAUSED
from e2a_core.errors import E2AError
from e2a_mcp.finding import FOUND, found_in
from e2a_mcp.owner import look
from e2a_mcp.reading import read_message
from e2a_mcp.schema import object_schema
from e2a_mcp.tool import Call, Reply, Tool
from e2a_mcp.tools.arguments import InboxArguments
from e2a_mcp.tools.messages import MESSAGE
from e2a_mcp.tools.outputs import TEXT, UNTRUSTED

__all__ = ["DECISION", "MAX_WAIT_SECONDS", "TOOLS", "WaitForReview", "in_time", "wait_for_review"]

MAX_WAIT_SECONDS = 300
RECENT = timedelta(seconds=60)
"""How far back unread mail counts: it may arrive before the model begins to wait."""
PROGRESS_SECONDS = 5.0
"""Often enough that no proxy or client gives the call up."""
ROWS_LOOKED_AT = 25
"""An event matches if its message is among this many newest rows that pass the filters."""
_AGO = re.compile(r"(\d{1,4})([smh])", re.ASCII)
_UNIT_SECONDS = {"s": 1, "m": 60, "h": 3600}

Found = TypeVar("Found")
Filter = Annotated[str, Field(max_length=200)]


class WaitForMessage(InboxArguments):
    message_id: Annotated[str, Field(description="own mail, for its fate")] | None = None
    from_: Filter | None = None
    subject_contains: Filter | None = None
    conversation_id: Filter | None = None
    since: (
        Annotated[
            str, Field(max_length=64, description='take mail since then, read or not: RFC 3339, or "2m" ago')
        ]
        | None
    ) = None
    verified_only: bool = False
    timeout_seconds: Annotated[int, Field(ge=1, le=MAX_WAIT_SECONDS)] = 60


class WaitForReview(InboxArguments):
    message_id: str
    timeout_seconds: Annotated[int, Field(ge=1, le=MAX_WAIT_SECONDS)] = 60


async def wait_for_message(call: Call, arguments: WaitForMessage) -> Reply:
    email = call.inbox(arguments.email)
    if arguments.message_id is not None:
        return await _outcome(call, email, arguments.message_id, arguments.timeout_seconds, _under_way)
    session = call.session
    started = rfc3339(call.services.clock.now())
    since = _since(call, arguments.since)
    # Watches before it lists, so that a message that arrives in between is not missed.
    async with session.watch(types=("email.received",), emails=(email,)) as events:
        found = await _matching(session, email, arguments, since=since)
        if found is None:
            found = await _arrival(call, email, arguments, events)
    if found is None:
        # The event of a message that has arrived may still be on its way.
        found = await _matching(session, email, arguments, since=since)
    if found is None:
        seconds = arguments.timeout_seconds
        structured = {"message": None, "timed_out": True, "waited_since": started}
        text = f"nothing that matches arrived within {seconds} s; to go on, call again with since={started}"
        return Reply(structured, text)
    view = await session.messages.get(email, found, whole=True)
    return _arrived(call, email, view)


async def wait_for_review(call: Call, arguments: WaitForReview) -> Reply:
    email = call.inbox(arguments.email)
    return await _outcome(call, email, arguments.message_id, arguments.timeout_seconds, _undecided)


async def _outcome(
    call: Call, email: str, message_id: str, timeout: int, pending: Callable[[Call, MessageView], bool]
) -> Reply:
    """Waits until a message that was sent or held is `pending` no more, and returns it."""
    session = call.session
    # Watches before it looks, so that what happens in between is not missed.
    async with session.outcomes(email, message_id) as occasions:
        view = await look(session, email, message_id)
        if pending(call, view):

            async def settled() -> MessageView | None:
                async for _ in occasions:
                    found = await look(session, email, message_id)
                    if not pending(call, found):
                        return found
                return None

            why = "waiting for what becomes of the message"
            view = await in_time(call, timeout, settled, why) or await look(session, email, message_id)
    if pending(call, view):
        state = view.review_status if view.review_status == "pending_review" else view.delivery_status
        why = f", {SENDING_PAUSED}" if view.delivery_detail == SENDING_PAUSED else ""
        return Reply(
            {"message": None, "timed_out": True},
            f"{view.id} is still {state} after {timeout} s{why}; to go on, call again",
        )
    read = read_message(view, email, call.services.ids)
    structured = {"message": read.structured, "timed_out": False, "untrusted": read.structured["untrusted"]}
    return Reply(structured, read.text, read.links, untrusted=read.untrusted)


def _undecided(call: Call, view: MessageView) -> bool:
    return view.review_status == "pending_review" and view.deleted_at is None


def _under_way(call: Call, view: MessageView) -> bool:
    """Returns True if more is to come soon: a decision, or the end of the submission."""
    if view.direction == "inbound" or view.deleted_at is not None:
        return False
    if view.review_status == "pending_review":
        return True
    later = view.scheduled_at is not None and view.scheduled_at > call.services.clock.now()
    return view.delivery_status in {"accepted", "sending"} and not later


def _since(call: Call, since: str | None) -> str:
    span = RECENT
    if since is not None:
        ago = _AGO.fullmatch(since)
        if ago is None:
            return since
        span = timedelta(seconds=int(ago[1]) * _UNIT_SECONDS[ago[2]])
    return rfc3339(call.services.clock.now() - span)


async def _arrival(
    call: Call, email: str, arguments: WaitForMessage, events: AsyncIterator[EventEnvelope]
) -> str | None:
    """Returns the id of the first matching message that arrives in time, or None."""
    return await in_time(
        call,
        arguments.timeout_seconds,
        lambda: _first_match(call.session, email, arguments, events),
        "waiting for mail",
    )


async def in_time(
    call: Call, seconds: int, wait: Callable[[], Awaitable[Found | None]], why: str
) -> Found | None:
    """Returns what `wait` returns, or None if it takes longer; tells the client meanwhile that the call goes on."""
    found: Found | None = None
    refused: E2AError | None = None
    with anyio.move_on_after(seconds):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(_tell_progress, call, seconds, why)
            try:
                found = await wait()
            except E2AError as problem:
                # Raised here, it would be wrapped in an exception group.
                refused = problem
            tasks.cancel_scope.cancel()
    if refused is not None:
        raise refused
    return found


async def _first_match(
    session: Session, email: str, arguments: WaitForMessage, events: AsyncIterator[EventEnvelope]
) -> str | None:
    async for event in events:
        arrived = str(event.data.get("message_id"))
        if await _matching(session, email, arguments, arrived=arrived):
            return arrived
    return None


async def _tell_progress(call: Call, timeout: int, why: str) -> None:
    waited = 0.0
    while True:
        await call.progress(waited, timeout, why)
        await anyio.sleep(PROGRESS_SECONDS)
        waited += PROGRESS_SECONDS


async def _matching(
    session: Session,
    email: str,
    arguments: WaitForMessage,
    *,
    since: str | None = None,
    arrived: str | None = None,
) -> str | None:
    """Returns the newest matching message since `since`, or `arrived` if it matches, else None.

    The filters are those of `list_messages`. Unless the caller gave `since`, mail that was read is skipped.
    """
    query = MessageQuery(
        direction="inbound",
        read_status="all" if arrived or arguments.since else "unread",
        from_=arguments.from_,
        subject_contains=arguments.subject_contains,
        conversation_id=arguments.conversation_id,
        since=since,
        limit=ROWS_LOOKED_AT if arrived or arguments.verified_only else 1,
    )
    rows = (await session.messages.list(email, query)).items
    if arguments.verified_only:
        rows = [row for row in rows if row.verified_domain or row.author_agent]
    if arrived is not None:
        return arrived if any(row.id == arrived for row in rows) else None
    return rows[0].id if rows else None


def _arrived(call: Call, email: str, view: MessageView) -> Reply:
    found = found_in(view)
    read = read_message(view, email, call.services.ids, extra_lines=tuple(found.lines))
    structured = {
        "message": read.structured,
        "timed_out": False,
        **found.members,
        "trust": found.trust,
        "untrusted": {**read.structured["untrusted"], "fields": list(found.members)},
    }
    return Reply(structured, read.text, read.links, untrusted=True)


_ARRIVAL = object_schema(
    {
        "message": {**MESSAGE, "type": ["object", "null"]},
        "timed_out": {"type": "boolean"},
        **FOUND,
        "trust": MESSAGE["properties"]["trust"],
        "waited_since": TEXT,
        "untrusted": UNTRUSTED,
    },
    ["message", "timed_out"],
)
DECISION = object_schema(
    {
        "message": _ARRIVAL["properties"]["message"],
        "timed_out": {"type": "boolean"},
        "untrusted": UNTRUSTED,
    },
    ["message", "timed_out"],
)

TOOLS: tuple[Tool[Any], ...] = (
    Tool(
        "wait_for_message",
        "Wait for a message",
        "Block until mail matches every filter given, then read it, the newest of several; unread mail of the "
        "last minute counts. One-time codes and verification links are picked out. A timeout is normal: message null.",
        Hints(),
        lambda: (WaitForMessage, _ARRIVAL),
        wait_for_message,
    ),
)
