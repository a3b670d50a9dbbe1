"""`Database` over one SQLite file, shared by any number of processes.

One connection writes, a few read, each on its own thread. Statements by key run on the event loop itself: in WAL mode
a reader waits for nobody, and a look at an index takes less time than asking a thread for it. So do short writes while
no other process writes, and only their commit goes to the writer's thread: two threads that hand the interpreter lock
back and forth for each statement take three times as long. Concurrent writes are committed together: the sync to disk,
which dominates a commit, is paid once.
"""

from __future__ import annotations

import asyncio
import sqlite3
from bisect import bisect_right
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from functools import partial
from itertools import accumulate
from math import inf
from operator import attrgetter
from pathlib import Path
from typing import TypeVar, overload

from anyio import CancelScope

from e2a_core.errors import StoreUnavailable
from e2a_core.store.listeners import CommitListeners
from e2a_core.store.sqlite import connection as on_thread
from e2a_core.store.sqlite.reader import Reader
from e2a_core.store.sqlite.recent import RecentReads
from e2a_core.store.sqlite.writer import Writer
from e2a_core.store.statement import Dialect, Record, Result, Statement, sql

__all__ = ["SHORT_GROUP_OCTETS", "SqliteDatabase"]

READERS = 3
"""Reads wait for the disk in parallel; beyond a few they only wait for the interpreter lock."""

GROUP_LIMIT = 128
"""Units per commit: bounds how long other processes wait for the write lock."""

BUSY_SECONDS = 10.0
"""How long to wait for another process's write; a group commit lasts milliseconds, so after 10 s it hangs."""

SHORT_OCTETS = 64 * 1024
"""What a write on the event loop may store: making it searchable takes a millisecond for each 16 KiB."""

SHORT_GROUP_OCTETS = 256 * 1024
"""What all writes of one commit on the event loop may store: some twenty messages of 4 KiB each."""

POLL_SECONDS = 0.1
"""How often commits of other processes are looked for while somebody listens."""

_DATA_VERSION = sql("PRAGMA data_version")

_Outcome = TypeVar("_Outcome")
_waiting = attrgetter("waiting")


@dataclass(frozen=True, slots=True)
class _Unit:
    """One write that waits for its commit; `octets` is about what it stores, infinite where it is not all by key."""

    statements: Sequence[Statement]
    acknowledged: asyncio.Future[Sequence[Result]]
    octets: float

    @property
    def alone(self) -> bool:
        return any(statement.alone for statement in self.statements)

    @property
    def short(self) -> bool:
        """Whether it need not leave the event loop to be run."""
        return self.octets <= SHORT_OCTETS


