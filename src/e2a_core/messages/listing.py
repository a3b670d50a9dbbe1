"""Pages of a message search, in bounded time whatever the size of the inbox.

Where an index has the rows in their order, it is read. Else the newest messages are checked one after the other: a
common word fills the page there. If they do not, the text index finds what is rare. What no index can find is looked
for in the newest few thousand messages, and the cursor of the page goes on behind them: a page may be short, or empty,
and have a cursor.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from e2a_core.core import Core
from e2a_core.messages.driving import Lead, choose_lead, lead_by_statistics
from e2a_core.messages.search import MAX_HITS, MessageSearch, Span
from e2a_core.messages.terms import BUCKET, Wanted
from e2a_core.paging import Position
from e2a_core.store.statement import Record, first

__all__ = ["WALK", "read_page"]

WALK = 500
"""Messages checked before the text index is asked: it takes as long for a word that one message in fifty has."""

POSTGRESQL_WALK = 200
"""Fewer there, which takes three times as long for a row and as long for the index."""
POSTGRESQL_HITS = 400
"""Hits of a common term that a page looks at there."""
SLACK = 256
"""Messages that may be stored between two of one instant."""

_FIRST_SPAN = 4 * BUCKET
_SPAN_GROWTH = 8


async def read_page(
    core: Core, search: MessageSearch, after: Position | None, limit: int
) -> tuple[Sequence[Record], Position | None]:
    """Returns up to `limit` rows beyond `after`, and where the next page begins or None if there is none."""
    if search.by_index or search.whole:
        return _cut(await core.db.read(search.walk(after, limit + 1)), limit, None)
    walk = WALK if core.db.dialect == "sqlite" else min(WALK, POSTGRESQL_WALK)
    depth = walk if search.wanted else MAX_HITS
    end = _position(first(await core.db.read(search.end_of_walk(after, depth))))
    rows = await core.db.read(search.walk(after, limit + 1, end))
    if end is None or len(rows) > limit or search.wanted is None:
        return _cut(rows, limit, end)
    return await _found(core, search, search.wanted, after, limit)


async def _found(
    core: Core, search: MessageSearch, wanted: Wanted, after: Position | None, limit: int
) -> tuple[Sequence[Record], Position | None]:
    """As `read_page`, by the text index."""
    span = await _span(core, search, after)
    if core.db.dialect == "sqlite":
        lead = await choose_lead(core, search, wanted, span, after)
        rows = await core.db.read(search.hits(lead.wanted, lead.span, after, limit + 1))
        last = search.end_of_reach(lead.span) if lead.goes_on else search.end_of_hits(lead.wanted, lead.span)
        end = None if len(rows) > limit else _position(first(await core.db.read(last)))
        return _cut(rows, limit, end)
    lead = await lead_by_statistics(core, search, wanted, span)
    return await _found_in_parts(core, search, lead, after, limit)


async def _found_in_parts(
    core: Core, search: MessageSearch, lead: Lead, after: Position | None, limit: int
) -> tuple[Sequence[Record], Position | None]:
    """As `_found`, one range after the other: of a common lead only the first, with some hundred hits."""
    found: list[Record] = []
    size = max(BUCKET, round(POSTGRESQL_HITS / lead.share)) if lead.share else _FIRST_SPAN
    for part in _growing(lead.span, size, ascending=search.ascending):
        found += await core.db.read(search.hits(lead.wanted, part, after, limit + 1 - len(found)))
        if len(found) > limit:
            break
        end = _position(first(await core.db.read(search.end_of_hits(lead.wanted, part))))
        if end is None and lead.share and part != lead.span:
            end = _position(first(await core.db.read(search.end_of_part(part))))
        if end not in (None, after):
            return found, end
    return _cut(found, limit, None)


async def _span(core: Core, search: MessageSearch, after: Position | None) -> Span:
    """The range in which there may be hits: what lies beyond the cursor and in the period."""
    [edges] = await core.db.read(search.edges(after))
    low, high = edges["low"] or 0, edges["high"] or 0
    # Messages stored at the same time may have their numbers in another order than their times.
    if edges["since"] is not None:
        low = max(low, edges["since"] - SLACK)
    if edges["until"] is not None:
        high = min(high, edges["until"] + SLACK)
    if edges["after"] is not None:
        low, high = (max(low, edges["after"]), high) if search.ascending else (low, min(high, edges["after"]))
    return Span(low, high)


def _growing(span: Span, size: int, *, ascending: bool) -> Iterator[Span]:
    """From one end to the other: what is found in a short span need not be looked for in the others."""
    low, high = span.low, span.high
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
