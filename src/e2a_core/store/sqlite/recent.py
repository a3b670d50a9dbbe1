"""What was read since the last commit: until the next one, reading it again would give the same."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Sequence

from e2a_core.store.sqlite.connection import data_version, read
from e2a_core.store.statement import Record, Statement

__all__ = ["RecentReads"]

MAX_ROWS = 1024
"""With the width of a message's row this bounds the memory they take to some megabytes."""


class RecentReads:
    """Reads of one connection, remembered as long as no other connection, of any process, commits.

    A client that polls asks for the same rows again and again, and each request asks for its credential and its
    inbox. `python -m bench api_list`: GET messages takes 500 us of processor time with it, 760 us without. `rows`
    counts what is kept; an empty answer counts as one.
    """

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self._version = 0
        self._looked_in: asyncio.AbstractEventLoop | None = None
        self._found: dict[object, list[Record]] = {}
        self.rows = 0

    def read(self, statements: Sequence[Statement]) -> list[list[Record]]:
        """The rows of each statement; raises what `connection.read` raises."""
        loop = asyncio.get_running_loop()
        if self._looked_in is not loop:
            self._look(loop)
        if self.rows > MAX_ROWS:
            self._forget()
        return [self._read(statement) for statement in statements]

    def _look(self, loop: asyncio.AbstractEventLoop) -> None:
        """Forgets what was read before the last commit.

        Once in a turn of the event loop is enough: whoever waits for a commit, or hears of it through a socket, goes
        on in a later turn, after the call that is scheduled here.
        """
        # Looked at before the rows are: a commit in between makes them newer than they are taken for, and unused.
        version = data_version(self._connection)
        if version != self._version:
            self._version = version
            self._forget()
        self._looked_in = loop
        loop.call_soon(self._turn_ends)

    def _turn_ends(self) -> None:
        self._looked_in = None

    def _forget(self) -> None:
        self._found.clear()
        self.rows = 0

    def _read(self, statement: Statement) -> list[Record]:
        key = (statement.sqlite, *statement.params.items())
        known = self._found.get(key)
        if known is None:
            known = self._found[key] = read(self._connection, statement)
            self.rows += max(len(known), 1)
        return known
