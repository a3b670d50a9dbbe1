"""An application on a socket of this process."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from starlette.types import ASGIApp

from e2a_core.http.listener import HttpListener
from e2a_core.http.websocket import WEBSOCKET_PATH
from e2a_core.settings import ListenAddress

__all__ = ["listening"]

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
