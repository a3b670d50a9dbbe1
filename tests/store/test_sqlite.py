"""What is SQLite's alone: a file that other processes lock, and a commit that fails."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from e2a_core.errors import StoreUnavailable
from e2a_core.store import Statement, sql
from e2a_core.store.sqlite.database import SHORT_GROUP_OCTETS, SqliteDatabase
from e2a_core.store.sqlite.recent import MAX_ROWS

pytestmark = pytest.mark.anyio


@pytest.fixture
async def file(tmp_path: Path) -> Path:
    path = tmp_path / "some.db"
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE owner (id INTEGER PRIMARY KEY)")
        connection.execute("CREATE TABLE thing (name TEXT, owner INTEGER REFERENCES owner (id))")
    connection.close()
    return path


@pytest.fixture
async def database(file: Path) -> AsyncIterator[SqliteDatabase]:
    opened = await SqliteDatabase.open(file, busy_seconds=5)
    try:
        yield opened
    finally:
        await opened.close()


def insert(name: str, owner: int | None = None, *, by_key: bool = True) -> Statement:
    return sql(
        "INSERT INTO thing (name, owner) VALUES (:name, :owner)", by_key=by_key, name=name, owner=owner
    )


async def names(database: SqliteDatabase) -> list[str]:
    return [row["name"] for row in await database.read(sql("SELECT name FROM thing ORDER BY name"))]


@pytest.mark.parametrize("by_key", [True, False])
async def test_the_loop_goes_on_while_another_process_writes(
    file: Path, database: SqliteDatabase, by_key: bool
) -> None:
    other = sqlite3.connect(file, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    waiting = asyncio.create_task(database.write([insert("a", by_key=by_key)]))
    # Only this loop can let go of the lock: were it held up, the write would give up after its five seconds.
    assert await names(database) == []
    assert not waiting.done()
    other.execute("COMMIT")
    other.close()
    await waiting
    assert await names(database) == ["a"]


async def test_short_writes_share_a_commit_while_they_are_short_together(database: SqliteDatabase) -> None:
    said: list[str] = []
    database._writer.connection.set_trace_callback(lambda text: said.append(text.split()[0]))
    fitting = SHORT_GROUP_OCTETS // (60 * 1024)
    await asyncio.gather(*(database.write([insert("x" * 60 * 1024)]) for _ in range(2 * fitting + 1)))
    assert said.count("COMMIT") == 3
    said.clear()
    await asyncio.gather(*(database.write([insert(str(number))]) for number in range(9)))
    assert said.count("COMMIT") == 1
    said.clear()
    writes = (database.write([insert("x" * 60 * 1024)]) for _ in range(2 * fitting))
    await asyncio.gather(*writes, database.write([insert("on the thread", by_key=False)]))
    assert said.count("COMMIT") == 1
    assert len(await names(database)) == 4 * fitting + 11


async def test_a_lookup_sees_what_another_process_committed_and_nothing_else(
    file: Path, database: SqliteDatabase
) -> None:
    every = sql("SELECT name FROM thing ORDER BY name", by_key=True)
    other = sqlite3.connect(file, isolation_level=None)
    committed: list[str] = []
    for name in "abc":
        other.execute("BEGIN IMMEDIATE")
        other.execute("INSERT INTO thing (name) VALUES (?)", [name])
        for _ in range(2):
            assert [row["name"] for row in await database.read(every)] == committed
        other.execute("COMMIT")
        committed.append(name)
        await asyncio.sleep(0)  # who hears of a commit goes on in a later turn of the loop
        assert [row.bare for row in await database.read(every)] == [(item,) for item in committed]
    other.close()


async def test_lookups_remember_a_bounded_number_of_rows(database: SqliteDatabase) -> None:
    await database.write([insert(f"{number:03}") for number in range(100)])
    for number in range(MAX_ROWS // 50):
        found = await database.read(sql("SELECT name, :n FROM thing", by_key=True, n=number))
        assert len(found) == 100
    assert database._recent.rows <= MAX_ROWS + 101


@pytest.mark.parametrize("by_key", [True, False])
async def test_a_commit_that_fails_keeps_nothing_and_ends(database: SqliteDatabase, by_key: bool) -> None:
    with pytest.raises(StoreUnavailable):
        await database.write(
            [sql("PRAGMA defer_foreign_keys = ON", by_key=by_key), insert("orphan", owner=1, by_key=by_key)]
        )
    await database.write([insert("b", by_key=by_key)])
    assert await names(database) == ["b"]


async def test_what_runs_alone_is_no_part_of_a_group(database: SqliteDatabase) -> None:
    """SQLite refuses VACUUM in a transaction, with other writes or without."""
    alone = Statement("VACUUM", {}, alone=True)
    writes = [[insert("a")], [alone], [insert("b")], [alone], [alone], [insert("c", by_key=False)]]
    await asyncio.gather(*(database.write(statements) for statements in writes))
    assert await names(database) == ["a", "b", "c"]


async def test_what_fails_alone_leaves_the_writer_as_it_was(database: SqliteDatabase) -> None:
    with pytest.raises(StoreUnavailable, match="nonsense"):
        await database.write([Statement("VACUUM nonsense", {}, alone=True)])
    await database.write([insert("a")])
    assert await names(database) == ["a"]
