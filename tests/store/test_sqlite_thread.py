"""The threads of SQLite connections end with whoever asked for them."""

from __future__ import annotations

import asyncio
import sqlite3
import threading
import time

import pytest

from e2a_core.store.sqlite.thread import SqliteThread

pytestmark = pytest.mark.anyio


def slow_connection(started: threading.Event) -> sqlite3.Connection:
    started.set()
    time.sleep(0.05)
    return sqlite3.connect(":memory:", check_same_thread=False)


async def test_an_opening_that_is_cancelled_leaves_no_thread_behind() -> None:
    await asyncio.to_thread(int)  # the executor's own thread stays
    before = set(threading.enumerate())
    started = threading.Event()
    opening = asyncio.create_task(SqliteThread.open(slow_connection, started))
    assert await asyncio.to_thread(started.wait, 5)
    opening.cancel()
    with pytest.raises(asyncio.CancelledError):
        await opening
    assert set(threading.enumerate()) == before
