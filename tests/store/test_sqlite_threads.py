"""The threads of SQLite connections end with whoever asked for them."""

from __future__ import annotations

import asyncio
import sqlite3
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from e2a_core.store.sqlite.writer import Writer

pytestmark = pytest.mark.anyio

FORGETFUL = """
import asyncio, sys
from pathlib import Path
from e2a_core.store import sql
from e2a_core.store.sqlite.database import SqliteDatabase

async def main():
    global database
    database = await SqliteDatabase.open(Path(sys.argv[1]))
    await database.write([sql("CREATE TABLE thing (name TEXT)")])
    print(await database.read(sql("SELECT 1 AS one")))

asyncio.run(main())
"""


async def test_an_opening_that_is_cancelled_leaves_no_thread_behind(tmp_path: Path) -> None:
    started = threading.Event()

    def slow_connection(path: Path, busy_seconds: float) -> sqlite3.Connection:
        started.set()
        time.sleep(0.05)
        return sqlite3.connect(path, check_same_thread=False)

    await asyncio.to_thread(int)  # the executor's own thread stays
    before = set(threading.enumerate())
    opening = asyncio.create_task(Writer.open(tmp_path / "some.db", 1.0, slow_connection))
    assert await asyncio.to_thread(started.wait, 5)
    opening.cancel()
    with pytest.raises(asyncio.CancelledError):
        await opening
    assert set(threading.enumerate()) == before


def test_a_process_that_never_closes_its_database_ends(tmp_path: Path) -> None:
    command = [sys.executable, "-c", FORGETFUL, str(tmp_path / "some.db")]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=30, check=True)
    assert "{'one': 1}" in ended.stdout
