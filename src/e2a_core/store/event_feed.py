"""Tailing the event log; see `events` for the model."""

from __future__ import annotations

import asyncio
import logging
from bisect import bisect_right
from collections import deque
from collections.abc import Callable, Collection, Sequence
from operator import attrgetter
from types import TracebackType
from typing import Self

from e2a_core.errors import StoreUnavailable
from e2a_core.store.database import Database
from e2a_core.store.events import EventFilter, EventRecord, Moment, events_after, now

__all__ = ["EventFeed", "Subscription"]

logger = logging.getLogger(__name__)

RECENT_EVENTS = 512
"""Events kept in memory for all subscribers together; who falls further behind reads the table."""

PAGE = 200
"""Events read from the table at once by a subscriber that catches up."""

TAIL_PAGE = 50
"""Events read at once by the tail: one commit seldom has more, and so few are read without asking a thread."""

RETRY_SECONDS = 1.0

_ANY = EventFilter()
_position = attrgetter("position")


class EventFeed:
    """Tails the log of one database for any number of subscribers; reads nothing while there is none."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._recent: list[EventRecord] = []
        self._floor = 0  # `recent` holds every event with floor < position <= high
        self._high = 0
        self._subscriptions: set[Subscription] = set()
        self._committed = asyncio.Event()
        self._stop_listening: Callable[[], None] | None = None
        self._tail_task: asyncio.Task[None] | None = None
        self._closed = False

    async def start(self) -> None:
        self._tail_task = asyncio.create_task(self._tail(), name="event feed")

    async def close(self) -> None:
        """End every subscription: its iteration stops after what it has already read."""
        self._closed = True
        if self._stop_listening is not None:
            self._stop_listening()
            self._stop_listening = None
        self._wake_subscribers()
        if self._tail_task is not None:
            self._tail_task.cancel()
            await asyncio.wait([self._tail_task])

    async def now(self) -> Moment:
        """The present moment of the log."""
        [row] = await self._database.read(now())
        return Moment.from_row(row)

    def subscribe(
        self,
        *,
        account_id: str | None = None,
        agent_email: str | None = None,
        types: Collection[str] | None = None,
        after: int | None = None,
    ) -> Subscription:
        """Events that match, from the one after position `after`, or from those committed after entering.

        Use as `async with feed.subscribe(...) as events: async for event in events: ...`.
        """
        wanted = EventFilter(account_id, agent_email, None if types is None else frozenset(types))
        return Subscription(self, wanted, after)

    async def _join(self, subscription: Subscription) -> Moment:
        entered = await self.now()
        if not self._subscriptions:
            self._recent.clear()
            self._floor = self._high = entered.position
        self._subscriptions.add(subscription)
        if self._stop_listening is None and not self._closed:
            self._stop_listening = self._database.on_commit(self._committed.set)
            self._committed.set()  # for commits between the look above and the registration
        return entered

    def _leave(self, subscription: Subscription) -> None:
        self._subscriptions.discard(subscription)
        if not self._subscriptions and self._stop_listening is not None:
            self._stop_listening()
            self._stop_listening = None

    async def _page(self, position: int, wanted: EventFilter) -> tuple[list[EventRecord], int]:
        """Matching events after `position`, and the position reached, which is `position` at the log's end."""
        if position >= self._floor:
            fresh = self._recent[bisect_right(self._recent, position, key=_position) :]
            return [event for event in fresh if wanted.matches(event)], max(position, self._high)
        high = self._high
        rows = await self._database.read(events_after(position, wanted, PAGE))
        found = [EventRecord.from_row(row) for row in rows]
        return found, found[-1].position if len(found) == PAGE else max(
            high, *map(_position, found), position
        )

    async def _tail(self) -> None:
        while True:
            await self._committed.wait()
            self._committed.clear()
            try:
                more = await self._read_on(TAIL_PAGE)
                while more:
                    more = await self._read_on(PAGE)
            except StoreUnavailable as error:
                logger.warning("the event log cannot be read: %s", error)
                await asyncio.sleep(RETRY_SECONDS)
                self._committed.set()

    async def _read_on(self, limit: int) -> bool:
        """Read the events after the newest known and tell the subscribers; whether there may be more."""
        position = self._high
        rows = await self._database.read(events_after(position, _ANY, limit, by_key=limit <= TAIL_PAGE))
        if not rows:
            return False
        if position != self._high:
            self._wake_subscribers()
            return True
        fresh = [EventRecord.from_row(row) for row in rows]
        self._recent += fresh
        self._high = self._recent[-1].position
        if len(self._recent) > RECENT_EVENTS:
            self._floor = self._recent[-RECENT_EVENTS - 1].position
            del self._recent[:-RECENT_EVENTS]
        self._tell(fresh, position)
        return len(rows) == limit

    def _tell(self, fresh: Sequence[EventRecord], before: int) -> None:
        """Wakes whom the events may concern; the subscribers of other agents are only moved past them."""
        agents = {event.agent_email for event in fresh}
        for subscription in self._subscriptions:
            if not subscription.pass_over(agents, before, self._high):
                subscription.wake()

    def _wake_subscribers(self) -> None:
        for subscription in self._subscriptions:
            subscription.wake()


