"""Verifying the audit log: whether a row was changed, removed, added or moved."""

from __future__ import annotations

from dataclasses import dataclass

from e2a_core.audit import queries
from e2a_core.audit.chain import Head, row_hash
from e2a_core.audit.log import BROKEN
from e2a_core.core import Core
from e2a_core.store.statement import Row, first

__all__ = ["Broken", "Verification", "verify"]

BATCH = 500
ATTEMPTS = 10
"""Rows may be written and deleted meanwhile: what looks broken then is looked at again."""

_UNSEALED = "the head was changed, or made with a secret that is no longer set"


@dataclass(frozen=True, slots=True)
class Broken:
    """The first row that is not as it was written, and why."""

    number: int
    reason: str


@dataclass(frozen=True, slots=True)
class Verification:
    """What was found. `number` and `hash` are those of the last row: whoever keeps them elsewhere can tell later that
    the log has not begun anew or gone back to an older copy. Rows up to `anchor` were deleted by retention.
    """

    rows: int
    anchor: int
    number: int
    hash: str
    broken: Broken | None = None


async def verify(core: Core, account_id: str) -> Verification:
    """Walks the account's chain up to its present end."""
    for _ in range(ATTEMPTS):
        stored = await _head(core, account_id)
        head = stored or Head(account_id)
        broken, count = await _walk(core, head)
        if broken is None and stored is not None and not stored.is_sealed(core.secrets):
            broken = Broken(head.number, _UNSEALED)
        broken = broken or await _outside(core, head)
        found = Verification(count, head.anchor, head.number, head.hash, broken)
        if broken is None or (await _head(core, account_id)) == stored:
            break
    return found


async def _head(core: Core, account_id: str) -> Head | None:
    row = first(await core.db.read(queries.head(account_id)))
    return Head.from_row(row) if row else None


async def _walk(core: Core, head: Head) -> tuple[Broken | None, int]:
    """The first broken row from the anchor to the head, and the number of rows before it."""
    place, hash, count = head.anchor, head.anchor_hash, 0
    while place < head.number:
        rows = await core.db.read(queries.rows(head.account_id, place, min(BATCH, head.number - place)))
        for row in rows:
            if reason := _problem(row, place, hash):
                return Broken(place + 1, reason), count
            place, hash, count = row["number"], row["hash"], count + 1
        if not rows:
            return Broken(place + 1, "the row is missing"), count
    if hash != head.hash:
        return Broken(place, "the row was changed"), count
    return None, count


def _problem(row: Row, before: int, hash: str) -> str:
    """What is wrong with a row that follows the row `before`; empty if nothing is."""
    if row["number"] != before + 1:
        return "the row is missing"
    if row["hash"] != row_hash(hash, row):
        return "the row was changed"
    return "the log was changed before this row" if row["operation"] == BROKEN else ""


async def _outside(core: Core, head: Head) -> Broken | None:
    """A row before the anchor or behind the head, which no operation wrote."""
    [lowest], [highest] = await core.db.read(
        [queries.first_number(head.account_id), queries.last_number(head.account_id)]
    )
    if lowest["number"] is not None and lowest["number"] <= head.anchor:
        return Broken(lowest["number"], "the row was added")
    if highest["number"] is not None and highest["number"] > head.number:
        return Broken(head.number + 1, "the row was added")
    return None
