"""An application on a socket of this process, and a port at which nothing listens."""

from __future__ import annotations

import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager

from starlette.types import ASGIApp

from e2a_core.http.listener import HttpListener
from e2a_core.http.websocket import WEBSOCKET_PATH
from e2a_core.settings import ListenAddress

__all__ = ["listening", "vacant_port"]

STOP_SECONDS = 5


@asynccontextmanager
async def listening(app: ASGIApp) -> AsyncIterator[str]:
    """The URL of `app`."""
    listener = HttpListener(app, ListenAddress("127.0.0.1", 0), sockets=WEBSOCKET_PATH)
    await listener.start()
    try:
        yield listener.url
    finally:
        await listener.stop(STOP_SECONDS)


@contextmanager
def vacant_port() -> Iterator[int]:
    """A port of 127.0.0.1 that refuses connections. It stays bound, so no other process can listen there meanwhile."""
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        yield int(bound.getsockname()[1])
