"""Pages of a message search, in bounded time whatever the size of the inbox.

Where an index has the rows in their order, it is read. Else the newest messages are checked one after the other: a
common word fills the page there. If they do not, the text index finds what is rare. What no index can find is looked
for in the newest few thousand messages, and the cursor of the page goes on behind them: a page may be short, or empty,
and have a cursor.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from e2a_core.core import Core
from e2a_core.messages.search import MAX_HITS, MessageSearch, Span
from e2a_core.messages.terms import BUCKET, Wanted
from e2a_core.paging import Position
from e2a_core.store.statement import Record, first, sql

__all__ = ["WALK", "read_page"]

WALK = 500
"""Messages checked before the text index is asked: it takes as long for a word that one message in fifty has."""

_FIRST_SPAN = 4 * BUCKET
_SPAN_GROWTH = 8


async def read_page(
    core: Core, search: MessageSearch, after: Position | None, limit: int
) -> tuple[Sequence[Record], Position | None]:
    """Returns up to `limit` rows beyond `after`, and where the next page begins or None if there is none."""
    if search.by_index or search.whole:
        return _cut(await core.db.read(search.walk(after, limit + 1)), limit, None)
    depth = WALK if search.wanted else MAX_HITS
    end = _position(first(await core.db.read(search.end_of_walk(after, depth))))
    rows = await core.db.read(search.walk(after, limit + 1, end))
    if end is None or len(rows) > limit or search.wanted is None:
        return _cut(rows, limit, end)
    return await _found(core, search, search.wanted, after, limit)


async def _found(
    core: Core, search: MessageSearch, wanted: Wanted, after: Position | None, limit: int
) -> tuple[Sequence[Record], Position | None]:
    """As `read_page`, by the text index."""
    found: list[Record] = []
    for span in await _spans(core, search, after):
        found += await core.db.read(search.hits(wanted, span, after, limit + 1 - len(found)))
        if len(found) > limit:
            break
        end = _position(first(await core.db.read(search.end_of_hits(wanted, span))))
        if end is not None:
            return found, end
    return _cut(found, limit, None)


async def _spans(core: Core, search: MessageSearch, after: Position | None) -> Iterator[Span]:
    """The ranges in which the index is asked, one after the other."""
    [bounds] = await core.db.read(
        sql(
            "SELECT (SELECT min(seq) FROM messages) AS low, (SELECT max(seq) FROM messages) AS high, "
            "(SELECT seq FROM messages WHERE id = :after) AS after",
            by_key=True,
            after=after.key if after else "",
        )
    )
    low, high = bounds["low"] or 0, bounds["high"] or 0
    if bounds["after"] is not None:
        low, high = (bounds["after"], high) if search.ascending else (low, bounds["after"])
    if core.db.dialect == "sqlite":
        return iter([Span(low, high)])
    return _growing(low, high, ascending=search.ascending)


def _growing(low: int, high: int, *, ascending: bool) -> Iterator[Span]:
    """From one end to the other: what is found in a short span need not be looked for in the others."""
    size = _FIRST_SPAN
    while low <= high:
        if ascending:
            yield Span(low, min(high, low + size))
            low += size + 1
        else:
            yield Span(max(low, high - size), high)
            high -= size + 1
        size *= _SPAN_GROWTH


def _cut(
    rows: Sequence[Record], limit: int, end: Position | None
) -> tuple[Sequence[Record], Position | None]:
    if len(rows) > limit:
        return rows[:limit], _position(rows[limit - 1])
    return rows, end


def _position(row: Record | None) -> Position | None:
    return None if row is None else Position(row["created_at"], row["id"])
