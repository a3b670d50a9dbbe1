"""What was read since the last commit: until the next one, reading it again would give the same."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from e2a_core.store.sqlite.connection import data_version
from e2a_core.store.statement import Statement

__all__ = ["RecentReads"]

MAX_ROWS = 1024
"""With the width of a message's row this bounds the memory they take to some megabytes."""

_Rows = TypeVar("_Rows", bound=Sequence[Any])


class RecentReads:
    """Reads of one connection, remembered as long as no other connection, of any process, commits.

    Whoever polls asks for the same rows again and again, and so does each request for its credential and its inbox.
    `rows` counts what is kept; an empty answer counts as one.
    """

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self._version = 0
        self._found: dict[object, Sequence[Any]] = {}
        self.rows = 0

    def read(self, statement: Statement, find: Callable[[sqlite3.Connection, Statement], _Rows]) -> _Rows:
        """What `find` finds; raises what it raises. The rows are everybody's and must not be changed."""
        # Looked at before the rows are: a commit in between makes them newer than they are taken for, and unused.
        version = data_version(self._connection)
        if version != self._version or self.rows > MAX_ROWS:
            self._version, self.rows = version, 0
            self._found.clear()
        key = (find, statement.sqlite, *statement.params.items())
        known: _Rows | None = self._found.get(key)  # type: ignore[assignment]
        if known is None:
            known = self._found[key] = find(self._connection, statement)
            self.rows += max(len(known), 1)
        return known
