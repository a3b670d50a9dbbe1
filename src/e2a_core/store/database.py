"""What the domains may ask of the database, the same for SQLite and PostgreSQL.

A domain's `queries.py` returns `Statement` values; a service gathers the statements of one business change and
hands them to `Database.write`, which commits them together or not at all. Changes that must read what they have
locked use `Database.transaction`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Any, Protocol

from e2a_core.store.statement import Dialect, Result, Row, Statement

__all__ = ["Database", "Transaction"]


class Transaction(Protocol):
    """An open write transaction."""

    async def all(self, statement: Statement) -> Sequence[Row]: ...

    async def one(self, statement: Statement) -> Row | None: ...

    async def write(self, statements: Sequence[Statement]) -> Sequence[Result]: ...


class Database(Protocol):
    """One open database.

    Raises `errors.StoreUnavailable` when the database cannot answer; constraint violations surface as
    `UniqueViolation` (module `errors` of this package).
    """

    dialect: Dialect

    async def all(self, statement: Statement) -> Sequence[Row]:
        """The rows of a read, outside any transaction."""

    async def one(self, statement: Statement) -> Row | None:
        """The first row of a read."""

    async def read(self, statements: Sequence[Statement]) -> Sequence[Sequence[Row]]:
        """The rows of each of several reads, for little more than the price of one.

        Other writes may come between them.
        """

    async def lookup(self, statements: Sequence[Statement]) -> Sequence[Sequence[Row]]:
        """As `read`, for a few short rows found by key.

        SQLite answers on the event loop itself: a look at an index takes less time than asking a thread for it.
        """

    async def values(self, statement: Statement, *, by_key: bool) -> Sequence[tuple[Any, ...]]:
        """The rows of one read as bare values, in the order of their columns; `by_key` answers as `lookup` does.

        For pages of wide rows: finding them takes hardly longer than naming all their values.
        """

    async def write(self, statements: Sequence[Statement]) -> Sequence[Result]:
        """Commit the statements as one unit, durably, before returning.

        Concurrent calls may share one commit (group commit); each still succeeds or fails alone.
        """

    async def put(self, statements: Sequence[Statement]) -> Sequence[Result]:
        """As `write`, for a few rows found by key.

        SQLite runs them on the event loop itself and leaves only the wait for the disk to a thread: two threads that
        hand the interpreter lock back and forth for each statement take three times as long.
        """

    def transaction(self) -> AbstractAsyncContextManager[Transaction]:
        """A write transaction holding the write lock from its start; commits on exit, rolls back on error."""

    def on_commit(self, listener: Callable[[], None]) -> Callable[[], None]:
        """Call `listener` on the event loop after commits; returns the function that ends it.

        Commits of this process are told at once; those of other processes within some 100 ms on SQLite, and on
        PostgreSQL at once when they notified the channel `e2a_events`. Calls may be spurious and are not counted:
        the listener sets an event and whoever waits for it looks at the tables.
        """

    async def truncate_log(self) -> None:
        """Drop the record of what was written, which holds what has been deleted since.

        PostgreSQL recycles its own, and replicas and backups may need it.
        """

    async def close(self) -> None:
        """Finish the writes under way and close; what comes later raises `StoreUnavailable`."""
