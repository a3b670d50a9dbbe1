"""Which term of a search leads: the rarest finds few messages, and the rest is checked on these.

SQLite's index reads the hits of one term newest first and stops anywhere. For several terms it seeks from one to the
next, and for the beginning of a word it first reads all hits of all its words: both take as long as terms are common.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from e2a_core.core import Core
from e2a_core.messages.search import MessageSearch, Span
from e2a_core.messages.terms import Wanted, all_of
from e2a_core.paging import Position
from e2a_core.store.statement import first

__all__ = ["Lead", "choose_lead", "lead_by_statistics"]

MAX_COUNTED = 24
"""Terms of one search whose hits are counted, at 0.3 ms each; of more, every second or third."""
SCATTERED = 100_000
"""Messages over which the hits of one page are spread, so that each lies on pages of its own."""
RARE_SHARE = 0.002
"""Of a million messages so rare a term has hits for two pages."""


@dataclass(frozen=True, slots=True)
class Lead:
    """What the index is asked for, and where; the other terms are checked on each row.

    `goes_on` is True if there may be more hits beyond the span. `share` is the part of all messages that have a common
    lead, as PostgreSQL knows it.
    """

    wanted: Wanted
    span: Span
    goes_on: bool = False
    share: float | None = None


async def choose_lead(
    core: Core, search: MessageSearch, wanted: Wanted, span: Span, after: Position | None
) -> Lead:
    """Returns the lead. It has at most `MAX_HITS` hits in its span if it `goes_on`."""
    inbox, *others = wanted.conjuncts
    exact = [item for item in others if not item.prefix]
    if not exact:
        return Lead(wanted, span)
    rare = [item for item in others if item.prefix and not await _is_common(core, search, item, after)]
    if rare:
        return Lead(_with(inbox, *rare), span)
    return await _rarest(core, search, [inbox, *exact[:: len(exact) // MAX_COUNTED + 1]], span)


async def _rarest(core: Core, search: MessageSearch, terms: Sequence[Wanted], span: Span) -> Lead:
    """The term of which a page's worth of hits reaches farthest."""
    inbox = terms[0]
    reached: list[tuple[int, Wanted]] = []
    for item in terms:
        row = first(await core.db.read(search.reach(item, span)))
        if row is None:
            return Lead(_with(inbox, item), span)
        reached.append((int(row["seq"]), item))
    reached.sort(key=lambda found: found[0], reverse=search.ascending)
    place, _ = reached[0]
    reach = replace(span, high=place) if search.ascending else replace(span, low=place)
    # Rows far apart take longer to read than another term of the index.
    kept = [item for _, item in reached[: 2 if reach.high - reach.low > SCATTERED else 1]]
    return Lead(_with(inbox, *kept), reach, goes_on=True)


async def lead_by_statistics(core: Core, search: MessageSearch, wanted: Wanted, span: Span) -> Lead:
    """The lead by what PostgreSQL knows of common terms, whose index has no order. A term it does not know is rare."""
    inbox, *others = [item for item in wanted.conjuncts if not item.is_choice]
    exact = [item for item in others if not item.prefix]
    if not exact:
        return Lead(wanted, span)
    shares = {row["tsquery"]: row["share"] for row in await core.db.read(search.shares([inbox, *others]))}
    if inbox.tsquery not in shares:
        return Lead(wanted, span)
    rare = [item for item in others if shares.get(item.tsquery, 0) < RARE_SHARE]
    if rare:
        return Lead(_with(inbox, *rare), span)
    lead = min([inbox, *exact], key=lambda item: shares[item.tsquery])
    return Lead(_with(inbox, lead), span, share=shares[lead.tsquery])


async def _is_common(core: Core, search: MessageSearch, item: Wanted, after: Position | None) -> bool:
    """True if many of the next messages have it."""
    sample = search.sample(item, after)
    return sample is not None and first(await core.db.read(sample)) is not None


def _with(inbox: Wanted, *items: Wanted) -> Wanted:
    return all_of([*(item for item in items if item is not inbox), inbox]) or inbox
