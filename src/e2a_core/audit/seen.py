"""Verifying the audit log of another deployment, by the rows that it lists.

Whether the head is sealed cannot be seen there: that takes the home's secret.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable
from dataclasses import dataclass
from datetime import UTC

from e2a_core.audit.chain import BEGINNING, row_hash
from e2a_core.audit.log import BROKEN
from e2a_core.audit.verify import Broken
from e2a_core.clock import to_micros
from e2a_core.contract.audit import Audit, AuditEntryView, AuditQuery
from e2a_core.json_encoding import compact_json

__all__ = ["Seen", "verify_seen"]

PAGE = 100


@dataclass(frozen=True, slots=True)
class Seen:
    """What was found. `number` and `hash` are those of the last row, `first` is the number of the first one listed."""

    rows: int = 0
    first: int = 0
    number: int = 0
    hash: str = BEGINNING
    broken: Broken | None = None


async def verify_seen(audit: Audit, account_id: str) -> Seen:
    """Walks the listed rows of the account, newest first. Names the first row that is broken."""
    rows, newest, later, broken = 0, None, None, None
    async for row in _listed(audit):
        rows, newest = rows + 1, newest or row
        broken = _problem(account_id, row, later) or broken
        if later is not None and row.number >= later.number:
            break  # a list that does not go down may never end
        later = row
    if newest is None or later is None:
        return Seen()
    if later.number == 1 and later.hash != _hash(account_id, BEGINNING, later):
        broken = Broken(1, _CHANGED)
    return Seen(rows, later.number, newest.number, newest.hash, broken)


_CHANGED = "the row was changed"


async def _listed(audit: Audit) -> AsyncIterator[AuditEntryView]:
    cursor, more = None, True
    while more:
        page = await audit.list(AuditQuery(limit=PAGE, cursor=cursor))
        for row in page.items:
            yield row
        cursor = page.next_cursor
        more = cursor is not None


def _problem(account_id: str, row: AuditEntryView, later: AuditEntryView | None) -> Broken | None:
    """What is wrong with `row`, or between it and the one after it; the lower of both."""
    if row.number < 1:
        return Broken(row.number, "the row was added")
    if row.operation == BROKEN:
        return Broken(row.number, "the log was changed before this row")
    if later is None:
        return None
    if row.number >= later.number:
        return Broken(row.number, "the row was moved")
    if row.number != later.number - 1:
        return Broken(row.number + 1, "the row is missing")
    return None if later.hash == _hash(account_id, row.hash, later) else Broken(later.number, _CHANGED)


def _hash(account_id: str, before: str, row: AuditEntryView) -> str:
    """The hash of a row as it was stored; a member that is left out was stored as an empty text."""
    values = {name: getattr(row, name, None) or "" for name in _AS_STORED}
    at = row.at if row.at.tzinfo else row.at.replace(tzinfo=UTC)
    stored = {"account_id": account_id, "number": row.number, "at": to_micros(at)}
    return row_hash(before, {**values, **stored, "subjects": compact_json(dict(row.subjects))})


_AS_STORED: Iterable[str] = ("actor", "actor_kind", "person", "door", "operation", "outcome", "code")
