"""What one connection of an inbox is told: its unread mail first, then each arrival, in the order of the event log."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from e2a_core.core import Core
from e2a_core.push import arrival_queries as queries
from e2a_core.push.arrival_queries import RECEIVED
from e2a_core.push.catalogue import NAMES, hidden_from_agents
from e2a_core.push.fanout import CONNECTED
from e2a_core.store.event_feed import EventFeed, Subscription
from e2a_core.store.events import EventRecord, append, position_of
from e2a_core.store.statement import first
from e2a_core.texts import is_storable

__all__ = ["Arrivals"]

PAGE = 200
"""Unread messages read at once, and the most that a slow connection keeps in memory."""


class Arrivals:
    """The arrivals in the inbox `email` of an account.

    Methods raise `StoreUnavailable`, except that the iterators wait for a store that fails for a while.
    """

    def __init__(self, core: Core, feed: EventFeed, account_id: str, email: str) -> None:
        self._core = core
        self._feed = feed
        self._account_id = account_id
        self._email = email

    @asynccontextmanager
    async def follow(self, *, unread: bool) -> AsyncIterator[AsyncIterator[EventRecord]]:
        """Yields the arrivals from now on, with `unread` after those of the unread mail that is not acknowledged.

        All are told in the order of the log, so that one acknowledgement speaks for those before it: unread mail from
        the mailbox, up to a position before which nothing can appear any more, and what is after that from the log.
        """
        if not unread:
            async with self._subscribed(RECEIVED) as log:
                yield log
            return
        entered = (await self._feed.now()).position
        async with self._subscribed(RECEIVED, after=entered) as log:
            yield self._unread_then(log, entered)

    @asynccontextmanager
    async def everything(self, *, agent: bool) -> AsyncIterator[AsyncIterator[EventRecord]]:
        """Yields all events of the inbox that can be followed, from now on; with `agent` those an agent may know of."""
        async with self._subscribed(*NAMES) as log:
            yield (event async for event in log if not (agent and hidden_from_agents(event)))

    async def acknowledge(self, event_id: str) -> None:
        """Leaves this arrival and those before it out of what is told next time; ignores an id that is none."""
        if is_storable(event_id):
            await self._core.db.write([queries.acknowledge(self._email, event_id)])

    @asynccontextmanager
    async def alone(self) -> AsyncIterator[Rivals]:
        """Claims the inbox: whoever claimed it before, in any process, gives way to the last claim in the log."""
        async with self._subscribed(CONNECTED) as log:
            claim = self._core.ids.event()
            await self._core.db.write(
                append(
                    id=claim,
                    account_id=self._account_id,
                    type=CONNECTED,
                    agent_email=self._email,
                    data={},
                    created_at=self._core.clock.now(),
                )
            )
            yield Rivals(log, claim)

    def _subscribed(self, *types: str, after: int | None = None) -> Subscription:
        return self._feed.subscribe(
            account_id=self._account_id, agent_email=self._email, types=types, after=after
        )

    async def _unread_then(self, log: Subscription, entered: int) -> AsyncIterator[EventRecord]:
        row = first(await self._core.db.read(queries.acknowledged(self._email)))
        position = position_of(row) if row is not None else 0
        while position < entered:
            rows = await self._core.db.read(queries.unread_between(self._email, position, entered, PAGE))
            for row in rows:
                yield EventRecord.from_row(row)
            position = position_of(rows[-1]) if len(rows) == PAGE else entered
        async for event in log:
            yield event


class Rivals:
    """The claims after one's own."""

    def __init__(self, log: Subscription, claim: str) -> None:
        self._log = log
        self._claim = claim
        self._claimed = False

    async def come(self) -> bool:
        """Waits for a later claim. Returns False once the log is closed. May be cancelled and called again."""
        while (page := await self._log.page()) is not None:
            for event in page[0]:
                if self._claimed:
                    return True
                self._claimed = event.id == self._claim
        return False
