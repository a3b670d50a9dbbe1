"""The HTTP application of a running home, on a socket."""

from __future__ import annotations

from collections.abc import AsyncIterator

import httpx
import pytest

from tests.engine.conftest import agent, engine, home, owner, sink
from tests.support.home import Home
from tests.support.waiting import PATIENCE_SECONDS

__all__ = ["agent", "engine", "home", "owner", "sink"]


@pytest.fixture
async def browser(home: Home) -> AsyncIterator[httpx.AsyncClient]:
    """Somebody without any credential."""
    async with home.listening() as url, httpx.AsyncClient(base_url=url, timeout=PATIENCE_SECONDS) as client:
        yield client
