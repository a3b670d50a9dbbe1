"""`events/list` and `events/poll`: what can be followed, and what happened since a cursor."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any

from mcp.server.context import ServerRequestContext

from e2a_core.contract.engine import Session
from e2a_mcp.events.errors import DialectChoice, dialect_of, events_errors, invalid
from e2a_mcp.events.places import Places
from e2a_mcp.events.wire import EventParams, ListAsked, PollAsked, asked, described, occurrence

__all__ = ["Polling"]

Context = ServerRequestContext[Any]
Sessions = Callable[[Context], Awaitable[Session]]

MAX_EVENTS = 100
"""Events of one answer, 400 KiB at most."""
MAX_WAIT_SECONDS = 30.0
"""A longer wait is cut by proxies."""
NEXT_POLL_MS = 1_000
"""The least that clients may wait, so that mail is heard of within a second."""


class Polling:
    """The handlers without state: each answer carries the cursor to go on from."""

    def __init__(self, sessions: Sessions, places: Places, choice: DialectChoice) -> None:
        self._sessions = sessions
        self._places = places
        self._choice = choice

    async def list(self, context: Context, params: EventParams) -> dict[str, Any]:
        if asked(ListAsked, params).cursor is not None:
            raise invalid("cursor", "the list has one page")
        with events_errors(dialect_of(context, self._choice)):
            session = await self._sessions(context)
            return {"events": [described(kind) for kind in await session.occurrences.kinds()]}

    async def poll(self, context: Context, params: EventParams) -> dict[str, Any]:
        """Without a cursor it answers at once, with the position of the present."""
        given = asked(PollAsked, params)
        dialect = dialect_of(context, self._choice)
        limit = min(given.max_events or MAX_EVENTS, MAX_EVENTS)
        seconds = min((given.timeout_ms or 0) / 1000, MAX_WAIT_SECONDS)
        max_age = None if given.max_age_ms is None else timedelta(milliseconds=given.max_age_ms)
        with events_errors(dialect):
            session = await self._sessions(context)
            with self._places.of(session.principal.credential_id, dialect):
                async with session.occurrences.follow(
                    given.name, given.arguments, cursor=given.cursor, max_age=max_age
                ) as following:
                    if given.cursor is None:
                        return _answer([], following.cursor, truncated=False, more=False)
                    page = await following.page(limit=limit, wait_seconds=seconds)
                    events = [occurrence(item) for item in page.items]
                    return _answer(events, page.cursor, truncated=following.truncated, more=page.more)


def _answer(events: list[dict[str, Any]], cursor: str, *, truncated: bool, more: bool) -> dict[str, Any]:
    return {
        "events": events,
        "cursor": cursor,
        "truncated": truncated,
        "hasMore": more,
        "nextPollMs": NEXT_POLL_MS,
    }
