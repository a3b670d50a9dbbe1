"""The SMTP listener: opens the sockets, tracks the sessions and shuts down in order."""

from __future__ import annotations

import asyncio
import logging
import ssl

from e2a_core.smtpserver.connection import IntakeContext, SmtpConnection
from e2a_core.smtpserver.counters import IntakeCounters
from e2a_core.smtpserver.limits import IntakeLimits
from e2a_core.smtpserver.protocol import SmtpSession
from e2a_core.smtpserver.proxy import TrustedProxies
from e2a_core.smtpserver.session import Receiver
from e2a_core.smtpserver.throttle import ConnectionThrottle, DataMemory, address_block

__all__ = ["SmtpListener"]

_BACKLOG = 256
"""Connections that the kernel queues while the event loop is busy."""

_log = logging.getLogger(__name__)


class SmtpListener:
    """Accepts SMTP on `host`:`port` (port 0 picks a free one) and passes messages to `receiver`.

    `hostname` appears in the greeting. A TLS context enables STARTTLS. `counters` may be read at any time.
    """

    def __init__(
        self,
        receiver: Receiver,
        *,
        hostname: str,
        host: str = "127.0.0.1",
        port: int = 2525,
        limits: IntakeLimits | None = None,
        tls: ssl.SSLContext | None = None,
        proxies: TrustedProxies | None = None,
    ) -> None:
        limits = limits or IntakeLimits()
        self.counters = IntakeCounters()
        self._host = host
        self._port = port
        self._sessions: set[SmtpConnection] = set()
        self._server: asyncio.Server | None = None
        self._stopping = False
        self._all_closed = asyncio.Event()
        self._all_closed.set()
        self._context = IntakeContext(
            receiver=receiver,
            hostname=hostname,
            limits=limits,
            tls=tls,
            proxies=proxies or TrustedProxies(),
            counters=self.counters,
            throttle=ConnectionThrottle(total=limits.connections, per_address=limits.connections_per_address),
            memory=DataMemory(limits.data_memory_octets),
            opened=self._opened,
            closed=self._closed,
            make_room=self._make_room,
        )

    @property
    def addresses(self) -> tuple[tuple[str, int], ...]:
        """The (host, port) pairs bound; empty unless started."""
        if self._server is None:
            return ()
        return tuple((str(name[0]), int(name[1])) for name in (s.getsockname() for s in self._server.sockets))

    async def start(self) -> None:
        """Start accepting connections. Raises OSError if the address cannot be bound."""
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(
            lambda: SmtpSession(self._context, loop), self._host, self._port, backlog=_BACKLOG
        )
        _log.info("SMTP server listening on %s", self.addresses)

    async def stop(self, grace_seconds: float) -> None:
        """Stop accepting connections and close idle ones; commands in progress get `grace_seconds` to finish."""
        if self._server is None:
            return
        self._stopping = True
        self._server.close()
        for session in list(self._sessions):
            session.drain()
        try:
            async with asyncio.timeout(grace_seconds):
                await self._all_closed.wait()
        except TimeoutError:
            _log.warning("%d SMTP sessions aborted at shutdown", len(self._sessions))
            for session in list(self._sessions):
                session.abort()
            await self._all_closed.wait()
        self._server = None

    def _make_room(self, address: str | None) -> bool:
        """Ends the session that has said nothing for longest, if that is too long. Returns False if there is none."""
        latest = asyncio.get_running_loop().time() - self._context.limits.silent_seconds
        block = None if address is None else address_block(address)
        silent = [
            (session.silent_since, session)
            for session in self._sessions
            if session.silent_since is not None
            and session.silent_since <= latest
            and (block is None or address_block(session.peer.ip or "") == block)
        ]
        if not silent:
            return False
        min(silent, key=lambda item: item[0])[1].give_way()
        return True

    def _opened(self, session: SmtpConnection) -> None:
        self._sessions.add(session)
        self._all_closed.clear()
        if self._stopping:
            session.drain()

    def _closed(self, session: SmtpConnection) -> None:
        self._sessions.discard(session)
        if not self._sessions:
            self._all_closed.set()
