"""Positions in the event log as clients keep them: opaque, signed, and valid for one account."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from e2a_core.clock import from_micros, to_micros
from e2a_core.core import Core
from e2a_core.errors import InvalidCursor
from e2a_core.signing.cursor import Json, decode_cursor, encode_cursor

__all__ = ["Cursors", "Place", "Start"]


@dataclass(frozen=True, slots=True)
class Place:
    """A position in the log, and an instant before which everything up to it was written."""

    position: int
    at: datetime


@dataclass(frozen=True, slots=True)
class Start:
    """Where a subscriber begins. Events before `since` are passed over.

    `truncated` says that it is later than the cursor that was given.
    """

    place: Place
    since: datetime | None = None
    truncated: bool = False


class Cursors:
    """Reads and writes the cursors of one account."""

    def __init__(self, core: Core, account_id: str) -> None:
        self._core = core
        self._query: dict[str, Json] = {"events": account_id}

    def text(self, place: Place) -> str:
        position: dict[str, Json] = {"position": place.position, "at": to_micros(place.at)}
        return encode_cursor(position, self._query, self._core.secrets.signing)

    def place(self, text: str) -> Place:
        """Raises `InvalidCursor` for a text that was not made for this account."""
        try:
            found = decode_cursor(text, self._query, self._core.secrets)
        except InvalidCursor:
            raise InvalidCursor(
                "the cursor was not issued for this account; pass the newest one unchanged, or null",
                location="cursor",
            ) from None
        return Place(found["position"], from_micros(found["at"]))

    def gone(self, place: Place) -> bool:
        """Whether events after `place` may have been deleted since (`E2A_EVENT_RETENTION_DAYS`)."""
        kept = timedelta(days=self._core.settings.event_retention_days)
        return place.at < self._core.clock.now() - kept

    def start(self, cursor: str | None, present: Place, max_age: timedelta | None) -> Start:
        """Where a subscriber with `cursor` begins, or one without at `present`. Raises `InvalidCursor`."""
        if cursor is None:
            return Start(present)
        given = self.place(cursor)
        # A position beyond the end is of a log that was put back to an older state.
        truncated, since = self.gone(given) or given.position > present.position, None
        if max_age is not None and present.at - given.at > max_age:
            since, truncated = present.at - max_age, True
        return Start(min(given, present, key=lambda place: place.position), since, truncated)
