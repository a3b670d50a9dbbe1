"""SQL with named parameters, and what came of it; the same for SQLite and PostgreSQL."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeVar

__all__ = [
    "Dialect",
    "Record",
    "Result",
    "Row",
    "StaleWrite",
    "Statement",
    "containing",
    "first",
    "in_list",
    "like",
    "records",
    "sql",
]

Dialect = Literal["sqlite", "postgresql"]

Row = Mapping[str, Any]

_Item = TypeVar("_Item")

_LIKE_SPECIAL = str.maketrans({"\\": "\\\\", "%": "\\%", "_": "\\_"})


class Record(Mapping[str, Any]):
    """A row read from the database: its values by column name, and `bare`, in the order of the columns.

    The rows of one read share their names, which makes a page of wide rows as cheap as its bare values.
    """

    __slots__ = ("_places", "bare")

    def __init__(self, places: Mapping[str, int], bare: tuple[Any, ...]) -> None:
        self._places = places
        self.bare = bare

    def __getitem__(self, name: str) -> Any:
        return self.bare[self._places[name]]

    def __iter__(self) -> Iterator[str]:
        return iter(self._places)

    def __len__(self) -> int:
        return len(self._places)

    def __eq__(self, other: object) -> bool:
        """As of any mapping: the same values by the same names."""
        return isinstance(other, Mapping) and dict(self) == dict(other)

    def __repr__(self) -> str:
        return f"Record({dict(self)})"


def records(rows: Sequence[Any]) -> list[Record]:
    """The rows of one read, as `sqlite3.Row` or `asyncpg.Record` has them."""
    if not rows:
        return []
    places = {name: place for place, name in enumerate(rows[0].keys())}
    return [Record(places, tuple(row)) for row in rows]


def first(rows: Sequence[_Item]) -> _Item | None:
    """The first row of a read, or None when it found nothing."""
    return rows[0] if rows else None


@dataclass(slots=True)
class Statement:
    """One SQL statement with named parameters (`:name`). Nothing changes it; to freeze it would triple what it costs.

    `sqlite` is the text for SQLite and `postgresql` the text where PostgreSQL needs another. `expect` is the
    number of rows that must be affected, else the whole write is undone and `StaleWrite` raised: the
    compare-and-set of a batch. `by_key` says that the statement finds its few rows by an index, or inserts them:
    it is over before a thread could be asked for it, and the store may run it at once. `wakes` says that processes
    wait for this row, so that the store tells the others of the commit. `alone` says that it runs outside any
    transaction, as the only statement of its write.
    """

    sqlite: str
    params: Mapping[str, Any]
    postgresql: str | None = None
    expect: int | None = None
    by_key: bool = False
    wakes: bool = False
    alone: bool = False

    def text(self, dialect: Dialect) -> str:
        return self.postgresql if dialect == "postgresql" and self.postgresql is not None else self.sqlite


def sql(
    text: str,
    /,
    *,
    expect: int | None = None,
    postgresql: str | None = None,
    by_key: bool = False,
    **params: Any,
) -> Statement:
    """Shorthand: `sql("SELECT ... WHERE id = :id", id=...)`."""
    return Statement(text, params, postgresql, expect, by_key)


def in_list(name: str, values: Iterable[Any]) -> tuple[str, dict[str, Any]]:
    """The parameters of an IN list, `:name0, :name1, ...`, and their values; an empty list matches nothing."""
    params = {f"{name}{index}": value for index, value in enumerate(values)}
    return ", ".join(f":{key}" for key in params) or "NULL", params


def like(column: str, pattern: str) -> str:
    """The condition that `column` matches `pattern`, a parameter made by `containing`."""
    return f"{column} LIKE {pattern} ESCAPE '\\'"


def containing(text: str) -> str:
    """The pattern of everything that contains `text`, in which no character is a wildcard."""
    return f"%{text.translate(_LIKE_SPECIAL)}%"


@dataclass(slots=True)
class Result:
    """What one statement of a write did: rows affected, and rows returned by a RETURNING clause."""

    rowcount: int
    rows: Sequence[Record] = ()


class StaleWrite(Exception):
    """A statement affected another number of rows than expected; nothing of its batch was kept.

    `index` is the statement's place in the batch.
    """

    def __init__(self, index: int, rowcount: int) -> None:
        super().__init__(f"statement {index} affected {rowcount} rows")
        self.index = index
        self.rowcount = rowcount
