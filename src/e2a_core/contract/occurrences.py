"""Events as subscribers follow them: from a position on, filtered, and told in a few words."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Protocol

__all__ = ["Following", "Occurrence", "OccurrenceKind", "OccurrencePage", "Occurrences"]


@dataclass(frozen=True, slots=True)
class OccurrenceKind:
    """An event that the caller can follow. `delivery` has the ways: poll, push and webhook."""

    name: str
    description: str
    delivery: tuple[str, ...]
    input_schema: dict[str, Any] = field(hash=False)
    payload_schema: dict[str, Any] = field(hash=False)


@dataclass(frozen=True, slots=True)
class Occurrence:
    """One event. `data` says who and what it is about, at most 4 KiB; its texts come from senders.

    `cursor` is the position after it. Whoever follows from there gets the next one.
    """

    id: str
    name: str
    created_at: datetime
    data: dict[str, Any] = field(hash=False)
    cursor: str = ""


@dataclass(frozen=True, slots=True)
class OccurrencePage:
    """Some events, oldest first, and the position reached; `more` says that others can be read at once."""

    items: tuple[Occurrence, ...]
    cursor: str
    more: bool = False


class Following(Protocol):
    """One caller's place in the log."""

    @property
    def cursor(self) -> str:
        """The position reached."""

    @property
    def truncated(self) -> bool:
        """Whether it began later than the cursor that was given: events before are no longer kept, or too old."""

    async def page(self, *, limit: int, wait_seconds: float = 0) -> OccurrencePage:
        """Returns the next events, as soon as there is one; none after `wait_seconds`. Can be cancelled and repeated.

        Raises `Unavailable` when the process stops.
        """


class Occurrences(Protocol):
    """The events of the log that the caller may follow. An agent never hears of inbound mail that is held."""

    async def kinds(self) -> Sequence[OccurrenceKind]:
        """Returns what can be followed here."""

    def follow(
        self, name: object, arguments: object, *, cursor: str | None = None, max_age: timedelta | None = None
    ) -> AbstractAsyncContextManager[Following]:
        """Follows the events `name` that match `arguments`, from `cursor` on, or from now without one.

        With `max_age` older events are passed over. Entering raises `UnknownEvent`, `InvalidFilter`, `InvalidCursor`,
        `Forbidden`, `NotFound` for an inbox that does not exist, and `NotImplementedHere`.
        """

    async def recent(
        self, name: str | None, arguments: object, *, limit: int, event_id: str | None = None
    ) -> Sequence[Occurrence]:
        """Returns the newest events that match, newest first; of all names without one. Raises as `follow`."""
