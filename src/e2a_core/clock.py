"""Clocks are injected: no other code in this package reads the system time.

Instants are aware UTC datetimes in the API and integer microseconds since the Unix epoch in the store, so that both
databases order and compare them alike.
"""

from __future__ import annotations

import re
import time
from datetime import UTC, datetime, timedelta
from typing import Protocol

__all__ = ["Clock", "SystemClock", "from_micros", "parse_rfc3339", "rfc3339", "span_words", "to_micros"]

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_RFC3339 = re.compile(r"\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d(?:\.\d+)?(?:[Zz]|[+-]\d\d:\d\d)", re.ASCII)


class Clock(Protocol):
    """A wall clock and a monotonic clock."""

    def now(self) -> datetime:
        """Returns the current instant, aware, in UTC."""

    def monotonic(self) -> float:
        """Returns the seconds of a clock that never jumps. Only for intervals and deadlines."""


class SystemClock:
    """The operating system's clocks."""

    def now(self) -> datetime:
        return datetime.now(UTC)

    def monotonic(self) -> float:
        return time.monotonic()


def to_micros(instant: datetime) -> int:
    """Returns microseconds since the Unix epoch. `instant` must be aware."""
    return (instant - _EPOCH) // _MICROSECOND


def from_micros(micros: int) -> datetime:
    """Returns the aware UTC datetime `micros` microseconds after the Unix epoch."""
    return _EPOCH + timedelta(microseconds=micros)


def rfc3339(instant: datetime) -> str:
    """Returns RFC 3339 in UTC with `Z` and no trailing zeros in the fraction, as all timestamps of the API."""
    utc = instant if instant.tzinfo is UTC else instant.astimezone(UTC)
    text = utc.isoformat()[: -len("+00:00")]
    return f"{text.rstrip('0') if utc.microsecond else text}Z"


def parse_rfc3339(text: str) -> datetime:
    """Returns the instant of an RFC 3339 date-time (section 5.6), in UTC.

    Raises ValueError for any other format, and for an instant outside the years 1 to 9999.
    """
    if not _RFC3339.fullmatch(text):
        raise ValueError("must be an RFC 3339 date-time")
    try:
        return datetime.fromisoformat(text.upper()).astimezone(UTC)
    except OverflowError:
        raise ValueError("must lie in the years 1 to 9999") from None


def span_words(seconds: int) -> str:
    """`7 days`, `90 minutes`: a span in the largest unit that tells it exactly."""
    for unit, size in (("day", 86_400), ("hour", 3600), ("minute", 60)):
        if seconds >= size and seconds % size == 0:
            count = seconds // size
            return f"{count} {unit}{'' if count == 1 else 's'}"
    return f"{seconds} second{'' if seconds == 1 else 's'}"
