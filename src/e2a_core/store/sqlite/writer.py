"""The connection that writes, on a thread of its own.

aiosqlite hops to its thread and back for every statement, and a hop costs more than most statements do. What is
written together is one function here and pays for one; short writes leave the thread nothing but their commit.
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Concatenate, ParamSpec, TypeVar

from e2a_core.store.sqlite.connection import open_writer, unavailable

__all__ = ["Writer"]

_Arguments = ParamSpec("_Arguments")
_Answer = TypeVar("_Answer")


class Writer:
    """One writing connection; made by `await Writer.open(...)`.

    `connection` is for callers that know the thread to be idle.
    """

    def __init__(self, connection: sqlite3.Connection, thread: ThreadPoolExecutor) -> None:
        self.connection = connection
        self._thread = thread

    @classmethod
    async def open(
        cls,
        path: Path,
        busy_seconds: float,
        connect: Callable[[Path, float], sqlite3.Connection] = open_writer,
    ) -> Writer:
        """Start the thread and open the connection on it; raises `sqlite3.Error`."""
        thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="sqlite writer")
        opening = thread.submit(connect, path, busy_seconds)
        try:
            return cls(await asyncio.wrap_future(opening), thread)
        except BaseException:
            # A caller that was cancelled would leave the thread, and the connection it is about to have.
            thread.shutdown(wait=True)
            if not opening.cancelled() and opening.exception() is None:
                opening.result().close()
            raise

    async def run(
        self,
        function: Callable[Concatenate[sqlite3.Connection, _Arguments], _Answer],
        *args: _Arguments.args,
        **kwargs: _Arguments.kwargs,
    ) -> _Answer:
        """`function(connection, ...)` on the thread, in the order of the calls, cancelled ones too.

        Raises `StoreUnavailable` if the database does not answer.
        """
        work = partial(function, self.connection, *args, **kwargs)
        try:
            return await asyncio.get_running_loop().run_in_executor(self._thread, work)
        except sqlite3.Error as error:
            raise unavailable(error) or error from error

    async def close(self) -> None:
        """Close the connection and end the thread."""
        await self.run(sqlite3.Connection.close)
        self._thread.shutdown(wait=False)
