"""Keyset pagination: a page is a read of what lies beyond the last row of the page before.

Every list is ordered by an instant and a unique key, so a cursor stays right however rows come and go.
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

__all__ = ["MAX_LIMIT", "Position", "beyond", "check_limit", "paged", "turned"]

MAX_LIMIT = 100

Item = TypeVar("Item")


@dataclass(frozen=True, slots=True)
class Position:
    """Where a row stands in its list: its instant in microseconds, and its key among those of the same instant."""

    at: int
    key: str


async def paged(
    core: Core,
    statement_for: Callable[[Position | None, int], Statement],
    *,
    query: Mapping[str, Json],
    cursor: str | None,
    limit: int,
    position: Callable[[Record], Position],
    view: Callable[[Record], Item],
    names: tuple[str, str] = ("at", "key"),
) -> Page[Item]:
    """One page of at most `limit` items.

    `statement_for(after, count)` reads `count` rows beyond `after`. `query` names the list and its effective filters;
    a cursor is good for that query alone. `names` is what the cursors of this list call a position's members.
    Raises `InvalidRequest` and `InvalidCursor`.
    """
    at, key = names
    check_limit(limit)
    after = None
    if cursor:
        stored = decode_cursor(cursor, query, core.secrets)
        after = Position(stored[at], stored[key])
    rows = await core.db.read(statement_for(after, limit + 1))

    def place(row: Record) -> Mapping[str, Json]:
        last = position(row)
        return {at: last.at, key: last.key}

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
    """The first `limit` of `items`, and the cursor that goes on behind them, None when there are no more."""
    shown = items[:limit]
    more = len(items) > limit
    return shown, encode_cursor(place(shown[-1]), query, core.secrets.signing) if more else None


def check_limit(limit: int) -> None:
    """Raises `InvalidRequest` unless `limit` is a page size."""
    if not 1 <= limit <= MAX_LIMIT:
        raise InvalidRequest(f"must be from 1 to {MAX_LIMIT}", location="query.limit", status=422)


def beyond(
    after: Position | None, at: str, key: str, *, ascending: bool = False
) -> tuple[str, dict[str, Any]]:
    """The condition, to be appended to others, that keeps the rows beyond `after`; and its parameters."""
    if after is None:
        return "", {}
    comparison = ">" if ascending else "<"
    return f" AND ({at}, {key}) {comparison} (:after_at, :after_key)", {
        "after_at": after.at,
        "after_key": after.key,
    }