class SqliteDatabase:
    """One open SQLite file; made by `await SqliteDatabase.open(path)` on a running asyncio loop."""

    dialect: Dialect = "sqlite"

    def __init__(self, path: Path, writer: Writer, near: sqlite3.Connection, busy_seconds: float) -> None:
        self._open_reader = partial(Reader.open, path, busy_seconds)
        self._writer = writer
        self._near = near
        self._recent = RecentReads(near)
        self._write_lock = asyncio.Lock()
        self._pending: list[_Unit] = []
        self._flusher: asyncio.Task[None] | None = None
        self._readers: list[Reader] = []
        self._opening = asyncio.Lock()
        self._watcher: Reader | None = None
        self._listeners = CommitListeners(self._follow_other_processes)
        self._closed = False

    @classmethod
    async def open(cls, path: Path, *, busy_seconds: float = BUSY_SECONDS) -> SqliteDatabase:
        """Open or create the file. Raises `StoreUnavailable` when that is impossible."""
        try:
            writer = await Writer.open(path, busy_seconds)
        except (sqlite3.Error, StoreUnavailable) as error:
            raise StoreUnavailable(f"cannot open the database {path}: {error}") from error
        try:
            near = on_thread.open_reader(path, busy_seconds=0)  # the event loop must not wait for a lock
        except sqlite3.Error as error:
            await writer.close()
            raise StoreUnavailable(f"cannot read the database {path}: {error}") from error
        return cls(path, writer, near, busy_seconds)

    @overload
    async def read(self, statements: Statement) -> Sequence[Record]: ...

    @overload
    async def read(self, statements: Sequence[Statement]) -> Sequence[Sequence[Record]]: ...

    async def read(
        self, statements: Statement | Sequence[Statement]
    ) -> Sequence[Record] | Sequence[Sequence[Record]]:
        if isinstance(statements, Statement):
            [rows] = await self._read([statements])
            return rows
        return await self._read(statements)

    async def _read(self, statements: Sequence[Statement]) -> Sequence[Sequence[Record]]:
        self._check_open()
        if all(statement.by_key for statement in statements):
            # A thread may wait for whoever has locked the file, and says what is wrong with a statement.
            with suppress(sqlite3.Error):
                return self._recent.read(statements)
        reader = await self._reader()
        return [await reader.read(statement) for statement in statements]

    async def write(self, statements: Sequence[Statement]) -> Sequence[Result]:
        self._check_open()
        acknowledged: asyncio.Future[Sequence[Result]] = asyncio.get_running_loop().create_future()
        self._pending.append(_Unit(statements, acknowledged, _octets(statements)))
        if self._flusher is None:
            self._flusher = asyncio.create_task(self._flush(), name="sqlite group commit")
        return await acknowledged

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[SqliteTransaction]:
        self._check_open()
        async with self._write_lock:
            try:
                await self._writer.run(on_thread.begin)
                yield SqliteTransaction(self._writer)
                with CancelScope(shield=True):  # a commit under way cannot be called back
                    await self._writer.run(on_thread.commit)
            except BaseException:
                with CancelScope(shield=True):
                    await self._writer.run(on_thread.rollback)
                raise
        self._listeners.notify()

    def on_commit(self, listener: Callable[[], None]) -> Callable[[], None]:
        return self._listeners.add(listener)

    async def close(self) -> None:
        if self._closed:
            return
        self._closed = True
        await self._listeners.close()
        if self._flusher is not None:
            await asyncio.wait([self._flusher])
        self._near.close()
        async with self._write_lock:
            await self._writer.close()
        async with self._opening:
            for reader in filter(None, (*self._readers, self._watcher)):
                await reader.close()

    async def _reader(self) -> Reader:
        """The least busy one; reads queue there, since a thread handed the next by the loop would idle between."""
        reader = min(self._readers, key=_waiting, default=None)
        if reader is not None and (not reader.waiting or len(self._readers) == READERS):
            return reader
        async with self._opening:
            self._check_open()
            if len(self._readers) < READERS:
                self._readers.append(await self._open_reader())
        return min(self._readers, key=_waiting)

    def _check_open(self) -> None:
        if self._closed:
            raise StoreUnavailable("the database is closed")

    async def _flush(self) -> None:
        """Commit what is pending, group by group, until nothing is."""
        try:
            while self._pending:
                async with self._write_lock:
                    group = self._next_group()
                    await self._commit([unit for unit in group if not unit.acknowledged.cancelled()])
        finally:
            self._flusher = None

    def _next_group(self) -> Sequence[_Unit]:
        """The next to be committed together; of short writes only as many as are short together."""
        group = self._pending[:GROUP_LIMIT]
        alone = [unit.alone for unit in group]
        if any(alone):
            group = group[: alone.index(True) or 1]
        if all(unit.short for unit in group):
            totals = list(accumulate(unit.octets for unit in group))
            group = group[: bisect_right(totals, SHORT_GROUP_OCTETS)]
        self._pending = self._pending[len(group) :]
        return group

    async def _commit(self, group: Sequence[_Unit]) -> None:
        if not group:
            return
        outcomes: list[on_thread.Outcome] = [StoreUnavailable("the commit was interrupted") for _ in group]
        try:
            outcomes = await self._committed(group)
        except sqlite3.Error as error:
            outcomes = [StoreUnavailable(f"the commit failed: {error}") for _ in group]
        except StoreUnavailable as error:
            outcomes = [StoreUnavailable(error.message) for _ in group]
        finally:
            for unit, outcome in zip(group, outcomes, strict=True):
                _settle(unit.acknowledged, outcome)
        self._listeners.notify()

    async def _committed(self, group: Sequence[_Unit]) -> list[on_thread.Outcome]:
        if group[0].alone:
            return [await self._writer.run(on_thread.run_alone, group[0].statements)]
        units = [unit.statements for unit in group]
        if all(unit.short for unit in group):
            try:
                outcomes = on_thread.run_group(self._writer.connection, units, on_thread.begin_at_once)
            except sqlite3.Error as error:
                if not on_thread.unavailable(error):
                    raise
                # Mostly another process that writes; on its thread the writer may wait for it.
            else:
                await self._writer.run(on_thread.commit)
                return outcomes
        return await self._writer.run(on_thread.commit_group, units)

    async def _follow_other_processes(self) -> None:
        """Tell the listeners of commits by other connections; SQLite has no better sign than a changed number."""
        seen = None  # so the first look tells too: of commits between the registration and this look
        while True:
            with suppress(StoreUnavailable):
                self._watcher = self._watcher or await self._open_reader()
                [version] = await self._watcher.read(_DATA_VERSION)
                if version != seen:
                    self._listeners.notify()
                seen = version
            await asyncio.sleep(POLL_SECONDS)


class SqliteTransaction:
    """The open write transaction of one `SqliteDatabase`."""

    def __init__(self, writer: Writer) -> None:
        self._writer = writer

    async def read(self, statement: Statement) -> Sequence[Record]:
        return await self._writer.run(on_thread.read, statement)

    async def write(self, statements: Sequence[Statement]) -> Sequence[Result]:
        return await self._writer.run(on_thread.run, statements)


def _octets(statements: Sequence[Statement]) -> float:
    """About what the statements store; infinite where one of them may touch any number of rows."""
    octets = 0
    for statement in statements:
        if not statement.by_key:
            return inf
        for value in statement.params.values():
            if type(value) is str or type(value) is bytes:
                octets += len(value)
    return octets


def _settle(future: asyncio.Future[_Outcome], outcome: _Outcome | Exception) -> None:
    if future.cancelled():
        return
    if isinstance(outcome, Exception):
        future.set_exception(outcome)
    else:
        future.set_result(outcome)
