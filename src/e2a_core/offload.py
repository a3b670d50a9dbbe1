"""Runs long work on a thread, so that the event loop keeps serving everyone else.

Whoever sends mail chooses what it costs to read. The interpreter lets the loop run every few milliseconds while a
thread works, but only between steps: so a single step, such as one regular expression, must be short as well.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import ParamSpec, TypeVar

__all__ = ["MAX_ON_LOOP_OCTETS", "Offload"]

MAX_ON_LOOP_OCTETS = 16 * 1024
"""Smaller mail is read on the loop: even the worst takes under 50 ms, and a thread costs ordinary mail 0.1 ms."""
MAX_THREADS = 2
"""The loop competes with each busy thread for the interpreter, so further work waits for its turn."""

_P = ParamSpec("_P")
_T = TypeVar("_T")


class Offload:
    """Runs functions in place or on a thread, by the size of what they work on."""

    def __init__(self) -> None:
        self._turns = asyncio.Semaphore(MAX_THREADS)

    async def run(self, octets: int, work: Callable[_P, _T], *args: _P.args, **kwargs: _P.kwargs) -> _T:
        """The result of `work`, which takes time in proportion to `octets`. Raises what `work` raises."""
        if octets <= MAX_ON_LOOP_OCTETS:
            return work(*args, **kwargs)
        async with self._turns:
            return await asyncio.to_thread(work, *args, **kwargs)
