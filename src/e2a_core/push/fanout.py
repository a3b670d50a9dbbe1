"""Distributes the event log: what each event means for webhooks and subscriptions is written down once.

Every process that runs workers reads the log. Whoever is first moves the stored position in the same commit as the
deliveries it writes, so no event is distributed twice and none is passed over when a process dies.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from typing import Protocol

from e2a_core.contract.events import INBOX_TYPES
from e2a_core.core import Core
from e2a_core.errors import StoreUnavailable
from e2a_core.store.event_feed import EventFeed
from e2a_core.store.events import EventRecord, add_reader, move_reader, position_of, reader_position
from e2a_core.store.statement import StaleWrite, Statement, first

__all__ = ["CONNECTED", "Distributor", "Fanout", "INTERNAL_TYPES", "READER"]

READER = "fanout"
"""Its name among the readers of the log."""

CONNECTED = "websocket.connected"
"""A WebSocket of an inbox was opened. Only its other WebSockets are told, so that they give way."""

INTERNAL_TYPES = INBOX_TYPES | {"message.updated", CONNECTED}
"""Types that no channel tells; of all but `CONNECTED` this deployment's own sessions are told."""

LAZY_EVENTS = 500
"""Events for nobody are passed in memory. Their position is stored with the next delivery, or after so many."""

RETRY_SECONDS = 1.0

logger = logging.getLogger(__name__)


class Distributor(Protocol):
    """Turns events into rows for one channel, such as deliveries to webhooks."""

    async def statements(self, events: Sequence[EventRecord]) -> list[Statement]:
        """Returns what to write for these events, which are in the order of the log; nothing if nobody wants them.

        Raises `StoreUnavailable`.
        """

    def written(self) -> None:
        """Told when the statements that it returned last are committed."""


class Fanout:
    """Runs the distributors over the log, from `start` until `stop`."""

    def __init__(self, core: Core, feed: EventFeed, distributors: Sequence[Distributor]) -> None:
        self._core = core
        self._feed = feed
        self._distributors = distributors
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        self._task = asyncio.create_task(self._run(), name="event fan-out")

    async def stop(self) -> None:
        """Ends at once. A write under way is committed or not as a whole."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])

    async def _run(self) -> None:
        while True:
            try:
                await self._follow(await self._stored())
                return
            except StaleWrite:
                await asyncio.sleep(0)  # another process was first
                continue
            except StoreUnavailable as error:
                logger.warning("events are not distributed: %s", error)
            except Exception:
                logger.exception("events could not be distributed")
            await asyncio.sleep(RETRY_SECONDS)

    async def _stored(self) -> int:
        """Where to go on; a log that nobody has distributed yet begins now."""
        row = first(await self._core.db.read(reader_position(READER)))
        if row is not None:
            return position_of(row)
        begin = (await self._feed.now()).position
        await self._core.db.write([add_reader(READER, begin)])
        [row] = await self._core.db.read(reader_position(READER))
        return position_of(row)

    async def _follow(self, stored: int) -> None:
        """Distributes events after `stored` until the feed is closed. Raises `StaleWrite` if another process did."""
        skipped = 0
        async with self._feed.subscribe(after=stored) as log:
            while (page := await log.page()) is not None:
                events, reached = page
                wanted = [event for event in events if event.type not in INTERNAL_TYPES]
                statements = await self._statements(wanted)
                skipped += len(events)
                if statements or skipped >= LAZY_EVENTS:
                    await self._core.db.write([move_reader(READER, stored, reached), *statements])
                    for channel in self._distributors:
                        channel.written()
                    stored, skipped = reached, 0

    async def _statements(self, events: Sequence[EventRecord]) -> list[Statement]:
        if not events:
            return []
        return [item for channel in self._distributors for item in await channel.statements(events)]
