"""How many callbacks are verified at once, and how many in a minute.

A verification is a request to a server that somebody named. Without these bounds, one key could have this deployment
call others without end, and callbacks that hang could keep those of everybody else from being verified.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from weakref import WeakValueDictionary

from e2a_core.clock import Clock
from e2a_core.errors import RateLimited
from e2a_core.sliding import SlidingWindows

__all__ = ["VerificationLimits"]

AT_ONCE = 8
"""Of this process. A callback that hangs holds a place until its time is up."""
AT_ONCE_OF_CALLER = 2
"""So that the callbacks of one caller, though all of them hang, leave places to others."""
WAIT_SECONDS = 5.0
"""For a place of the caller, and then for one of the process; clients wait for the answer meanwhile."""

PER_HOST = 60
"""In a minute: more would be an attack by means of this deployment."""
PER_CALLER = 60
"""In a minute: as many as a caller may have subscriptions, and some that fail. A host name costs nothing."""
PER_PROCESS = 300
"""In a minute, for all callers and all hosts."""
MINUTE_SECONDS = 60.0


class VerificationLimits:
    """Counts the verifications of one process."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._windows: SlidingWindows[tuple[str, str]] = SlidingWindows(clock)
        self._places = asyncio.Semaphore(AT_ONCE)
        self._places_of: WeakValueDictionary[str, asyncio.Semaphore] = WeakValueDictionary()

    def count(self, caller: str, host: str) -> None:
        """Counts one verification, or raises `RateLimited` with the time until there is room, and counts nothing."""
        windows = {
            ("for this caller", caller): PER_CALLER,
            ("on this host", host): PER_HOST,
            ("by this server", ""): PER_PROCESS,
        }
        for name, most in windows.items():
            window = self._windows.within(name, MINUTE_SECONDS)
            if len(window) >= most:
                wait = int(window[0] + MINUTE_SECONDS - self._clock.monotonic()) + 1
                raise RateLimited(f"callbacks {name[0]} were verified too often", wait)
        for name in windows:
            self._windows.count(name)

    @asynccontextmanager
    async def place(self, caller: str) -> AsyncIterator[None]:
        """Holds a place for one verification. Raises `RateLimited` if none becomes free in time."""
        own = self._places_of.setdefault(caller, asyncio.Semaphore(AT_ONCE_OF_CALLER))
        async with AsyncExitStack() as held:
            await _take(own, held, "too many callbacks of this caller are being verified")
            await _take(self._places, held, "too many callbacks are being verified")
            yield


async def _take(places: asyncio.Semaphore, held: AsyncExitStack, reason: str) -> None:
    try:
        async with asyncio.timeout(WAIT_SECONDS):
            await held.enter_async_context(places)
    except TimeoutError:
        raise RateLimited(reason, int(WAIT_SECONDS)) from None
