"""A deployment over each database for the whole run, and the public client in both its manners."""

from __future__ import annotations

import itertools
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass

import anyio
import pytest
from anyio import to_thread
from e2a.v1 import AsyncE2AClient, E2AClient

from tests.client.driving import Driver, driver_of
from tests.support.databases import PostgresqlServer
from tests.support.serving import Served, account_key, serving


@pytest.fixture(scope="session", params=["sqlite", "postgresql"])
def served(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    folder = tmp_path_factory.mktemp("client")
    url = f"sqlite:///{folder / 'e2a.db'}"
    if request.param == "postgresql":
        server: PostgresqlServer = request.getfixturevalue("postgresql_server")
        url = anyio.run(server.create)
    with serving(folder, url) as running:
        yield running


@dataclass(frozen=True)
class Tenant:
    """An account that nobody else in the run uses."""

    email: str
    key: str

    def address(self, name: str) -> str:
        """A slug on the shared domain, which all tenants share."""
        return f"{name}-{self.email.partition('@')[0]}@agents.example"


_NUMBERS = itertools.count(1)


@pytest.fixture
async def tenant(served: Served) -> Tenant:
    email = f"tenant{next(_NUMBERS)}@example.net"
    return Tenant(email, await account_key(served, email))


@pytest.fixture(params=["async", "sync"])
async def driver(request: pytest.FixtureRequest, served: Served, tenant: Tenant) -> AsyncIterator[Driver]:
    """The tenant's client; the synchronous one is called from a thread and awaited."""
    if request.param == "sync":
        blocking = E2AClient(tenant.key, base_url=served.url, max_retries=0)
        yield driver_of(blocking)
        await to_thread.run_sync(blocking.close)
        return
    async with AsyncE2AClient(tenant.key, base_url=served.url, max_retries=0) as client:
        yield driver_of(client)
