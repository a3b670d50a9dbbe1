"""Opens the engine in the background, so that the MCP handshake does not wait for it."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import anyio

from e2a_core.contract.engine import Engine
from e2a_core.errors import E2AError, SettingsError, Unavailable
from e2a_core.settings import Settings

__all__ = ["EngineOpener", "LazyEngine", "NotOpened", "lazy_engine"]

_log = logging.getLogger(__name__)

EngineOpener = Callable[[Settings], Awaitable[Engine]]

OPEN_ANYWAY_SECONDS = 1.5
"""When to open if the client has not listed the tools by then.

The engine normally opens in the pause after `tools/list`. Without a listing, the home still needs its listeners.
"""


class NotOpened(Unavailable):
    """Opening the engine failed, and it is not tried again."""

    retryable = False


class LazyEngine:
    """An engine that is opened on first use, or after a delay set by `want_after`."""

    def __init__(self) -> None:
        self._wanted = anyio.Event()
        self._settled = anyio.Event()
        self._opening = False
        self._engine: Engine | None = None

    def want_after(self, seconds: float) -> None:
        """Requests that the engine opens in `seconds`, and returns at once."""
        asyncio.get_running_loop().call_later(seconds, self._wanted.set)

    @property
    def failed(self) -> bool:
        return self._settled.is_set() and self._engine is None

    async def get(self) -> Engine:
        """Returns the engine, waiting until it is open. Raises `NotOpened` when opening failed."""
        self._wanted.set()
        await self._settled.wait()
        if self._engine is None:
            raise NotOpened("the mailbox could not be opened; this server's standard error has the reason")
        return self._engine

    async def settled(self) -> None:
        """Returns once the engine is open, or could not be opened, without requesting that."""
        await self._settled.wait()

    async def open(self, settings: Settings, opener: EngineOpener) -> None:
        """Opens the engine once it is wanted. A failure is logged here and raised to every caller of `get`."""
        with anyio.move_on_after(OPEN_ANYWAY_SECONDS):
            await self._wanted.wait()
        # Opening is never cut off: a half-made home would be worse than a late exit.
        with anyio.CancelScope(shield=True):
            self._opening = True
            try:
                self._engine = await opener(settings)
            except (SettingsError, E2AError, OSError) as problem:
                _log.error("%s", problem)
            finally:
                self._settled.set()

    async def close(self) -> None:
        """Closes the engine; if it is being opened, waits for that first."""
        with anyio.CancelScope(shield=True):
            if self._opening:
                await self._settled.wait()
            if self._engine is not None:
                await self._engine.close()


@asynccontextmanager
async def lazy_engine(settings: Settings, opener: EngineOpener) -> AsyncIterator[LazyEngine]:
    """Yields a `LazyEngine`, and closes its engine at the end if it was opened."""
    engine = LazyEngine()
    try:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(engine.open, settings, opener)
            yield engine
            tasks.cancel_scope.cancel()
    finally:
        await engine.close()
