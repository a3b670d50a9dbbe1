"""One subscriber's place in the log: reads the table until it has caught up, then waits with the feed."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Iterable
from contextlib import AsyncExitStack, suppress
from datetime import datetime
from types import TracebackType
from typing import Self

from e2a_core.clock import Clock
from e2a_core.contract.occurrences import Occurrence, OccurrencePage
from e2a_core.errors import Unavailable
from e2a_core.push.catalogue import Filters, matches
from e2a_core.push.cursors import Cursors, Place
from e2a_core.push.occurrence import payload
from e2a_core.store.database import Database
from e2a_core.store.event_feed import EventFeed, Subscription
from e2a_core.store.events import EventFilter, EventRecord, events_after

__all__ = ["Following"]

PAGE = 200
"""Events read at once."""
PAGES = 20
"""Pages looked through for one answer. A rare event of a busy inbox takes several answers, each with a new cursor."""


class Following:
    """`engine.Following` over the log of this process's store.

    Events before `since` are passed over; `start` is where it begins.
    """

    def __init__(
        self,
        database: Database,
        feed: EventFeed,
        clock: Clock,
        cursors: Cursors,
        account_id: str,
        wanted: Filters,
        *,
        start: Place,
        since: datetime | None,
        truncated: bool,
    ) -> None:
        self.truncated = truncated
        self._database = database
        self._feed = feed
        self._clock = clock
        self._cursors = cursors
        self._stored = EventFilter(account_id, wanted.agent_email, frozenset({wanted.name}))
        self._wanted = wanted
        self._since = since
        self._reached = self._told = start
        self._found: deque[EventRecord] = deque()
        self._caught_up = False
        self._live: Subscription | None = None
        self._leaving = AsyncExitStack()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._leaving.aclose()

    @property
    def cursor(self) -> str:
        return self._cursors.text(self._told)

    async def page(self, *, limit: int, wait_seconds: float = 0) -> OccurrencePage:
        """Reads the table first, so that an answer without waiting has all that was committed before."""
        if not self._found and not self._caught_up:
            await self._catch_up()
        if not self._found and self._caught_up and wait_seconds > 0:
            await self._wait_for(wait_seconds)
        items = tuple(self._next() for _ in range(min(limit, len(self._found))))
        if not self._found:
            self._told = self._reached
        return OccurrencePage(items, self.cursor, more=bool(self._found) or not self._caught_up)

    async def _catch_up(self) -> None:
        """Reads on to the first page with wanted events, or to the end of the log."""
        for _ in range(PAGES):
            moment, now = await self._feed.now(), self._clock.now()
            rows = await self._database.read(events_after(self._reached.position, self._stored, PAGE))
            events = [EventRecord.from_row(row) for row in rows]
            last = events[-1].position if events else self._reached.position
            self._caught_up = len(events) < PAGE
            self._reached = (
                Place(max(moment.position, last), now)
                if self._caught_up
                else Place(last, events[-1].created_at)
            )
            self._keep(events)
            if self._found or self._caught_up:
                return

    async def _wait_for(self, seconds: float) -> None:
        """Until there is a wanted event, `seconds` at most; the place moves on with the log in any case.

        Otherwise the cursor of a subscriber whose inbox is quiet would grow older than events are kept.
        """
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._wait()
        if not self._found and self._live is not None and self._live.position is not None:
            self._reached = Place(self._live.position, self._clock.now())

    async def _wait(self) -> None:
        """Until there is a wanted event. Cancelling it loses none: what was read is kept before the next wait."""
        if self._live is None:
            self._live = await self._leaving.enter_async_context(
                self._feed.subscribe(
                    account_id=self._stored.account_id,
                    agent_email=self._stored.agent_email,
                    types=self._stored.types,
                    after=self._reached.position,
                )
            )
        while not self._found:
            if (read := await self._live.page()) is None:
                raise Unavailable("the server stops; go on at the cursor")
            events, position = read
            self._reached = Place(position, self._clock.now())
            self._keep(events)

    def _keep(self, events: Iterable[EventRecord]) -> None:
        self._found += [
            event
            for event in events
            if matches(event, self._wanted) and (self._since is None or event.created_at >= self._since)
        ]

    def _next(self) -> Occurrence:
        event = self._found.popleft()
        self._told = Place(event.position, event.created_at)
        return Occurrence(event.id, event.type, event.created_at, payload(event), self.cursor)
