"""`Database` over PostgreSQL, for deployments of several replicas.

Imports asyncpg, an optional dependency: only `open` imports this module, and only for a PostgreSQL URL.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from decimal import Decimal
from typing import overload

import asyncpg
from anyio import CancelScope, move_on_after

from e2a_core.errors import SettingsError, StoreUnavailable
from e2a_core.store.listeners import CommitListeners
from e2a_core.store.postgresql.errors import translated_errors
from e2a_core.store.postgresql.notifier import Notifier
from e2a_core.store.postgresql.text import translate
from e2a_core.store.statement import Dialect, Record, Result, StaleWrite, Statement, records

__all__ = ["CHANNEL", "PostgresqlDatabase"]

CHANNEL = "e2a_events"
"""A process notifies it after commits that others wait for."""

POOL_SIZE = 10
"""Connections per replica: more than the writers that can be busy at once on one core, few enough for the default
limit of 100 connections to carry several replicas."""

CONNECT_SECONDS = 10.0
COMMAND_SECONDS = 30.0
ROLLBACK_SECONDS = 5.0
ATTEMPTS = 3
"""A deadlock's victim runs again: its statements are values, and nothing of the first attempt was kept."""

POLL_SECONDS = 0.1
"""Listeners look this often without a notification: one may be lost with its process, and an event may become readable
only when an older transaction ends."""

RECONNECT_SECONDS = 1.0


class PostgresqlDatabase:
    """A pool of connections; made by `await PostgresqlDatabase.open(url)`."""

    dialect: Dialect = "postgresql"

    def __init__(self, url: str) -> None:
        self._url = url
        self._pool: asyncpg.Pool = asyncpg.create_pool(
            url,
            min_size=1,
            max_size=POOL_SIZE,
            timeout=CONNECT_SECONDS,
            command_timeout=COMMAND_SECONDS,
            init=self._prepare_connection,
            reset=_keep_as_is,
        )
        self._own_backends: set[int] = set()
        self._listeners = CommitListeners(self._follow_other_processes)
        self._notifier = Notifier(self._notify)
        self._closed = False
        self._users = 0
        self._unused = asyncio.Event()

    @classmethod
    async def open(cls, url: str) -> PostgresqlDatabase:
        """Connect. Raises `SettingsError` for a URL the server refuses, `StoreUnavailable` when none answers."""
        try:
            database = cls(url)
            with translated_errors():
                await database._pool
        except (
            ValueError,
            asyncpg.InvalidAuthorizationSpecificationError,
            asyncpg.InvalidCatalogNameError,
        ) as error:
            raise SettingsError(f"E2A_DATABASE_URL cannot be used: {error}") from error
        return database

    @overload
    async def read(self, statements: Statement) -> Sequence[Record]: ...

    @overload
    async def read(self, statements: Sequence[Statement]) -> Sequence[Sequence[Record]]: ...

    async def read(
        self, statements: Statement | Sequence[Statement]
    ) -> Sequence[Record] | Sequence[Sequence[Record]]:
        async with self._connection() as connection:
            reading = PostgresqlTransaction(connection)
            if isinstance(statements, Statement):
                return await reading.read(statements)
            return [await reading.read(statement) for statement in statements]

    async def write(self, statements: Sequence[Statement]) -> Sequence[Result]:
        for attempt in range(1, ATTEMPTS + 1):
            try:
                if len(statements) == 1 and statements[0].expect is None:
                    return await self._write_alone(statements[0])
                async with self.transaction() as transaction:
                    return await transaction.write(statements)
            except StoreUnavailable as error:
                if attempt == ATTEMPTS or not isinstance(error.__cause__, asyncpg.TransactionRollbackError):
                    raise
        raise AssertionError("unreachable")

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[PostgresqlTransaction]:
        async with self._connection() as connection:
            try:
                with translated_errors():
                    await connection.execute("BEGIN")
                transaction = PostgresqlTransaction(connection)
                yield transaction
                with (
                    translated_errors(),
                    CancelScope(shield=True),
                ):  # a commit under way cannot be called back
                    await connection.execute("COMMIT")
            except BaseException:
                await _roll_back(connection)
                raise
        self._committed(transaction.wakes)

    async def _write_alone(self, statement: Statement) -> Sequence[Result]:
        """A statement is a transaction of its own, without the way to the server and back for BEGIN and COMMIT."""
        async with self._connection() as connection:
            with CancelScope(shield=True), translated_errors():
                result = await _execute(connection, statement)
        self._committed(statement.wakes)
        return [result]

    def _committed(self, wakes: bool) -> None:
        self._listeners.notify()
        if wakes:
            self._notifier.request()

    def on_commit(self, listener: Callable[[], None]) -> Callable[[], None]:
        return self._listeners.add(listener)

    async def close(self) -> None:
        if self._closed:
            return
        self._closed = True
        await self._listeners.close()
        await self._notifier.close()
        with move_on_after(COMMAND_SECONDS):
            while self._users:
                self._unused.clear()
                await self._unused.wait()
        with move_on_after(ROLLBACK_SECONDS, shield=True):
            await self._pool.close()
        self._pool.terminate()

    @asynccontextmanager
    async def _connection(self) -> AsyncIterator[asyncpg.Connection]:
        if self._closed:
            raise StoreUnavailable("the database is closed")
        self._users += 1
        try:
            with translated_errors():
                connection = await self._pool.acquire(timeout=CONNECT_SECONDS)
            try:
                yield connection
            finally:
                with CancelScope(shield=True):
                    await self._pool.release(connection)
        finally:
            self._users -= 1
            if self._users == 0:
                self._unused.set()

    async def _prepare_connection(self, connection: asyncpg.Connection) -> None:
        # SUM of BIGINT is NUMERIC here and an integer on SQLite.
        await connection.set_type_codec(
            "numeric", schema="pg_catalog", encoder=str, decoder=_number, format="text"
        )
        backend = connection.get_server_pid()
        self._own_backends.add(backend)
        connection.add_termination_listener(lambda _: self._own_backends.discard(backend))

    async def _follow_other_processes(self) -> None:
        """Tell the listeners of other replicas' commits; by polling while notifications cannot be received."""
        while True:
            try:
                with translated_errors():
                    await self._listen()
            except StoreUnavailable:
                self._listeners.notify()
                await asyncio.sleep(RECONNECT_SECONDS)

    async def _listen(self) -> None:
        connection = await asyncpg.connect(self._url, timeout=CONNECT_SECONDS)
        try:
            await connection.add_listener(CHANNEL, self._on_notification)
            while True:
                self._listeners.notify()
                await asyncio.sleep(POLL_SECONDS)
                if connection.is_closed():
                    raise StoreUnavailable("the connection for notifications was lost")
        finally:
            connection.terminate()

    async def _notify(self) -> None:
        """Tell the other processes of commits, in a transaction of its own: its lock is every notifier's."""
        async with self._connection() as connection:
            with translated_errors():
                await connection.execute(f"NOTIFY {CHANNEL}")

    def _on_notification(self, _connection: object, backend: int, _channel: str, _payload: object) -> None:
        if backend not in self._own_backends:
            self._listeners.notify()


