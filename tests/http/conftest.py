"""The HTTP application of a running home, on a socket."""

from __future__ import annotations

from collections.abc import AsyncIterator

import httpx
import pytest

from e2a_core.http.listener import HttpListener
from e2a_core.settings import ListenAddress
from e2a_mcp.program.home import home_application
from tests.engine.conftest import agent, engine, home, owner, sink
from tests.support.home import Home

__all__ = ["agent", "engine", "home", "owner", "sink"]


@pytest.fixture
async def browser(home: Home) -> AsyncIterator[httpx.AsyncClient]:
    """Somebody without any credential."""
    listener = HttpListener(home_application(home.local), ListenAddress("127.0.0.1", 0))
    await listener.start()
    home.local.core.links.base_url = listener.url
    try:
        async with httpx.AsyncClient(base_url=listener.url) as client:
            yield client
    finally:
        await listener.stop(5)
