"""The event log and its feed: order, completeness, filters, replay, slow and many subscribers, both databases."""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime

import anyio
import pytest

from e2a_core.clock import SystemClock
from e2a_core.errors import StoreUnavailable
from e2a_core.store import Database, Statement, event_feed, sql
from e2a_core.store.event_feed import RECENT_EVENTS, EventFeed, Subscription
from e2a_core.store.events import EventRecord, append
from e2a_core.store.open import open_database
from e2a_core.store.statement import Record

pytestmark = pytest.mark.anyio

AT = datetime(2026, 3, 1, 12, 0, 0, 123456, tzinfo=UTC)


def account(name: str) -> Statement:
    return sql(
        "INSERT INTO accounts (id, email, created_at) VALUES (:id, :email, 1)",
        id=name,
        email=f"{name}@example.org",
    )


def event(
    id: str, *, account_id: str = "ann", type: str = "email.received", agent: str | None = None
) -> list[Statement]:
    return append(
        id=id,
        account_id=account_id,
        type=type,
        data={"n": id, "subject": "Grüße"},
        created_at=AT,
        agent_email=agent,
    )


async def take(events: Subscription, count: int) -> list[EventRecord]:
    with anyio.fail_after(15):
        return [await anext(events) for _ in range(count)]


@pytest.fixture
async def store(database: Database) -> Database:
    await database.write([account("ann"), account("bob")])
    return database


@pytest.fixture
async def feed(store: Database) -> AsyncIterator[EventFeed]:
    opened = EventFeed(store)
    await opened.start()
    yield opened
    await opened.close()


async def test_an_event_comes_back_as_it_was_appended(store: Database, feed: EventFeed) -> None:
    async with feed.subscribe() as events:
        await store.write(
            append(
                id="evt_1",
                account_id="ann",
                type="email.sent",
                data={"to": ["a@b"], "text": "Grüße \U0001f4e7"},
                created_at=AT,
                agent_email="x@y",
                conversation_id="conv_1",
                message_id="msg_1",
            )
        )
        (got,) = await take(events, 1)
    assert got == EventRecord(
        position=got.position,
        id="evt_1",
        account_id="ann",
        type="email.sent",
        agent_email="x@y",
        conversation_id="conv_1",
        message_id="msg_1",
        text=got.text,
        created_at=AT,
    )
    assert got.data == {"to": ["a@b"], "text": "Grüße \U0001f4e7"}


async def test_an_id_is_appended_once(store: Database, feed: EventFeed) -> None:
    async with feed.subscribe() as events:
        for id in ("evt_1", "evt_1", "evt_2"):
            await store.write(event(id))
        assert [got.id for got in await take(events, 2)] == ["evt_1", "evt_2"]


async def test_only_matching_events_arrive(store: Database, feed: EventFeed) -> None:
    async with (
        feed.subscribe(account_id="bob") as of_bob,
        feed.subscribe(agent_email="x@y") as of_agent,
        feed.subscribe(types={"email.sent"}) as of_type,
        feed.subscribe(types=(), after=0) as of_nothing,
    ):
        await store.write(event("a"))
        await store.write(event("b", account_id="bob"))
        await store.write(event("c", agent="x@y"))
        await store.write(event("d", type="email.sent"))
        assert [got.id for got in await take(of_bob, 1)] == ["b"]
        assert [got.id for got in await take(of_agent, 1)] == ["c"]
        assert [got.id for got in await take(of_type, 1)] == ["d"]
        with anyio.move_on_after(0.2) as scope:
            await anext(of_nothing)
        assert scope.cancelled_caught


async def test_replay_reads_the_table_and_goes_on_live(store: Database, feed: EventFeed) -> None:
    await store.write([statement for n in range(450) for statement in event(f"old{n:03}")])
    await store.write(event("other", account_id="bob"))
    start = await feed.now()
    async with (
        feed.subscribe(account_id="ann", after=0) as events,
        feed.subscribe(after=start.position) as newer,
    ):
        assert [got.id for got in await take(events, 450)] == [f"old{n:03}" for n in range(450)]
        await store.write(event("new"))
        assert [got.id for got in await take(events, 1)] == ["new"]
        # A transaction that runs elsewhere in the server puts events of before behind the position too.
        while not start.follows(got := (await take(newer, 1))[0]):
            pass
        assert got.id == "new"


async def test_a_slow_subscriber_misses_nothing_and_costs_no_memory(store: Database, feed: EventFeed) -> None:
    total = RECENT_EVENTS * 2 + 100
    async with feed.subscribe() as slow, feed.subscribe() as quick:
        for first in range(0, total, 100):
            count = min(100, total - first)
            await store.write([s for n in range(first, first + count) for s in event(f"e{n:05}")])
            await take(quick, count)
        assert len(feed._recent) == RECENT_EVENTS
        assert [got.id for got in await take(slow, total)] == [f"e{n:05}" for n in range(total)]
        seqs = [row["seq"] for row in await store.read(sql("SELECT seq FROM events ORDER BY seq"))]
        assert len(seqs) == total


