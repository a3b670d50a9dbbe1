"""A running home with a person's browser: without scripts over HTTP, and a real one (`page`)."""

from __future__ import annotations

from collections.abc import AsyncIterator

import httpx
import pytest

from tests.engine.conftest import agent, engine, home, owner, sink
from tests.pages.people import Visitor
from tests.support.home import Home

__all__ = ["agent", "engine", "home", "owner", "sink"]


@pytest.fixture
async def url(home: Home) -> AsyncIterator[str]:
    async with home.listening() as address:
        yield address


@pytest.fixture
async def stranger(url: str) -> AsyncIterator[httpx.AsyncClient]:
    """Somebody who is not signed in."""
    async with httpx.AsyncClient(base_url=url, headers={"Accept": "text/html"}) as client:
        yield client


@pytest.fixture
async def visitor(home: Home, url: str) -> AsyncIterator[Visitor]:
    """The owner, signed in by a link."""
    async with Visitor(home, url) as person:
        await person.sign_in()
        yield person
