"""An SQLite connection on a thread of its own, asked from the event loop."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from functools import partial
from threading import Thread
from typing import Concatenate, ParamSpec, Self, TypeVar

import aiosqlite

from e2a_core.store.sqlite.connection import unavailable

__all__ = ["SqliteThread"]

_Arguments = ParamSpec("_Arguments")
_Answer = TypeVar("_Answer")

_CHUNK_ROWS = 64
"""aiosqlite wants it for its cursors, which are not used here."""


class SqliteThread(aiosqlite.Connection):
    """A connection that runs whole functions.

    aiosqlite hops to the connection's thread and back for every statement; a hop costs more than most statements
    do, so what belongs together is one function here and pays for one. `waiting` counts the functions that were
    not answered yet.
    """

    waiting = 0

    @classmethod
    async def open(
        cls,
        connect: Callable[_Arguments, sqlite3.Connection],
        *args: _Arguments.args,
        **kwargs: _Arguments.kwargs,
    ) -> Self:
        """Start the thread and make the connection on it; raises as `run` does."""
        made = cls(partial(connect, *args, **kwargs), _CHUNK_ROWS)
        # A process that fails without closing must end all the same.
        thread: Thread = made._thread
        thread.daemon = True
        try:
            await made
        except sqlite3.Error as error:
            thread.join()  # it ends at once, and says so to the loop, which must still be there
            raise unavailable(error) or error from error
        except BaseException:
            # Whoever asked was cancelled; the thread must not answer a loop that is gone by then.
            made.stop()
            thread.join()
            raise
        return made

    @property
    def connection(self) -> sqlite3.Connection:
        """For who knows that the thread has nothing to do with it now."""
        connection: sqlite3.Connection = self._conn
        return connection

    async def run(
        self,
        function: Callable[Concatenate[sqlite3.Connection, _Arguments], _Answer],
        *args: _Arguments.args,
        **kwargs: _Arguments.kwargs,
    ) -> _Answer:
        """`function(connection, ...)` on the thread. Raises `StoreUnavailable` where the database cannot answer."""
        self.waiting += 1
        try:
            answer: _Answer = await self._execute(  # type: ignore[no-untyped-call]
                function, self.connection, *args, **kwargs
            )
        except sqlite3.Error as error:
            raise unavailable(error) or error from error
        finally:
            self.waiting -= 1
        return answer
