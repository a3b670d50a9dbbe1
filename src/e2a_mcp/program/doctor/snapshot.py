"""Reads a SQLite database without changing anything beside it, also while another process writes to it."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

from e2a_core.clock import Clock
from e2a_core.store.statement import Record, Statement, records

__all__ = ["Snapshot", "open_snapshot"]

WAIT_SECONDS = 5.0
INTEGRITY_SECONDS = 20.0
"""A person waits for it. What is larger than fits in this time is checked in part."""
STEPS_BETWEEN_LOOKS = 100_000
REPORTED_FAULTS = 3


class Snapshot:
    """One connection that cannot write. Methods raise `sqlite3.Error`."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    async def read(self, statement: Statement, /) -> Sequence[Record]:
        return await asyncio.to_thread(self._read, statement)

    async def faults(self, clock: Clock) -> list[str] | None:
        """The first faults that SQLite finds in the file; None if there was no time to look at all of it."""
        return await asyncio.to_thread(self._faults, clock)

    def _read(self, statement: Statement) -> Sequence[Record]:
        return records(self._connection.execute(statement.sqlite, statement.params).fetchall())

    def _faults(self, clock: Clock) -> list[str] | None:
        until = clock.monotonic() + INTEGRITY_SECONDS
        self._connection.set_progress_handler(lambda: clock.monotonic() > until, STEPS_BETWEEN_LOOKS)
        try:
            rows = self._connection.execute(f"PRAGMA integrity_check({REPORTED_FAULTS})").fetchall()
        except sqlite3.OperationalError as problem:
            if problem.sqlite_errorcode == sqlite3.SQLITE_INTERRUPT:
                return None
            raise
        finally:
            self._connection.set_progress_handler(None, 0)
        return [str(row[0]) for row in rows if row[0] != "ok"]


@asynccontextmanager
async def open_snapshot(path: Path) -> AsyncIterator[Snapshot]:
    """Opens the database for reading. Raises `sqlite3.Error`.

    A log beside the file belongs to a process that runs or was killed, and is read along. Without one nothing else has
    the file open, and SQLite is told so: else it would make a log in order to read.
    """
    connection = await asyncio.to_thread(_opened, path)
    try:
        yield Snapshot(connection)
    finally:
        await asyncio.to_thread(connection.close)


def _opened(path: Path) -> sqlite3.Connection:
    log = path.with_name(f"{path.name}-wal")
    mode = "mode=ro" if log.exists() else "mode=ro&immutable=1"
    connection = sqlite3.connect(
        f"{path.absolute().as_uri()}?{mode}",
        timeout=WAIT_SECONDS,
        uri=True,
        isolation_level=None,
        check_same_thread=False,
    )
    connection.row_factory = sqlite3.Row
    return connection
