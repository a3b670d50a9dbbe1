"""`events/stream`: one request, answered by notifications until either side ends it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import anyio
from mcp.server.context import ServerRequestContext

from e2a_core.contract.engine import Session
from e2a_core.contract.occurrences import Following
from e2a_core.errors import E2AError
from e2a_core.observer import Observer, open_stream
from e2a_mcp.events.errors import Dialect, DialectChoice, dialect_of, error_data, events_errors, unsupported
from e2a_mcp.events.places import Places
from e2a_mcp.events.wire import EventParams, StreamAsked, asked, occurrence, tell

__all__ = ["HEARTBEAT_SECONDS", "Streaming"]

Context = ServerRequestContext[Any]
Sessions = Callable[[Context], Awaitable[Session]]

HEARTBEAT_SECONDS = 10.0
"""The protocol wants one every 30 s. The SDK writes a comment after 15 s of silence, which does not belong here."""
EVENTS_AT_ONCE = 100
RETRY_SECONDS = 1.0
"""Before a stream goes on after what passes, such as a database that restarts."""


class Streaming:
    """The handler of streams. It finds the caller's session anew every `recheck_seconds`.

    So a revoked credential and a deleted inbox end a stream. With `offered` False the transport carries no streams.
    """

    def __init__(
        self,
        sessions: Sessions,
        places: Places,
        choice: DialectChoice,
        *,
        offered: bool,
        recheck_seconds: float,
        heartbeat_seconds: float = HEARTBEAT_SECONDS,
        observer: Observer,
    ) -> None:
        self._sessions = sessions
        self._places = places
        self._choice = choice
        self._offered = offered
        self._recheck_seconds = recheck_seconds
        self._heartbeat_seconds = heartbeat_seconds
        self._observer = observer

    async def stream(self, context: Context, params: EventParams) -> dict[str, Any]:
        given = asked(StreamAsked, params)
        dialect = dialect_of(context, self._choice)
        if not self._offered:
            raise unsupported(dialect, "push")
        with events_errors(dialect):
            credential = (await self._sessions(context)).principal.credential_id
            with self._places.of(credential, dialect), open_stream(self._observer, "events"):
                await self._run(_Stream(context, given, dialect))
        return {"_meta": {}}

    async def _run(self, stream: _Stream) -> None:
        """Raises `E2AError` for a subscription that could not begin; a later end is told on the stream."""
        while True:
            try:
                await self._follow(stream)
            except E2AError as problem:
                if not stream.active:
                    raise
                error = error_data(problem, stream.dialect).model_dump(exclude_none=True)
                if not problem.retryable:
                    await tell(stream.context, "terminated", error=error)
                    return
                await tell(stream.context, "error", error=error)
                await anyio.sleep(RETRY_SECONDS)

    async def _follow(self, stream: _Stream) -> None:
        """Follows for `recheck_seconds` from where the stream is."""
        session = await self._sessions(stream.context)
        async with session.occurrences.follow(
            stream.asked.name, stream.asked.arguments, cursor=stream.cursor, max_age=stream.max_age()
        ) as following:
            if following.truncated or not stream.active:
                await stream.begin(following)
            until = anyio.current_time() + self._recheck_seconds
            while (left := until - anyio.current_time()) > 0:
                await stream.pass_on(following, min(left, self._heartbeat_seconds))


@dataclass(slots=True, eq=False)
class _Stream:
    """How far one stream has come."""

    context: Context
    asked: StreamAsked
    dialect: Dialect
    active: bool = False
    cursor: str | None = None
    began: float = 0.0

    def __post_init__(self) -> None:
        self.cursor = self.asked.cursor
        self.began = anyio.current_time()

    def max_age(self) -> timedelta | None:
        """The age that was asked for when the stream began, which is more by now."""
        if self.asked.max_age_ms is None:
            return None
        passed = timedelta(seconds=anyio.current_time() - self.began)
        return timedelta(milliseconds=self.asked.max_age_ms) + passed

    async def begin(self, following: Following) -> None:
        self.active, self.cursor = True, following.cursor
        await tell(self.context, "active", cursor=self.cursor, truncated=following.truncated)

    async def pass_on(self, following: Following, seconds: float) -> None:
        """Tells the next events, or after `seconds` without any that the stream lives."""
        page = await following.page(limit=EVENTS_AT_ONCE, wait_seconds=seconds)
        for item in page.items:
            await tell(self.context, "event", **occurrence(item), cursor=item.cursor)
        if not page.items:
            await tell(self.context, "heartbeat", cursor=page.cursor)
        self.cursor = page.cursor
