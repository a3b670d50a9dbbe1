"""What the domains may ask of the database, the same for SQLite and PostgreSQL.

A domain's `queries.py` returns `Statement` values; a service gathers the statements of one business change and
hands them to `Database.write`, which commits them together or not at all. Changes that must read what they have
locked use `Database.transaction`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Protocol, overload

from e2a_core.store.statement import Dialect, Record, Result, Statement

__all__ = ["Database", "Transaction"]


class Transaction(Protocol):
    """An open write transaction."""

    async def read(self, statement: Statement) -> Sequence[Record]: ...

    async def write(self, statements: Sequence[Statement]) -> Sequence[Result]: ...


class Database(Protocol):
    """One open database.

    Raises `errors.StoreUnavailable` when the database cannot answer; constraint violations surface as
    `UniqueViolation` (module `errors` of this package).
    """

    dialect: Dialect

    @overload
    async def read(self, statements: Statement) -> Sequence[Record]: ...

    @overload
    async def read(self, statements: Sequence[Statement]) -> Sequence[Sequence[Record]]: ...

    async def read(
        self, statements: Statement | Sequence[Statement]
    ) -> Sequence[Record] | Sequence[Sequence[Record]]:
        """The rows of one read, or of each of several, outside any transaction.

        Several cost little more than one; other writes may come between them.
        """

    async def write(self, statements: Sequence[Statement]) -> Sequence[Result]:
        """Commit the statements as one unit, durably, before returning.

        Concurrent calls may share one commit (group commit); each still succeeds or fails alone.
        """

    def transaction(self) -> AbstractAsyncContextManager[Transaction]:
        """A write transaction holding the write lock from its start; commits on exit, rolls back on error."""

    def on_commit(self, listener: Callable[[], None]) -> Callable[[], None]:
        """Call `listener` on the event loop after commits; returns the function that ends it.

        Commits of this process are told at once; those of other processes within some 100 ms, and on PostgreSQL
        within some 10 ms if a statement of theirs `wakes`. Calls may be spurious and are not counted: the listener
        sets an event, and looks at the tables later.
        """

    async def close(self) -> None:
        """Finish the writes under way and close; what comes later raises `StoreUnavailable`."""
