"""How often the owner of an account is told of holds: at once, and when they come fast, in a digest."""

from __future__ import annotations

from datetime import datetime, timedelta

from e2a_core.clock import from_micros, to_micros
from e2a_core.core import Core
from e2a_core.messages.rows import MessageRow
from e2a_core.reviews import queries
from e2a_core.store.statement import Statement, first

__all__ = ["Pace", "pace_of"]

FAST = timedelta(minutes=1)
SLOW = timedelta(minutes=10)
FAST_NOTICES = 3
"""Notices a minute apart, before they come every ten: by then the owner knows that something is going on."""


class Pace:
    """When the next notice to an account may go out, after `streak` notices in a row, the last at `sent_at`."""

    def __init__(self, account_id: str, sent_at: datetime | None = None, streak: int = 0) -> None:
        self._account_id = account_id
        self._sent_at = sent_at
        self._streak = streak

    @property
    def next_at(self) -> datetime | None:
        """The earliest instant of the next notice; None if there was none yet."""
        if self._sent_at is None:
            return None
        return self._sent_at + (FAST if self._streak < FAST_NOTICES else SLOW)

    def sent(self, holds: list[MessageRow], now: datetime) -> list[Statement]:
        """Stores that a notice of `holds` went out. If none of them had to wait for it, the row of notices ends."""
        waited = self.next_at is not None and min(row.created_at for row in holds) < to_micros(self.next_at)
        at = to_micros(now)
        return [
            *(queries.insert_told(row.id, at) for row in holds),
            queries.store_pace(self._account_id, at, self._streak + 1 if waited else 1),
        ]


async def pace_of(core: Core, account_id: str) -> Pace:
    row = first(await core.db.read(queries.pace(account_id)))
    return Pace(account_id, from_micros(row["sent_at"]), row["streak"]) if row else Pace(account_id)