class Subscription:
    """One subscriber's place in the log: an async context manager and, inside it, an async iterator.

    A database that fails during a catch-up is waited for; nothing is missed meanwhile.
    """

    def __init__(self, feed: EventFeed, wanted: EventFilter, after: int | None) -> None:
        self._feed = feed
        self._wanted = wanted
        self._position = after
        self._since: Moment | None = None
        self._buffer: deque[EventRecord] = deque()
        self._wake = asyncio.Event()

    async def __aenter__(self) -> Self:
        entered = await self._feed._join(self)
        if self._position is None:
            self._position, self._since = entered.position, entered
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._feed._leave(self)

    @property
    def position(self) -> int | None:
        """How far the log is read: all that matches up to here was handed out. None before entering without a start.

        It moves while `page` waits, past what does not match.
        """
        return self._position

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> EventRecord:
        while not self._buffer:
            page = await self.page()
            if page is None:
                raise StopAsyncIteration
            self._buffer.extend(page[0])
        return self._buffer.popleft()

    async def page(self) -> tuple[list[EventRecord], int] | None:
        """The next events, and the position that the log was read up to; waits while there is nothing new.

        The list is empty if nothing new matches. Returns None once the feed is closed. Use either this or iteration.
        """
        while not self._feed._closed:
            try:
                if (found := await self._read_on()) is not None:
                    return found
            except StoreUnavailable as error:
                logger.warning("a subscriber cannot read the event log: %s", error)
                await asyncio.sleep(RETRY_SECONDS)
        return None

    def wake(self) -> None:
        self._wake.set()

    def pass_over(self, agents: Collection[str | None], before: int, after: int) -> bool:
        """Moves on from `before` to `after` without waking, if what lies between concerns `agents` and not its own.

        There may be a thousand subscribers that each wait for one agent's events. Waking them all for each event would
        cost more than everything else.
        """
        own, position = self._wanted.agent_email, self._position
        if own is None or own in agents or position is None or position < before:
            return False
        self._position = max(position, after)
        return True

    async def _read_on(self) -> tuple[list[EventRecord], int] | None:
        """Take the next events, or wait where there are none and return None."""
        if self._position is None:
            raise RuntimeError("enter the subscription before iterating")
        self._wake.clear()
        found, position = await self._feed._page(self._position, self._wanted)
        if position == self._position and not found:
            if not self._feed._closed:
                await self._wake.wait()
            return None
        self._position = position
        if self._since is not None:
            found = [event for event in found if self._since.follows(event)]
        return found, position
