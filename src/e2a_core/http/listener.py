"""An HTTP listener inside a process that does other things too."""

from __future__ import annotations

import asyncio
import re
import socket
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from functools import partial
from itertools import count
from typing import cast

import uvicorn
from starlette.types import ASGIApp

from e2a_core.http.connections import Connection, ConnectionLimits, Connections
from e2a_core.http.websocket_connection import MAX_FRAME_OCTETS, PING_SECONDS, PONG_SECONDS
from e2a_core.settings import ListenAddress

__all__ = ["HttpListener"]

IDLE_SECONDS = 75
"""Longer than a proxy keeps its connections, so that it never sends a request into one that closes."""
ACCEPTED_AT_ONCE = 64
"""The event loop accepts this many before the limits can close one of them."""
BACKLOG = 1024
"""Connections that the kernel queues while the event loop is busy."""
_POLL_SECONDS = 0.005
_TICK_SECONDS = 0.1
"""uvicorn writes its Date header anew at every tenth tick."""


class HttpListener:
    """Serves `app` at `address` (port 0 picks a free one); signals stay with whoever runs the process.

    Of `trusted_proxies` (addresses or CIDR ranges) the X-Forwarded headers are believed, of nobody else. Paths that
    match `sockets` take WebSockets.
    """

    def __init__(
        self,
        app: ASGIApp,
        address: ListenAddress,
        trusted_proxies: Sequence[str] = (),
        limits: ConnectionLimits | None = None,
        sockets: re.Pattern[str] | None = None,
    ) -> None:
        self._address = address
        limits = limits or ConnectionLimits()
        connections = Connections(replace(limits, trusted_proxies=trusted_proxies))
        config = uvicorn.Config(
            app,
            http=cast("type[asyncio.Protocol]", partial(Connection, connections, sockets=sockets)),
            ws="none",  # a connection brings its own
            ws_max_size=MAX_FRAME_OCTETS,
            ws_ping_interval=PING_SECONDS,
            ws_ping_timeout=PONG_SECONDS,
            ws_per_message_deflate=False,  # 40 KB of memory for each connection, for frames of one or two
            backlog=ACCEPTED_AT_ONCE,
            log_config=None,
            access_log=False,
            lifespan="on",
            timeout_keep_alive=IDLE_SECONDS,
            server_header=False,
            date_header=True,
            proxy_headers=bool(trusted_proxies),
            forwarded_allow_ips=list(trusted_proxies),
        )
        self._server = _Server(config)
        self._socket: socket.socket | None = None
        self._task: asyncio.Task[None] | None = None

    @property
    def url(self) -> str:
        """`http://HOST:PORT` with the port that was bound."""
        if self._socket is None:
            raise RuntimeError("the listener has not been started")
        return f"http://{ListenAddress(self._address.host, self._socket.getsockname()[1])}"

    @property
    def connections(self) -> int:
        """How many are open."""
        return len(self._server.server_state.connections)

    async def start(self) -> None:
        """Raises OSError when the address is taken."""
        family = socket.AF_INET6 if ":" in self._address.host else socket.AF_INET
        # With the protocol named, asyncio turns Nagle's algorithm off; else each answer waits for a delayed ACK.
        bound = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            bound.bind((self._address.host, self._address.port))
            bound.listen(BACKLOG)
        except OSError:
            bound.close()
            raise
        bound.setblocking(False)
        self._socket = bound
        self._task = asyncio.create_task(self._server.serve([bound]), name="http listener")
        while not self._server.started:
            if self._task.done():
                await self._task
                raise OSError("the HTTP application did not start")
            await asyncio.sleep(_POLL_SECONDS)
        # asyncio takes one number for both, and the queue may be longer than what is accepted at once.
        bound.listen(BACKLOG)

    async def stop(self, grace_seconds: float) -> None:
        self._server.exit()
        if self._task is None:
            return
        with suppress(TimeoutError):
            async with asyncio.timeout(grace_seconds):
                await asyncio.shield(self._task)
        if not self._task.done():
            self._server.force_exit = True
            await asyncio.wait([self._task], timeout=1)
        self._task.cancel()


class _Server(uvicorn.Server):
    """Stops when it is told to; uvicorn looks every 0.1 s, at its end too."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self._told = asyncio.Event()

    def exit(self) -> None:
        self.should_exit = True
        self._told.set()

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leaves the process's signal handlers alone."""
        yield

    async def main_loop(self) -> None:
        ticks = count()
        while not await self.on_tick(next(ticks)):
            with suppress(TimeoutError):
                async with asyncio.timeout(_TICK_SECONDS):
                    await self._told.wait()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Takes no more connections, lets open requests finish unless `force_exit` is set, and ends the application."""
        for server in self.servers:
            server.close()
        for bound in sockets or ():
            bound.close()
        for connection in list(self.server_state.connections):
            connection.shutdown()
        state = self.server_state
        while not self.force_exit:
            if not (state.connections or state.tasks):
                break
            await asyncio.sleep(_POLL_SECONDS)
        if not self.force_exit:
            await self.lifespan.shutdown()
