"""A whole relay with its `/mcp`, or with that of an `e2a-mcp` that acts through its API: for one test, or for all of a
module; and the server of a scope without a transport between.
"""

from __future__ import annotations

import os
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from e2a_core.contract.engine import Session
from e2a_core.contract.principal import Scope
from e2a_core.remote import watching
from e2a_core.remote.engine import RemoteEngine, open_remote_engine
from e2a_core.settings import Settings
from mcp import Client
from tests.support.databases import PostgresqlServer
from tests.support.dns import DnsServer
from tests.support.home import Home, Keys, open_home_for_test

from .relay import LEGACY, MODERN, Inbox, Listener, Relay, local_relay, mcp_listening, remote_relay

SAME_CODE = {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
"""For children whose environment is made anew: they import what the test does."""

SQLITE, POSTGRESQL = "sqlite", "postgresql"

Connect = Callable[..., AbstractAsyncContextManager[Client]]


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Over the deployment itself and through the API; what is marked `each_store` also over PostgreSQL."""
    marked, names = metafunc.definition.get_closest_marker, metafunc.fixturenames
    subjects = [
        *([] if marked("remote_only") else ["local"]),
        *([] if marked("local_only") else ["remote"]),
    ]
    stores = [SQLITE, POSTGRESQL] if marked("each_store") else [SQLITE]
    if "served" in names:
        metafunc.parametrize("served", subjects, indirect=True)
    if "relay" in names:
        over = [*((SQLITE, subject) for subject in subjects), *((store, "local") for store in stores[1:])]
        ids = [*subjects, *stores[1:]]
        metafunc.parametrize(("shared_home", "relay"), over, indirect=True, ids=ids, scope="module")
    elif "home" in names and len(stores) > 1:
        metafunc.parametrize("home", stores, indirect=True)


@pytest.fixture(scope="module")
def anyio_backend() -> str:
    """As everywhere, for the fixtures of a module too."""
    return "asyncio"


@pytest.fixture(params=[LEGACY, MODERN])
def era(request: pytest.FixtureRequest) -> str:
    mode: str = request.param
    return mode


@pytest.fixture
async def box(relay: Relay) -> Inbox:
    """An inbox of the module's relay that no other test uses."""
    return await relay.inbox()


@pytest.fixture
def connect(relay: Relay, box: Inbox) -> Connect:
    """Connects the official client to a server of a scope, without a transport between: as `box` or as its owner."""

    @asynccontextmanager
    async def connected(scope: Scope = "agent", **options: Any) -> AsyncIterator[Client]:
        session = await relay.engine.session(box.key if scope == "agent" else relay.home.account_key)

        async def sessions(_: object) -> Session:
            return session

        async with relay.direct(sessions, scope, **options) as client:
            yield client

    return connected


@pytest.fixture
async def home(
    request: pytest.FixtureRequest, tmp_path: Path, dns: DnsServer, keys: Keys
) -> AsyncIterator[Home]:
    async with _database_of(request) as url, open_home_for_test(tmp_path, url, dns, keys) as opened:
        yield opened


@pytest.fixture(scope="module")
async def shared_home(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, dns: DnsServer, keys: Keys
) -> AsyncIterator[Home]:
    folder = tmp_path_factory.mktemp("shared")
    async with (
        _database_of(request) as url,
        open_home_for_test(folder, url, dns, keys, poll_rate_per_minute="1000000") as opened,
    ):
        yield opened


@asynccontextmanager
async def _database_of(request: pytest.FixtureRequest) -> AsyncIterator[str]:
    """The URL of the store of a home; none means SQLite in the home's own folder."""
    if getattr(request, "param", SQLITE) == SQLITE:
        yield ""
        return
    server: PostgresqlServer = request.getfixturevalue("postgresql_server")
    url = await server.lend()
    yield url
    await server.take_back(url)


@pytest.fixture(scope="module")
async def relay(request: pytest.FixtureRequest, shared_home: Home) -> AsyncIterator[Relay]:
    """Tests look more often than is civil."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(watching, "POLL_SECONDS", 0.05)
        patch.setattr(watching, "LOOK_SECONDS", 0.005)
        async with (local_relay if request.param == "local" else remote_relay)(shared_home) as opened:
            yield opened


@pytest.fixture
async def served(request: pytest.FixtureRequest, home: Home) -> AsyncIterator[Listener]:
    if request.param == "local":
        async with mcp_listening(home.local, home.local.core.settings) as found:
            home.local.core.links.base_url = found.base
            yield found
        return
    async with remote_of(home) as (engine, settings), mcp_listening(engine, settings) as found:
        yield found


@asynccontextmanager
async def remote_of(home: Home) -> AsyncIterator[tuple[RemoteEngine, Settings]]:
    """What `e2a-mcp` opens with the key of this home, and its settings."""
    async with home.listening() as api, AsyncExitStack() as closing:
        settings = replace(home.local.core.settings, api_url=api, api_key=home.account_key)
        engine = await open_remote_engine(settings)
        closing.push_async_callback(engine.close)
        yield engine, settings
