"""A deadline that is moved with every command and nearly never reached."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable

__all__ = ["Deadline"]


class Deadline:
    """Calls `expired` once `set` was not called again in time.

    A timer per command would cost more than many a command, so the one timer is moved only when it would fire too
    late; firing early, it looks at the clock and goes on waiting.
    """

    __slots__ = ("_at", "_expired", "_loop", "_timer")

    def __init__(self, loop: asyncio.AbstractEventLoop, expired: Callable[[], None]) -> None:
        self._loop = loop
        self._expired = expired
        self._at = math.inf
        self._timer: asyncio.TimerHandle | None = None

    def set(self, seconds: float) -> None:
        """Expire `seconds` from now instead of whenever it was."""
        self._at = self._loop.time() + seconds
        if self._timer is not None:
            if self._timer.when() <= self._at:
                return
            self._timer.cancel()
        self._timer = self._loop.call_at(self._at, self._look)

    def suspend(self) -> None:
        """Never expire, until `set` again."""
        self._at = math.inf

    def cancel(self) -> None:
        """Suspend for good, and let go of the timer."""
        self.suspend()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _look(self) -> None:
        self._timer = None
        if self._at == math.inf:
            return
        if self._loop.time() < self._at:
            self._timer = self._loop.call_at(self._at, self._look)
        else:
            self._expired()
