"""Acknowledged means durable: seen by other processes at once, and there after a kill."""

from __future__ import annotations

import asyncio
import random
import sqlite3
import sys
from pathlib import Path

import anyio
import asyncpg
import pytest

from e2a_core.clock import SystemClock
from e2a_core.errors import StoreUnavailable
from e2a_core.store import Database, Statement, first, sql
from e2a_core.store.event_feed import EventFeed
from e2a_core.store.events import append
from e2a_core.store.open import open_database
from e2a_core.store.sqlite.database import SqliteDatabase

pytestmark = pytest.mark.anyio

CLOCK = SystemClock()


def put(key: str) -> Statement:
    return sql("INSERT INTO meta (key, value) VALUES (:key, 'v')", key=key)


WRITER = """
import asyncio, sys
from e2a_core.clock import SystemClock
from e2a_core.store import sql
from e2a_core.store.open import open_database

async def main(url, name):
    database = await open_database(url, clock=SystemClock(), migration_mode="skip")
    async def write(lane):
        n = 0
        while True:
            key = f"{name}-{lane}-{n}"
            await database.write([sql("INSERT INTO meta VALUES (:key, 'v')", key=key + half) for half in "ab"])
            print(key, flush=True)
            n += 1
    await asyncio.gather(*map(write, range(5)))

asyncio.run(main(*sys.argv[1:]))
"""


async def test_what_a_killed_process_acknowledged_is_there(database: Database, database_url: str) -> None:
    for round_ in range(4):
        writer = await asyncio.create_subprocess_exec(
            sys.executable, "-c", WRITER, database_url, f"r{round_}", stdout=asyncio.subprocess.PIPE
        )
        assert writer.stdout is not None
        with anyio.fail_after(30):
            acknowledged = [await writer.stdout.readline() for _ in range(random.randint(1, 60))]
            key = acknowledged[-1].decode().strip()
            assert first(
                await database.read(sql("SELECT 1 AS found FROM meta WHERE key = :key", key=f"{key}a"))
            )
            writer.kill()
            acknowledged += (await writer.stdout.read()).splitlines()
            await writer.wait()
        rows = await database.read(sql("SELECT key FROM meta WHERE key LIKE :prefix", prefix=f"r{round_}-%"))
        kept = {row["key"] for row in rows}
        assert {f"{line.decode().strip()}{half}" for line in acknowledged for half in "ab"} <= kept
        assert {key[:-1] for key in kept if key.endswith("a")} == {
            key[:-1] for key in kept if key.endswith("b")
        }


async def test_a_lock_held_too_long_is_an_outage_and_keeps_nothing(tmp_path: Path) -> None:
    path = tmp_path / "e2a.db"
    await (await open_database(f"sqlite:///{path}", clock=CLOCK)).close()
    database = await SqliteDatabase.open(path, busy_seconds=0.1)
    holder = sqlite3.connect(path, isolation_level=None)
    holder.execute("BEGIN IMMEDIATE")
    outcomes = await asyncio.gather(
        *(database.write([put(f"k{n}")]) for n in range(3)), return_exceptions=True
    )
    assert [type(outcome) for outcome in outcomes] == [StoreUnavailable] * 3
    with pytest.raises(StoreUnavailable):
        async with database.transaction():
            pass
    assert first(await database.read(sql("SELECT key FROM meta"))) is None
    holder.execute("ROLLBACK")
    holder.close()
    await database.write([put("after")])
    assert await database.read(sql("SELECT key FROM meta")) == [{"key": "after"}]
    await database.close()


async def test_concurrent_writes_share_commits(tmp_path: Path) -> None:
    database = await open_database(f"sqlite:///{tmp_path / 'e2a.db'}", clock=CLOCK)
    commits: list[None] = []
    database.on_commit(lambda: commits.append(None))
    await asyncio.gather(*(database.write([put(f"k{n}")]) for n in range(100)))
    assert len(commits) <= 4
    await database.close()


@pytest.mark.parametrize("database_kind", ["postgresql"])
async def test_lost_connections_are_an_outage_and_heal(database: Database, database_url: str) -> None:
    await database.write(
        [sql("INSERT INTO accounts (id, email, created_at) VALUES ('ann', 'ann@example.org', 1)")]
    )
    feed = EventFeed(database)
    await feed.start()
    async with feed.subscribe() as events:
        other = await asyncpg.connect(database_url)
        await other.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )
        await other.close()
        with anyio.fail_after(15):
            healed = False
            while not healed:
                try:
                    await database.write(
                        append(id="e", account_id="ann", type="t", data={}, created_at=CLOCK.now())
                    )
                    healed = True
                except StoreUnavailable:
                    continue
            assert (await anext(events)).id == "e"
            replica = await open_database(database_url, clock=CLOCK)
            await replica.write(append(id="f", account_id="ann", type="t", data={}, created_at=CLOCK.now()))
            assert (await anext(events)).id == "f"
            await replica.close()
    await feed.close()


@pytest.mark.parametrize("database_kind", ["postgresql"])
async def test_the_victim_of_a_deadlock_runs_again(database: Database) -> None:
    await database.write([put("a"), put("b")])
    both = [sql("UPDATE meta SET value = value || 'x' WHERE key = :key", key=key) for key in "ab"]
    slow = sql("SELECT 1", postgresql="SELECT pg_sleep(0.3)")
    await asyncio.gather(
        database.write([both[0], slow, both[1]]),
        database.write([both[1], slow, both[0]]),
    )
    assert {row["value"] for row in await database.read(sql("SELECT value FROM meta"))} == {"vxx"}


async def test_reading_one_row_keeps_no_snapshot(tmp_path: Path) -> None:
    path = tmp_path / "e2a.db"
    database = await open_database(f"sqlite:///{path}", clock=CLOCK)
    await database.write([put(f"k{n}") for n in range(10)])
    assert first(await database.read(sql("SELECT key FROM meta"))) is not None
    await database.write([put("later")])
    checker = sqlite3.connect(path)
    busy, log, checkpointed = checker.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
    checker.close()
    assert (busy, log, checkpointed) == (0, 0, 0)
    await database.close()