class PostgresqlTransaction:
    """What a connection may be asked, in a transaction and out of one. `wakes` says that others wait for its writes."""

    def __init__(self, connection: asyncpg.Connection) -> None:
        self._connection = connection
        self.wakes = False

    async def read(self, statement: Statement) -> Sequence[Record]:
        translated = translate(statement.text("postgresql"))
        with translated_errors():
            rows = await self._connection.fetch(translated.text, *translated.arguments(statement.params))
        return records(rows)

    async def write(self, statements: Sequence[Statement]) -> Sequence[Result]:
        results = []
        for index, statement in enumerate(statements):
            with translated_errors():
                result = await _execute(self._connection, statement)
            if statement.expect is not None and result.rowcount != statement.expect:
                raise StaleWrite(index, result.rowcount)
            results.append(result)
            self.wakes = self.wakes or statement.wakes
        return results


async def _execute(connection: asyncpg.Connection, statement: Statement) -> Result:
    translated = translate(statement.text("postgresql"))
    arguments = translated.arguments(statement.params)
    if translated.returns_rows:
        rows = await connection.fetch(translated.text, *arguments)
        return Result(len(rows), records(rows))
    status = await connection.execute(translated.text, *arguments)
    count = status.rpartition(" ")[2]
    return Result(int(count) if count.isdecimal() else 0)


async def _roll_back(connection: asyncpg.Connection) -> None:
    """Undo the open transaction; a connection that cannot even do that is thrown away."""
    with move_on_after(ROLLBACK_SECONDS, shield=True) as scope:
        try:
            if not connection.is_closed():
                await connection.execute("ROLLBACK")
        except (asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError, OSError):
            connection.terminate()
    if scope.cancelled_caught:
        connection.terminate()


async def _keep_as_is(_connection: asyncpg.Connection) -> None:
    """Between uses nothing needs undoing: every transaction ends, and no session state is ever set."""


def _number(text: str) -> int | float:
    value = Decimal(text)
    return int(value) if value == value.to_integral_value() else float(value)
