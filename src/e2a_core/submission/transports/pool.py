"""A small pool of connections to the upstream relay."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass

from e2a_core.submission.transports.session import SmtpSession

__all__ = ["Lease", "SessionPool"]


@dataclass(frozen=True, slots=True)
class Lease:
    """A session for one message; `reused` is True if it transferred another before."""

    session: SmtpSession
    reused: bool


class SessionPool:
    """Has at most `max_connections` sessions, and closes those idle for `idle_seconds`.

    An idle session is checked before it is reused, because relays disconnect idle clients.
    """

    def __init__(
        self, open_session: Callable[[], Awaitable[SmtpSession]], *, max_connections: int, idle_seconds: float
    ) -> None:
        self._open = open_session
        self._max_connections = max_connections
        self._idle_seconds = idle_seconds
        self._slots = asyncio.Semaphore(max_connections)
        self._idle: list[tuple[SmtpSession, float]] = []
        self._reaper: asyncio.TimerHandle | None = None
        self._closing: set[asyncio.Task[None]] = set()

    @asynccontextmanager
    async def lease(self, *, fresh: bool = False) -> AsyncIterator[Lease]:
        """Leases a session, after waiting for a free slot; `fresh` opens a new one. Raises `RelayUnavailable`."""
        async with self._slots:
            kept = None if fresh else await self._take_kept()
            session = kept or await self._open()
            try:
                yield Lease(session, kept is not None)
            except BaseException:
                session.abort()
                raise
            self._keep(session)

    async def aclose(self) -> None:
        """Closes all sessions, after waiting for those in use."""
        for _ in range(self._max_connections):
            await self._slots.acquire()
        if self._reaper is not None:
            self._reaper.cancel()
        sessions, self._idle = self._idle, []
        await asyncio.gather(*(session.close() for session, _ in sessions), *self._closing)
        for _ in range(self._max_connections):
            self._slots.release()

    async def _take_kept(self) -> SmtpSession | None:
        while self._idle:
            session, _ = self._idle.pop()
            try:
                if session.is_open and await session.is_alive():
                    return session
            except BaseException:
                session.abort()
                raise
            session.abort()
        return None

    def _keep(self, session: SmtpSession) -> None:
        if not session.is_open:
            session.abort()
            return
        loop = asyncio.get_running_loop()
        self._idle.append((session, loop.time()))
        if self._reaper is None:
            self._reaper = loop.call_later(self._idle_seconds, self._reap)

    def _reap(self) -> None:
        """Closes the sessions that were idle long enough; the list is in the order of their last use."""
        loop = asyncio.get_running_loop()
        self._reaper = None
        while self._idle and loop.time() - self._idle[0][1] >= self._idle_seconds:
            session, _ = self._idle.pop(0)
            task = loop.create_task(session.close())
            self._closing.add(task)
            task.add_done_callback(self._closing.discard)
        if self._idle:
            due = self._idle[0][1] + self._idle_seconds
            self._reaper = loop.call_at(due, self._reap)
