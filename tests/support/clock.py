"""A clock that stands still until a test moves it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

__all__ = ["ManualClock"]


class ManualClock:
    """Starts at a fixed instant; `monotonic` moves along."""

    def __init__(self, start: datetime = datetime(2026, 3, 4, 5, 6, 7, 890_000, tzinfo=UTC)) -> None:
        self._start = self._now = start

    def now(self) -> datetime:
        return self._now

    def monotonic(self) -> float:
        return (self._now - self._start).total_seconds()

    def advance(self, **interval: float) -> None:
        """Move forward; `interval` as for `timedelta`."""
        self._now += timedelta(**interval)
