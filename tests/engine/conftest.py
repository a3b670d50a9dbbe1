"""A running deployment over each database, and the sessions its tests speak through: in its own process, and over
the API of a listener of it.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from e2a_core.contract.engine import Engine, Session
from e2a_core.ids import Ids
from e2a_core.remote.engine import RemoteEngine
from tests.support.dns import DnsServer
from tests.support.home import EventLog, Home, Keys, open_home_for_test
from tests.support.smtp_sink import SmtpSink

UNHURRIED = {"poll_rate_per_minute": "1000000"}
"""Tests look more often than a client may."""


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "engine" in metafunc.fixturenames:
        local_only = metafunc.definition.get_closest_marker("local_only")
        metafunc.parametrize("engine", ["local"] if local_only else ["local", "remote"], indirect=True)


@pytest.fixture
async def sink() -> AsyncIterator[SmtpSink]:
    """The upstream relay of homes that are `relayed`."""
    async with SmtpSink() as server:
        yield server


@pytest.fixture
async def home(
    request: pytest.FixtureRequest,
    tmp_path: Path,
    database_url: str,
    dns: DnsServer,
    keys: Keys,
    sink: SmtpSink,
) -> AsyncIterator[Home]:
    """A sandbox; with the marker `relayed` one whose upstream relay is `sink`. `settings(...)` changes settings."""
    relay = sink if request.node.get_closest_marker("relayed") else None
    marker = request.node.get_closest_marker("settings")
    settings = {**UNHURRIED, **(marker.kwargs if marker else {})}
    async with open_home_for_test(tmp_path, database_url, dns, keys, sink=relay, **settings) as opened:
        yield opened


@pytest.fixture
async def engine(request: pytest.FixtureRequest, home: Home) -> AsyncIterator[Engine]:
    """The subject: the deployment itself, or a client of it."""
    if getattr(request, "param", "local") == "local":
        yield home.local
        return
    async with home.listening() as url:
        remote = RemoteEngine(url, home.account_key, clock=home.clock, ids=Ids())
        try:
            yield remote
        finally:
            await remote.close()


@pytest.fixture
async def owner(engine: Engine, home: Home) -> Session:
    return await engine.session(home.account_key)


@pytest.fixture
async def agent(engine: Engine, home: Home) -> Session:
    return await engine.session(home.agent_key)


@pytest.fixture
async def events(home: Home) -> AsyncIterator[EventLog]:
    """Every event of the account from the start of the test, as the deployment itself tells them."""
    async with EventLog(await home.local.session(home.account_key)) as log:
        yield log
