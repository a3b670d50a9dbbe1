"""The events that a caller may follow on the local engine."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

from e2a_core.agents.lookup import resolve_agent
from e2a_core.clock import from_micros
from e2a_core.contract.occurrences import Occurrence, OccurrenceKind
from e2a_core.contract.principal import Principal
from e2a_core.core import Core
from e2a_core.local.following import Following
from e2a_core.paging import Position
from e2a_core.push.catalogue import NAMES, Filters, matches, read_filters
from e2a_core.push.cursors import Cursors, Place
from e2a_core.push.fanout import INTERNAL_TYPES
from e2a_core.push.occurrence import described_kinds, payload
from e2a_core.store.event_feed import EventFeed
from e2a_core.store.statement import Row
from e2a_core.texts import is_storable
from e2a_core.webhooks import log_queries

__all__ = ["Occurrences"]

DELIVERY = ("poll", "push", "webhook")

ROWS = 100
PAGES = 20
"""Pages of `ROWS` events that `recent` looks through; what it was not asked for may fill them all."""

_HIDDEN = sorted(INTERNAL_TYPES)


class Occurrences:
    """`engine.Occurrences` over the log of the store."""

    def __init__(self, core: Core, feed: EventFeed, principal: Principal) -> None:
        self._core = core
        self._feed = feed
        self._principal = principal

    async def kinds(self) -> Sequence[OccurrenceKind]:
        return described_kinds(self._principal, DELIVERY)

    @asynccontextmanager
    async def follow(
        self, name: object, arguments: object, *, cursor: str | None = None, max_age: timedelta | None = None
    ) -> AsyncIterator[Following]:
        core, account_id = self._core, self._principal.account_id
        wanted = await self._wanted(name, arguments)
        cursors = Cursors(core, account_id)
        present = Place((await self._feed.now()).position, core.clock.now())
        start = cursors.start(cursor, present, max_age)
        async with Following(
            core.db,
            self._feed,
            core.clock,
            cursors,
            account_id,
            wanted,
            start=start.place,
            since=start.since,
            truncated=start.truncated,
        ) as following:
            yield following

    async def recent(
        self, name: str | None, arguments: object, *, limit: int, event_id: str | None = None
    ) -> Sequence[Occurrence]:
        wanted = await self._wanted(NAMES[0] if name is None else name, arguments)
        filters = {item: replace(wanted, name=item) for item in (NAMES if name is None else (name,))}
        if event_id is not None:
            query = log_queries.event(self._principal.account_id, event_id, _HIDDEN)
            rows = await self._core.db.read(query) if is_storable(event_id) else ()
            return _told(rows, filters)
        found: list[Occurrence] = []
        stored = {"type": name, "agent_email": wanted.agent_email}
        after: Position | None = None
        for _ in range(PAGES):
            query = log_queries.events(self._principal.account_id, stored, _HIDDEN, after, ROWS)
            rows = await self._core.db.read(query)
            found += _told(rows, filters)
            if len(rows) < ROWS or len(found) >= limit:
                break
            after = Position(rows[-1]["created_at"], rows[-1]["id"])
        return found[:limit]

    async def _wanted(self, name: object, arguments: object) -> Filters:
        filters = read_filters(self._principal, name, arguments)
        agent = await resolve_agent(self._core, self._principal, filters.agent_email)
        return filters.of(agent.email, agent.created_at)


@dataclass(frozen=True, slots=True)
class _Logged:
    """An event as the log's list has it."""

    id: str
    type: str
    agent_email: str | None
    conversation_id: str | None
    created_at: datetime
    data: Mapping[str, Any] = field(hash=False)

    @classmethod
    def from_row(cls, row: Row) -> _Logged:
        return cls(
            row["id"],
            row["type"],
            row["agent_email"],
            row["conversation_id"],
            from_micros(row["created_at"]),
            json.loads(row["data"]),
        )


def _told(rows: Sequence[Row], filters: Mapping[str, Filters]) -> list[Occurrence]:
    found = []
    for row in rows:
        event = _Logged.from_row(row)
        wanted = filters.get(event.type)
        if wanted is not None and matches(event, wanted):
            found.append(Occurrence(event.id, event.type, event.created_at, payload(event)))
    return found
