"""A subscriber's place in the log of another deployment, which tells instants and no positions."""

from __future__ import annotations

import asyncio
import hashlib
from collections import deque
from contextlib import AsyncExitStack, aclosing, suppress
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from e2a_core.clock import Clock, from_micros, to_micros
from e2a_core.contract.events import InboxEventView
from e2a_core.contract.occurrences import Occurrence, OccurrencePage
from e2a_core.errors import InvalidCursor
from e2a_core.push.catalogue import Filters, matches
from e2a_core.push.occurrence import payload
from e2a_core.remote.doorbell import Bell, Doorbells
from e2a_core.remote.event_log import EventLog
from e2a_core.remote.watching import Pace, occasions
from e2a_core.signing.cursor import Json, decode_cursor, encode_cursor

__all__ = ["Following", "Place", "Places"]

OVERLAP = timedelta(seconds=10)
"""An event may be committed after one with a later instant: so much is read again, and what was told is known."""
MAX_TOLD = 50
"""Events in the overlap that a cursor has room for. Of a busier inbox it names the newest, and less is read again."""
DIGITS = 10
"""Of the hash that stands for an event's id in a cursor."""


@dataclass(frozen=True, slots=True)
class Place:
    """All events before `since` were told or passed over, and those of `told`, which has marks and instants.

    `at` is when it was last known to be up to date, by the clock of this process.
    """

    since: datetime | None
    told: dict[str, datetime] = field(hash=False)
    at: datetime

    def after(self, event: InboxEventView, now: datetime) -> Place:
        told = {**self.told, _mark(event): event.created_at}
        newest = sorted(told.items(), key=lambda item: item[1])[-MAX_TOLD:]
        since = max(
            self.since or newest[0][1], newest[0][1] if len(told) > MAX_TOLD else event.created_at - OVERLAP
        )
        return Place(since, {mark: instant for mark, instant in newest if instant >= since}, now)

    def passed(self, event: InboxEventView) -> bool:
        return (self.since is not None and event.created_at < self.since) or _mark(event) in self.told


class Places:
    """Places as clients keep them.

    Their MAC tells what was damaged or is of another account. It need not be secret: whoever makes a cursor up reads
    no more with it than the credential may.
    """

    def __init__(self, account_id: str) -> None:
        self._query: dict[str, Json] = {"events": account_id}
        self._key = f"events of {account_id}".encode()

    def text(self, place: Place) -> str:
        since = to_micros(place.since) if place.since else 0
        told: list[Json] = [[mark, to_micros(instant) - since] for mark, instant in place.told.items()]
        return encode_cursor(
            {"since": since, "told": told, "at": to_micros(place.at)}, self._query, self._key
        )

    def place(self, text: str) -> Place:
        """Raises `InvalidCursor`."""
        try:
            found = decode_cursor(text, self._query, [self._key])
        except InvalidCursor:
            raise InvalidCursor(
                "the cursor was not issued for this account; pass the newest one unchanged, or null",
                location="cursor",
            ) from None
        since = found["since"]
        told = {mark: from_micros(since + offset) for mark, offset in found["told"]}
        return Place(from_micros(since) if since else None, told, from_micros(found["at"]))


class Following:
    """`engine.Following` over the API; events before `floor` are passed over."""

    def __init__(
        self,
        log: EventLog,
        bells: Doorbells,
        pace: Pace,
        clock: Clock,
        places: Places,
        wanted: Filters,
        start: Place,
        *,
        floor: datetime | None,
        truncated: bool,
    ) -> None:
        self.truncated = truncated
        self._log = log
        self._bells = bells
        self._pace = pace
        self._clock = clock
        self._places = places
        self._wanted = wanted
        self._floor = floor
        self._place = start
        self._unread: deque[InboxEventView] = deque()
        self._more = True
        self._bell: Bell | None = None
        self._leaving = AsyncExitStack()

    async def close(self) -> None:
        await self._leaving.aclose()

    @property
    def cursor(self) -> str:
        return self._places.text(self._place)

    async def page(self, *, limit: int, wait_seconds: float = 0) -> OccurrencePage:
        if not self._unread and self._more:
            await self._read()
        if not self._unread and not self._more and wait_seconds > 0:
            with suppress(TimeoutError):
                async with asyncio.timeout(wait_seconds):
                    await self._wait()
        items: list[Occurrence] = []
        while self._unread and len(items) < limit:
            items.append(self._next())
        return OccurrencePage(tuple(items), self.cursor, more=bool(self._unread) or self._more)

    async def _read(self) -> None:
        """Keeps the wanted events after the place. Repeats what was cancelled."""
        self._more = True
        stretch = await self._log.since(self._wanted.agent_email, self._wanted.name, self._place.since)
        now = self._clock.now()
        for event in stretch.events:
            if self._place.passed(event):
                continue
            if self._unread or self._wants(event):
                self._unread.append(event)
            else:
                self._place = self._place.after(event, now)
        self._more = stretch.more
        if not self._unread and not self._more:
            self._place = replace(self._place, at=now)

    async def _wait(self) -> None:
        """Until there is a wanted event."""
        if self._bell is None:
            wanted = self._wanted
            self._bell = await self._leaving.enter_async_context(
                self._bells.bell([wanted.agent_email], [wanted.name])
            )
            # For what came before somebody listened.
            self._bell.rung.set()
        async with aclosing(occasions(self._bell, self._pace)) as times:
            async for _ in times:
                await self._read()
                if self._unread or self._more:
                    return

    def _next(self) -> Occurrence:
        """The first of the events that are kept, which is wanted; those after it up to the next one are passed over."""
        event, now = self._unread.popleft(), self._clock.now()
        self._place = self._place.after(event, now)
        cursor = self.cursor
        while self._unread and not self._wants(self._unread[0]):
            self._place = self._place.after(self._unread.popleft(), now)
        return Occurrence(event.id, event.type, event.created_at, payload(event), cursor)

    def _wants(self, event: InboxEventView) -> bool:
        return matches(event, self._wanted) and (self._floor is None or event.created_at >= self._floor)


def _mark(event: InboxEventView) -> str:
    return hashlib.sha256(event.id.encode()).hexdigest()[:DIGITS]
