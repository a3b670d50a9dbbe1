"""The event log of the own home: what its WebSocket would tell, without a key and without a server."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

from e2a_core.contract.principal import Principal
from e2a_core.local.engine import LocalEngine
from e2a_core.push.arrivals import Arrivals, Rivals
from e2a_core.push.envelopes import body_of
from e2a_core.store.events import EventRecord
from e2a_mcp.program.listen.source import FAILED, PERMANENT, Ended, Event
from e2a_mcp.program.output import note

__all__ = ["OwnHome"]


class OwnHome:
    """`Source` over the home of this process: the listener of the inbox in the whole deployment, as on a WebSocket."""

    def __init__(self, engine: LocalEngine, principal: Principal, agent: str) -> None:
        self._arrivals = Arrivals(engine.core, engine.feed, principal.account_id, agent)

    async def events(self) -> AsyncIterator[Event]:
        async with self._arrivals.follow(unread=True) as log, self._arrivals.alone() as rivals:
            note("listening")
            replaced = asyncio.create_task(_replaced(rivals))
            try:
                while (record := await _first(log, replaced)) is not None:
                    event = Event.read(body_of(record))
                    if event is not None:
                        yield event
            finally:
                replaced.cancel()
        raise Ended("the home was closed", FAILED)

    async def acknowledge(self, event: Event) -> None:
        await self._arrivals.acknowledge(event.id)


async def _replaced(rivals: Rivals) -> None:
    if await rivals.come():
        raise Ended("another listener of this inbox took this one's place", PERMANENT)


async def _first(log: AsyncIterator[EventRecord], replaced: asyncio.Task[None]) -> EventRecord | None:
    """The next event, or None when the log is closed. Raises `Ended` if another listener comes first."""
    following = asyncio.ensure_future(anext(log, None))
    try:
        await asyncio.wait([following, replaced], return_when=asyncio.FIRST_COMPLETED)
        if replaced.done():
            replaced.result()
            return None
        return following.result()
    finally:
        if not following.done():
            following.cancel()
            await asyncio.wait([following])
