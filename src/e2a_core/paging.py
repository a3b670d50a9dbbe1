"""Keyset pagination: each page reads the rows after the last row of the previous page.

Every list is ordered by an instant and a unique key, so a cursor stays valid while rows are added or removed.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from e2a_core.contract.base import Page
from e2a_core.core import Core
from e2a_core.errors import InvalidRequest
from e2a_core.signing.cursor import Json, decode_cursor, encode_cursor
from e2a_core.store.statement import Record, Statement

__all__ = ["MAX_LIMIT", "Position", "beyond", "check_limit", "newest_first", "paged", "turned"]

MAX_LIMIT = 100

Item = TypeVar("Item")


@dataclass(frozen=True, slots=True)
class Position:
    """The position of a row in its list: its instant in microseconds, and its key among rows of the same instant."""

    at: int
    key: str


async def paged(
    core: Core,
    statement_for: Callable[[Position | None, int], Statement],
    *,
    query: Mapping[str, Json],
    cursor: str | None,
    limit: int,
    view: Callable[[Record], Item],
    columns: tuple[str, str] = ("created_at", "id"),
    names: tuple[str, str] = ("at", "key"),
) -> Page[Item]:
    """Returns one page of at most `limit` items.

    `statement_for(after, count)` reads `count` rows after the position `after`. `query` identifies the list and its
    filters; a cursor is valid only for the same query. `columns` are the instant and the key that order it, and `names`
    what they are called in a cursor. Raises `InvalidRequest` and `InvalidCursor`.
    """
    at, key = names
    check_limit(limit)
    after = None
    if cursor:
        stored = decode_cursor(cursor, query, core.secrets)
        after = Position(stored[at], stored[key])
    rows = await core.db.read(statement_for(after, limit + 1))

    def place(row: Record) -> Mapping[str, Json]:
        return {name: row[column] for name, column in zip(names, columns, strict=True)}

    shown, next_cursor = turned(core, rows, query=query, limit=limit, place=place)
    page: Page[Item] = Page(items=[view(row) for row in shown], next_cursor=next_cursor)
    return page


def turned(
    core: Core,
    items: Sequence[Item],
    *,
    query: Mapping[str, Json],
    limit: int,
    place: Callable[[Item], Mapping[str, Json]],
) -> tuple[Sequence[Item], str | None]:
    """Returns the first `limit` of `items`, and the cursor of the next page or None on the last page."""
    shown = items[:limit]
    more = len(items) > limit
    return shown, encode_cursor(place(shown[-1]), query, core.secrets.signing) if more else None


def check_limit(limit: int) -> None:
    """Raises `InvalidRequest` unless `limit` is a valid page size."""
    if not 1 <= limit <= MAX_LIMIT:
        raise InvalidRequest(f"must be from 1 to {MAX_LIMIT}", location="query.limit", status=422)


def beyond(
    after: Position | None, at: str, key: str, *, ascending: bool = False
) -> tuple[str, dict[str, Any]]:
    """Returns an SQL condition for the rows after `after`, to append to other conditions, and its parameters."""
    if after is None:
        return "", {}
    comparison = ">" if ascending else "<"
    return f" AND ({at}, {key}) {comparison} (:after_at, :after_key)", {
        "after_at": after.at,
        "after_key": after.key,
    }


def newest_first(
    text: str,
    params: Mapping[str, Any],
    after: Position | None,
    count: int,
    *,
    at: str = "created_at",
    key: str = "id",
    by_key: bool = False,
) -> Statement:
    """Returns the statement of one page of what `text`, a SELECT that ends with conditions, finds."""
    condition, place = beyond(after, at, key)
    return Statement(
        f"{text}{condition} ORDER BY {at} DESC, {key} DESC LIMIT :count",
        {**params, "count": count, **place},
        by_key=by_key,
    )
