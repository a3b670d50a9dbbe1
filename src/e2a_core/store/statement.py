"""SQL with named parameters, and what came of it; the same for SQLite and PostgreSQL."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

__all__ = [
    "Dialect",
    "Result",
    "Row",
    "StaleWrite",
    "Statement",
    "sql",
]

Dialect = Literal["sqlite", "postgresql"]


Row = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Statement:
    """One SQL statement with named parameters (`:name`).

    `sqlite` is the text for SQLite and `postgresql` the text where PostgreSQL needs another. `expect` is the
    number of rows that must be affected, else the whole write is undone and `StaleWrite` raised: the
    compare-and-set of a batch.
    """

    sqlite: str
    params: Mapping[str, Any]
    postgresql: str | None = None
    expect: int | None = None

    def text(self, dialect: Dialect) -> str:
        return self.postgresql if dialect == "postgresql" and self.postgresql is not None else self.sqlite


def sql(
    text: str, /, *, expect: int | None = None, postgresql: str | None = None, **params: Any
) -> Statement:
    """Shorthand: `sql("SELECT ... WHERE id = :id", id=...)`."""
    return Statement(text, params, postgresql, expect)


@dataclass(frozen=True, slots=True)
class Result:
    """What one statement of a write did: rows affected, and rows returned by a RETURNING clause."""

    rowcount: int
    rows: Sequence[Row] = ()


class StaleWrite(Exception):
    """A statement affected another number of rows than expected; nothing of its batch was kept.

    `index` is the statement's place in the batch.
    """

    def __init__(self, index: int, rowcount: int) -> None:
        super().__init__(f"statement {index} affected {rowcount} rows")
        self.index = index
        self.rowcount = rowcount
