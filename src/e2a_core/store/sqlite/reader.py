"""A connection that reads: aiosqlite's, with its thread."""

from __future__ import annotations

import asyncio
import sqlite3
from pathlib import Path
from threading import Thread

import aiosqlite

from e2a_core.errors import StoreUnavailable
from e2a_core.store.errors import UnstorableValue
from e2a_core.store.sqlite.connection import open_reader, require_storable, unavailable
from e2a_core.store.statement import Record, Statement, records

__all__ = ["Reader"]

_CHUNK_ROWS = 64
"""aiosqlite wants it for iterating over its cursors, which are not used here."""


class Reader:
    """One reading connection; made by `await Reader.open(...)`. `waiting` counts the reads not answered yet."""

    def __init__(self, connection: aiosqlite.Connection) -> None:
        self._connection = connection
        self._closed = False
        self.waiting = 0

    @classmethod
    async def open(cls, path: Path, busy_seconds: float) -> Reader:
        """Raises `StoreUnavailable` if the file cannot be opened."""
        try:
            opened = await asyncio.to_thread(open_reader, path, busy_seconds)
        except sqlite3.Error as error:
            raise unavailable(error) or error from error
        return cls(await _on_daemon_thread(opened))

    async def read(self, statement: Statement) -> list[Record]:
        """All rows. Raises `StoreUnavailable` if the database does not answer."""
        if self._closed:
            raise StoreUnavailable("the database is closed")
        require_storable(statement)
        self.waiting += 1
        try:
            rows = await self._connection.execute_fetchall(statement.sqlite, statement.params)
        except (UnicodeEncodeError, OverflowError) as error:  # lone surrogates; beyond 64 bits
            raise UnstorableValue from error
        except sqlite3.Error as error:
            raise unavailable(error) or error from error
        finally:
            self.waiting -= 1
        return records(list(rows))

    async def close(self) -> None:
        """Answer the reads under way and close."""
        self._closed = True
        await self._connection.close()


async def _on_daemon_thread(opened: sqlite3.Connection) -> aiosqlite.Connection:
    """aiosqlite over the connection.

    A process that fails without closing must end all the same, so its thread has to be a daemon: it takes after the
    thread that makes it.
    """
    made: list[aiosqlite.Connection] = []
    maker = Thread(target=lambda: made.append(aiosqlite.Connection(lambda: opened, _CHUNK_ROWS)), daemon=True)
    maker.start()
    maker.join()
    return await made[0]
