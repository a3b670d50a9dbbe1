"""Tells other processes of commits, many commits with one notification."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable

from e2a_core.errors import StoreUnavailable

__all__ = ["Notifier"]

logger = logging.getLogger(__name__)

PAUSE_SECONDS = 0.01
"""Between two notifications: a hundred a second are enough for listeners, and each takes a lock of the whole server."""


class Notifier:
    """Calls `send` after each `request`, once for all requests that come during a call and the pause after it.

    A notification that cannot be sent is dropped: listeners also look without one.
    """

    def __init__(self, send: Callable[[], Awaitable[None]]) -> None:
        self._send = send
        self._wanted = False
        self._task: asyncio.Task[None] | None = None

    def request(self) -> None:
        self._wanted = True
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._send_until_quiet(), name="notify other processes")

    async def close(self) -> None:
        """End after the notification that is wanted, if any."""
        if self._task is not None:
            await asyncio.wait([self._task])

    async def _send_until_quiet(self) -> None:
        while self._wanted:
            self._wanted = False
            try:
                await self._send()
            except StoreUnavailable as error:
                logger.debug("other processes were not notified: %s", error)
            await asyncio.sleep(PAUSE_SECONDS)
