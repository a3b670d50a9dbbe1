"""What is SQLite's alone: a file that other processes lock, and a commit that fails."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from e2a_core.errors import StoreUnavailable
from e2a_core.store import Statement, sql
from e2a_core.store.sqlite import SqliteDatabase

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


def insert(name: str, owner: int | None = None) -> Statement:
    return sql("INSERT INTO thing (name, owner) VALUES (:name, :owner)", name=name, owner=owner)


async def names(database: SqliteDatabase) -> list[str]:
    return [row["name"] for row in await database.all(sql("SELECT name FROM thing ORDER BY name"))]


@pytest.mark.parametrize("way", ["write", "put"])
async def test_the_loop_goes_on_while_another_process_writes(
    file: Path, database: SqliteDatabase, way: str
) -> None:
    other = sqlite3.connect(file, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    waiting = asyncio.create_task(getattr(database, way)([insert("a")]))
    # Only this loop can let go of the lock: were it held up, the write would give up after its five seconds.
    assert await names(database) == []
    assert not waiting.done()
    other.execute("COMMIT")
    other.close()
    await waiting
    assert await names(database) == ["a"]


@pytest.mark.parametrize("way", ["write", "put"])
async def test_a_commit_that_fails_keeps_nothing_and_ends(database: SqliteDatabase, way: str) -> None:
    commit = getattr(database, way)
    with pytest.raises(StoreUnavailable):
        await commit([sql("PRAGMA defer_foreign_keys = ON"), insert("orphan", owner=1)])
    await commit([insert("b")])
    assert await names(database) == ["b"]
