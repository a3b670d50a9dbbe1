"""Distributing the event log: each event once, in order, whoever dies and however many take part."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime

import pytest

from e2a_core.clock import SystemClock
from e2a_core.core import Core
from e2a_core.ids import Ids
from e2a_core.push.fanout import LAZY_EVENTS, READER, Fanout
from e2a_core.settings import load_settings
from e2a_core.signing.secrets import Secrets
from e2a_core.store.database import Database
from e2a_core.store.event_feed import EventFeed
from e2a_core.store.events import EventRecord, add_reader, append, position_of, reader_position
from e2a_core.store.statement import Statement, sql
from tests.support.waiting import until

pytestmark = pytest.mark.anyio


class Ledger:
    """Writes one row of the audit table for each event that is wanted."""

    def __init__(self, *, wanted: str = "", fails: int = 0) -> None:
        self._wanted = wanted
        self._fails = fails

    async def statements(self, events: Sequence[EventRecord]) -> list[Statement]:
        if self._fails:
            self._fails -= 1
            raise ValueError("a fault of its own")
        return [
            sql(
                "INSERT INTO idempotency (account_id, namespace, key, fingerprint, created_at)"
                " VALUES ('ann', 'seen', :key, :place, 1)",
                key=event.id,
                place=json.dumps(event.data["n"]),
            )
            for event in events
            if event.id.startswith(self._wanted)
        ]

    def written(self) -> None:
        pass


def event(number: int, *, id: str = "evt", type: str = "email.received") -> list[Statement]:
    return append(
        id=f"{id}_{number}",
        account_id="ann",
        type=type,
        data={"n": number},
        created_at=datetime(2026, 3, 1, tzinfo=UTC),
    )


@pytest.fixture
async def core(database: Database) -> Core:
    await database.write(
        [
            add_reader(READER, 0),
            sql("INSERT INTO accounts (id, email, created_at) VALUES ('ann', 'ann@example.org', 1)"),
        ]
    )
    settings = load_settings({"E2A_HOME": "/nonexistent"})
    return Core(
        settings=settings,
        clock=SystemClock(),
        ids=Ids(),
        secrets=Secrets([b"0123456789abcdef0123456789abcdef"]),
        db=database,
        resolver=_no_resolver,  # type: ignore[arg-type]
    )


def _no_resolver() -> None:
    raise AssertionError("nothing here resolves a name")


@pytest.fixture
async def feed(database: Database) -> AsyncIterator[EventFeed]:
    opened = EventFeed(database)
    await opened.start()
    yield opened
    await opened.close()


async def seen(core: Core) -> list[str]:
    rows = await core.db.read(sql("SELECT key FROM idempotency WHERE namespace = 'seen' ORDER BY key"))
    return [row["key"] for row in rows]


async def has_seen(core: Core, count: int) -> bool:
    return len(await seen(core)) == count


async def place(core: Core) -> int:
    [row] = await core.db.read(reader_position(READER))
    return position_of(row)


async def test_each_event_is_distributed_once(core: Core, feed: EventFeed) -> None:
    fanouts = [Fanout(core, feed, [Ledger()]) for _ in range(3)]
    for fanout in fanouts:
        fanout.start()
    for number in range(60):
        await core.db.write(event(number))
    await until(lambda: has_seen(core, 60))
    for fanout in fanouts:
        await fanout.stop()


async def test_what_came_while_nobody_was_there_is_distributed_later(core: Core, feed: EventFeed) -> None:
    await core.db.write([item for number in range(450) for item in event(number)])
    fanout = Fanout(core, feed, [Ledger()])
    fanout.start()
    await until(lambda: has_seen(core, 450))
    await fanout.stop()
    await core.db.write(event(450))
    again = Fanout(core, feed, [Ledger()])
    again.start()
    await until(lambda: has_seen(core, 451))
    await again.stop()


async def test_events_for_nobody_move_the_position_now_and_then(core: Core, feed: EventFeed) -> None:
    fanout = Fanout(core, feed, [Ledger(wanted="none")])
    fanout.start()
    await core.db.write([item for number in range(LAZY_EVENTS + 100) for item in event(number)])
    await until(lambda: place(core))
    await fanout.stop()
    assert await seen(core) == []


async def test_internal_events_are_not_distributed(core: Core, feed: EventFeed) -> None:
    fanout = Fanout(core, feed, [Ledger()])
    fanout.start()
    await core.db.write([*event(1, id="internal", type="message.updated"), *event(2)])
    await until(lambda: has_seen(core, 1))
    assert await seen(core) == ["evt_2"]
    await fanout.stop()


async def test_a_fault_is_logged_and_nothing_is_lost(
    core: Core, feed: EventFeed, caplog: pytest.LogCaptureFixture
) -> None:
    fanout = Fanout(core, feed, [Ledger(fails=1)])
    fanout.start()
    await core.db.write(event(1))
    await until(lambda: has_seen(core, 1))
    await fanout.stop()
    assert "events could not be distributed" in caplog.text
