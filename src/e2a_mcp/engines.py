"""An engine that is opened while the handshake goes on."""

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

# A client asks for the tools at once and then thinks; opening in that pause costs it nothing. One that never
# asks still gets its listeners.
OPEN_ANYWAY_SECONDS = 1.5


class NotOpened(Unavailable):
    """The engine is not there and will not be."""

    retryable = False


class LazyEngine:
    """An engine that is opened when it is first needed, or soon after there is time to."""

    def __init__(self) -> None:
        self._wanted = anyio.Event()
        self._settled = anyio.Event()
        self._opening = False
        self._engine: Engine | None = None

    def want_after(self, seconds: float) -> None:
        """Starts the opening a little later, without waiting for it."""
        asyncio.get_running_loop().call_later(seconds, self._wanted.set)

    @property
    def failed(self) -> bool:
        return self._settled.is_set() and self._engine is None

    async def get(self) -> Engine:
        """Raises `NotOpened` when the engine could not be opened."""
        self._wanted.set()
        await self._settled.wait()
        if self._engine is None:
            raise NotOpened("the mailbox could not be opened; this server's standard error has the reason")
        return self._engine

    async def open(self, settings: Settings, opener: EngineOpener) -> None:
        """A failure is logged at once and told to every caller: standard input may stay open for long."""
        with anyio.move_on_after(OPEN_ANYWAY_SECONDS):
            await self._wanted.wait()
        # Once begun it is finished: a home half made by a client that hung up would be worse than a late exit.
        with anyio.CancelScope(shield=True):
            self._opening = True
            try:
                self._engine = await opener(settings)
            except (SettingsError, E2AError, OSError) as problem:
                _log.error("%s", problem)
            finally:
                self._settled.set()

    async def close(self) -> None:
        """Closes the engine, waiting for its opening if that has begun."""
        with anyio.CancelScope(shield=True):
            if self._opening:
                await self._settled.wait()
            if self._engine is not None:
                await self._engine.close()


@asynccontextmanager
async def lazy_engine(settings: Settings, opener: EngineOpener) -> AsyncIterator[LazyEngine]:
    """A `LazyEngine` for the time of the block; leaving closes the engine if it was opened."""
    engine = LazyEngine()
    try:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(engine.open, settings, opener)
            yield engine
            tasks.cancel_scope.cancel()
    finally:
        await engine.close()
