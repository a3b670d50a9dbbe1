"""The server of a tier in this process and the HTTP application on a real listener, each over the engine in memory;
and a whole relay with its `/mcp`, or with that of an `e2a-mcp` that acts through its API.
"""

from __future__ import annotations

import os
import socket
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import anyio
import httpx2
import pytest
import uvicorn
from mcp.client.streamable_http import streamable_http_client

from e2a_core.clock import SystemClock
from e2a_core.contract.engine import Engine
from e2a_core.http.listener import HttpListener
from e2a_core.ids import Ids
from e2a_core.remote import watching
from e2a_core.remote.engine import RemoteEngine, open_remote_engine
from e2a_core.settings import Address, Settings, load_settings
from e2a_mcp.home import home_application
from e2a_mcp.listening import application
from e2a_mcp.metrics import Metrics
from e2a_mcp.server import build_server
from e2a_mcp.tiers import Tier
from e2a_mcp.tool import Services
from mcp import Client
from tests.support.dns import DnsServer
from tests.support.home import Home, Keys, correspondents, open_home_for_test

from .memory import MemoryEngine
from .relay import LEGACY, MODERN, Relay, local_relay, remote_relay

SAME_CODE = {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
"""For children whose environment is made anew: they import what the test does."""

Connect = Callable[..., AbstractAsyncContextManager[Client]]


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "local_only(reason): what the API does not offer or tell")
    config.addinivalue_line("markers", "remote_only(reason): what only a client of the API does")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    for fixture, scope in (("served", "function"), ("relay", "module")):
        if fixture in metafunc.fixturenames:
            marked = metafunc.definition.get_closest_marker
            subjects = [
                *([] if marked("remote_only") else ["local"]),
                *([] if marked("local_only") else ["remote"]),
            ]
            metafunc.parametrize(fixture, subjects, indirect=True, scope=scope)


@pytest.fixture(scope="module")
def anyio_backend() -> str:
    """As everywhere, for the fixtures of a module too."""
    return "asyncio"


@pytest.fixture(params=[LEGACY, MODERN])
def era(request: pytest.FixtureRequest) -> str:
    mode: str = request.param
    return mode


@pytest.fixture
def engine() -> MemoryEngine:
    return MemoryEngine()


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return load_settings({"E2A_HOME": str(tmp_path)})


@pytest.fixture
def connect(engine: MemoryEngine) -> Connect:
    """Connects the official client to a server of a tier, without a transport between."""

    @asynccontextmanager
    async def connected(
        tier: Tier = "agent",
        *,
        mode: str = MODERN,
        email: str | None = None,
        roots: tuple[Path, ...] = (),
        legacy_tools: bool = False,
        profiles: frozenset[str] = frozenset(),
        ids: Ids | None = None,
        **options: Any,
    ) -> AsyncIterator[Client]:
        session = await engine.home_session(agent_email=email, scope=tier)

        async def sessions(_: Any) -> Any:
            return session

        services = Services(SystemClock(), ids or Ids(), roots)
        server = build_server(
            tier, sessions, services, Metrics(), profiles=lambda _: profiles, legacy_tools=legacy_tools
        )
        with anyio.fail_after(20):
            async with Client(server, mode=mode, **options) as client:
                yield client

    return connected


@dataclass
class Listener:
    """The HTTP application as it runs."""

    base: str
    engine: MemoryEngine

    @property
    def url(self) -> str:
        return f"{self.base}/mcp"

    @asynccontextmanager
    async def client(self, key: str, mode: str = MODERN, **options: Any) -> AsyncIterator[Client]:
        async with httpx2.AsyncClient(headers={"Authorization": f"Bearer {key}"}, timeout=20) as http:
            with anyio.fail_after(20):
                async with Client(
                    streamable_http_client(self.url, http_client=http), mode=mode, **options
                ) as client:
                    yield client


@pytest.fixture
async def listener(engine: MemoryEngine, settings: Settings) -> AsyncIterator[Listener]:
    async with listening(engine, settings) as found:
        yield found


async def _until_listening(server: uvicorn.Server) -> None:
    with anyio.fail_after(10):
        while not server.started:  # noqa: ASYNC110 - uvicorn has no event for it
            await anyio.sleep(0.01)


@asynccontextmanager
async def listening(engine: Engine, settings: Settings) -> AsyncIterator[Listener]:
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        port = bound.getsockname()[1]
        server = uvicorn.Server(
            uvicorn.Config(application(engine, settings), log_config=None, timeout_graceful_shutdown=1)
        )
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(server.serve, [bound])
            await _until_listening(server)
            yield Listener(f"http://127.0.0.1:{port}", engine)  # type: ignore[arg-type]
            server.should_exit = True


@pytest.fixture(scope="session")
def keys() -> Keys:
    return Keys.make()


@pytest.fixture(scope="session")
def dns(keys: Keys) -> Iterator[DnsServer]:
    with DnsServer(correspondents(keys)) as server:
        yield server


@pytest.fixture
async def home(tmp_path: Path, dns: DnsServer, keys: Keys) -> AsyncIterator[Home]:
    async with open_home_for_test(tmp_path, "", dns, keys) as opened:
        yield opened


@pytest.fixture(scope="module")
async def shared_home(
    tmp_path_factory: pytest.TempPathFactory, dns: DnsServer, keys: Keys
) -> AsyncIterator[Home]:
    folder = tmp_path_factory.mktemp("shared")
    async with open_home_for_test(folder, "", dns, keys, poll_rate_per_minute="1000000") as opened:
        yield opened


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
        async with listening(home.local, home.local.core.settings) as found:
            home.local.core.base_url = found.base
            yield found
        return
    async with remote_of(home) as (engine, settings), listening(engine, settings) as found:
        yield found


@asynccontextmanager
async def remote_of(home: Home) -> AsyncIterator[tuple[RemoteEngine, Settings]]:
    """What `e2a-mcp` opens with the key of this home, and its settings."""
    listener = HttpListener(home_application(home.local), Address("127.0.0.1", 0))
    await listener.start()
    home.local.core.base_url = listener.url
    settings = replace(home.local.core.settings, api_url=listener.url, api_key=home.account_key)
    engine = await open_remote_engine(settings)
    try:
        yield engine, settings
    finally:
        await engine.close()
        await listener.stop(5)
