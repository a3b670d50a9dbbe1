"""Sliding windows forget what is old, and the key that was silent longest."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

from e2a_core.sliding import MAX_KEYS, SlidingWindows


@dataclass
class Stopwatch:
    seconds: float = 100.0

    def monotonic(self) -> float:
        return self.seconds

    def now(self) -> datetime:
        return datetime.fromtimestamp(self.seconds, UTC)


def test_what_is_older_than_the_window_is_forgotten() -> None:
    clock = Stopwatch()
    windows: SlidingWindows[str] = SlidingWindows(clock)
    windows.count("a")
    clock.seconds += 30
    windows.count("a")
    assert list(windows.within("a", 60)) == [100, 130]
    clock.seconds += 30
    assert list(windows.within("a", 60)) == [130]
    assert list(windows.within("b", 60)) == []


def test_the_key_that_is_silent_longest_is_forgotten() -> None:
    windows: SlidingWindows[int] = SlidingWindows(Stopwatch())
    for number in range(MAX_KEYS):
        windows.count(number)
    assert windows.within(0, 60)
    windows.count(MAX_KEYS)
    assert windows.within(0, 60)
    assert not windows.within(1, 60)
