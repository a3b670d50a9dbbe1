"""The events that a caller may follow on another deployment."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta

from e2a_core.clock import Clock
from e2a_core.contract.agents import Agents
from e2a_core.contract.events import InboxEventView
from e2a_core.contract.occurrences import Occurrence, OccurrenceKind
from e2a_core.contract.principal import Principal
from e2a_core.push.catalogue import NAMES, Filters, matches, read_filters
from e2a_core.push.occurrence import described_kinds, payload
from e2a_core.remote.doorbell import Doorbells
from e2a_core.remote.event_log import EventLog
from e2a_core.remote.following import Following, Place, Places
from e2a_core.remote.watching import Pace

__all__ = ["RemoteOccurrences"]

DELIVERY = ("poll", "push")
"""Posting events to a callback needs the deployment itself."""
KEPT = timedelta(days=30)
"""How long deployments keep events, unless they are told otherwise."""
RECENT_PAGES = 5
"""Of the log that `recent` looks through; what it was not asked for may fill them all."""


class RemoteOccurrences:
    """`engine.Occurrences` over the event log of the API."""

    def __init__(
        self, principal: Principal, agents: Agents, log: EventLog, bells: Doorbells, pace: Pace, clock: Clock
    ) -> None:
        self._principal = principal
        self._agents = agents
        self._log = log
        self._bells = bells
        self._pace = pace
        self._clock = clock

    async def kinds(self) -> Sequence[OccurrenceKind]:
        return described_kinds(self._principal, DELIVERY) if await self._log.offered() else ()

    @asynccontextmanager
    async def follow(
        self, name: object, arguments: object, *, cursor: str | None = None, max_age: timedelta | None = None
    ) -> AsyncIterator[Following]:
        wanted = await self._wanted(name, arguments)
        places, now = Places(self._principal.account_id), self._clock.now()
        place = await self._present(wanted) if cursor is None else places.place(cursor)
        old = max_age is not None and now - place.at > max_age
        following = Following(
            self._log,
            self._bells,
            self._pace,
            self._clock,
            places,
            wanted,
            place,
            floor=now - max_age if old and max_age is not None else None,
            truncated=old or now - place.at > KEPT,
        )
        try:
            yield following
        finally:
            await following.close()

    async def recent(
        self, name: str | None, arguments: object, *, limit: int, event_id: str | None = None
    ) -> Sequence[Occurrence]:
        wanted = await self._wanted(NAMES[0] if name is None else name, arguments)
        names = NAMES if name is None else (name,)
        if event_id is not None:
            events = await self._log.one(wanted.agent_email, event_id)
        else:
            events = await self._log.newest(wanted.agent_email, type=name, pages=RECENT_PAGES)
        return list(_told(events, [replace(wanted, name=item) for item in names]))[:limit]

    async def _wanted(self, name: object, arguments: object) -> Filters:
        wanted = read_filters(self._principal, name, arguments)
        await self._log.require()
        if self._principal.scope == "account":
            await self._agents.get(wanted.agent_email)
        return wanted

    async def _present(self, wanted: Filters) -> Place:
        """The place after all that has happened."""
        now = self._clock.now()
        place = Place(None, {}, now)
        for event in reversed(await self._log.newest(wanted.agent_email, type=None)):
            place = place.after(event, now)
        return place


def _told(events: Iterable[InboxEventView], filters: Sequence[Filters]) -> Iterable[Occurrence]:
    for event in events:
        if any(matches(event, wanted) for wanted in filters):
            yield Occurrence(event.id, event.type, event.created_at, payload(event))