async def test_many_subscribers_share_one_reader(store: Database, feed: EventFeed) -> None:
    async def read(events: Subscription) -> None:
        assert [got.id for got in await take(events, 3)] == ["a", "b", "c"]

    subscriptions = [feed.subscribe() for _ in range(200)]
    for subscription in subscriptions:
        await subscription.__aenter__()
    async with anyio.create_task_group() as group:
        for subscription in subscriptions:
            group.start_soon(read, subscription)
        for id in "abc":
            await store.write(event(id))


async def test_a_feed_resumes_after_a_time_without_subscribers(store: Database, feed: EventFeed) -> None:
    async with feed.subscribe() as events:
        await store.write(event("a"))
        await take(events, 1)
    await store.write(event("unseen"))
    async with feed.subscribe() as events:
        await store.write(event("b"))
        assert [got.id for got in await take(events, 1)] == ["b"]


async def test_a_database_that_fails_during_a_catch_up_is_waited_for(
    store: Database, feed: EventFeed, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(event_feed, "RETRY_SECONDS", 0.01)
    failures = [StoreUnavailable("gone"), StoreUnavailable("still gone")]
    reading = store.read

    async def failing(statement: Statement) -> Sequence[Record]:
        if failures:
            raise failures.pop()
        return await reading(statement)

    await store.write(event("a"))
    await store.write(event("b"))
    async with feed.subscribe(after=0) as events:
        monkeypatch.setattr(store, "read", failing)
        assert [got.id for got in await take(events, 2)] == ["a", "b"]
    assert failures == []


async def test_closing_ends_iteration(feed: EventFeed) -> None:
    async with feed.subscribe() as events, anyio.create_task_group() as group:
        with anyio.fail_after(5):
            group.start_soon(feed.close)
            assert [got async for got in events] == []


@pytest.mark.parametrize("database_kind", ["postgresql"], indirect=True)
async def test_what_was_committed_before_is_not_new_though_an_older_transaction_runs(
    store: Database, feed: EventFeed
) -> None:
    older = store.transaction()
    writing = await older.__aenter__()
    await writing.write(event("older"))
    await store.write(event("before"))
    async with feed.subscribe() as events:
        await store.write(event("after"))
        await older.__aexit__(None, None, None)
        assert {got.id for got in await take(events, 2)} == {"older", "after"}


async def test_local_events_arrive_within_milliseconds(store: Database, feed: EventFeed) -> None:
    waits = []
    async with feed.subscribe() as events:
        for n in range(20):
            arrival = asyncio.ensure_future(anext(events))
            await anyio.sleep(0.01)
            await store.write(event(f"e{n}"))
            committed = time.perf_counter()
            with anyio.fail_after(5):
                await arrival
            waits.append(time.perf_counter() - committed)
    assert sorted(waits)[len(waits) // 2] < 0.05


WRITER = """
import asyncio, sys
from e2a_core.clock import SystemClock
from e2a_core.store.events import append
from e2a_core.store.open import open_database

async def main(url, name):
    database = await open_database(url, clock=SystemClock(), migration_mode="skip")
    async def write(lane):
        for n in range(25):
            await database.write(append(id=f"{name}{lane}-{n}", account_id="ann", type="t", data={},
                                        created_at=SystemClock().now()))
    await asyncio.gather(*map(write, range(4)))
    await database.close()

asyncio.run(main(*sys.argv[1:]))
"""


async def test_writers_in_other_processes_are_seen_whole_and_in_order(
    store: Database, feed: EventFeed, database_url: str
) -> None:
    async with feed.subscribe() as events:
        processes = [
            await asyncio.create_subprocess_exec(sys.executable, "-c", WRITER, database_url, name)
            for name in "pq"
        ]
        got = await take(events, 200)
        assert [await process.wait() for process in processes] == [0, 0]
    assert [g.position for g in got] == sorted({g.position for g in got})
    assert {g.id for g in got} == {f"{p}{lane}-{n}" for p in "pq" for lane in range(4) for n in range(25)}
    for lane in (f"{p}{lane}-" for p in "pq" for lane in range(4)):
        assert [g.id for g in got if g.id.startswith(lane)] == [f"{lane}{n}" for n in range(25)]


@pytest.mark.parametrize("database_kind", ["postgresql"], indirect=True)
async def test_no_event_is_passed_while_an_older_transaction_runs(store: Database, feed: EventFeed) -> None:
    async with feed.subscribe() as events:
        async with store.transaction() as older:
            await older.write(event("older"))
            await store.write(event("newer"))
            with anyio.move_on_after(0.3) as scope:
                await anext(events)
            assert scope.cancelled_caught
        assert [got.id for got in await take(events, 2)] == ["older", "newer"]


@pytest.mark.parametrize("database_kind", ["postgresql"], indirect=True)
async def test_appending_waits_for_no_other_writer(store: Database) -> None:
    with anyio.fail_after(10):
        async with store.transaction() as one, store.transaction() as other:
            await one.write(event("a"))
            await other.write(event("b"))


async def test_another_process_wakes_the_feed_soon(
    store: Database, feed: EventFeed, database_url: str
) -> None:
    other = await open_database(database_url, clock=SystemClock())
    try:
        async with feed.subscribe() as events:
            await other.write(event("warm"))
            await take(events, 1)
            waits = []
            for n in range(5):
                await other.write(event(f"e{n}"))
                committed = time.perf_counter()
                await take(events, 1)
                waits.append(time.perf_counter() - committed)
        assert min(waits) < 0.5
    finally:
        await other.close()
