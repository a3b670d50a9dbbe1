"""Counts of what happened lately: sliding windows, one for each key."""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Hashable, Sequence
from typing import Generic, TypeVar

from e2a_core.clock import Clock

__all__ = ["SlidingWindows"]

Key = TypeVar("Key", bound=Hashable)

MAX_KEYS = 10_000
"""Keys remembered at once; the one longest silent is forgotten first."""


class SlidingWindows(Generic[Key]):
    """The counts of one process, in monotonic time."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._counted: OrderedDict[Key, deque[float]] = OrderedDict()

    def within(self, key: Key, seconds: float) -> Sequence[float]:
        """When `key` was counted in the last `seconds`, oldest first; what is older is forgotten."""
        window = self._counted.get(key)
        if window is None:
            return ()
        self._counted.move_to_end(key)
        oldest = self._clock.monotonic() - seconds
        while window and window[0] <= oldest:
            window.popleft()
        return window

    def count(self, key: Key) -> None:
        self._counted.setdefault(key, deque()).append(self._clock.monotonic())
        self._counted.move_to_end(key)
        if len(self._counted) > MAX_KEYS:
            self._counted.popitem(last=False)
