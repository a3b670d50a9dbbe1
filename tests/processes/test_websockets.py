"""WebSockets of servers that are processes of their own: two replicas, a server that is killed, and many clients."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path

import pytest
import websockets
from e2a.v1 import AsyncE2AClient
from websockets.asyncio.client import ClientConnection
from websockets.exceptions import ConnectionClosed, InvalidStatus

from e2a_core.contract.api_keys import CreateAPIKeyRequest
from e2a_core.http.websocket import MAX_OBSERVERS
from tests.processes.serving import ASSISTANT, Correspondent, Server, beside, environment
from tests.support.dns import DnsServer
from tests.support.waiting import until

pytestmark = [pytest.mark.anyio, pytest.mark.slow, pytest.mark.apart]

ROUNDS = 3


async def key_of(environ: dict[str, str]) -> str:
    async with beside(environ) as engine:
        owner = await engine.home_session(scope="account")
        request = CreateAPIKeyRequest(name="test", scope="agent", agent_email=ASSISTANT)
        return (await owner.api_keys.create(request)).key


def connect(http: str, key: str, *, observe: bool = False) -> websockets.connect:
    url = http.replace("http", "ws", 1) + f"/v1/agents/{ASSISTANT}/ws" + ("?observe=true" if observe else "")
    return websockets.connect(url, additional_headers={"Authorization": f"Bearer {key}"}, proxy=None)


async def subject(connection: ClientConnection) -> str:
    async with asyncio.timeout(20):
        return str(json.loads(await connection.recv())["data"]["subject"])


@pytest.fixture
async def servers() -> AsyncIterator[list[Server]]:
    """Those started in a test; none is left behind."""
    started: list[Server] = []
    yield started
    for server in started:
        server.close()


@pytest.mark.parametrize("database_kind", ["postgresql"])
async def test_two_replicas_are_one_deployment(
    tmp_path: Path, database_url: str, dns: DnsServer, servers: list[Server]
) -> None:
    secret = "one secret of all replicas, of enough octets"
    environs = [
        environment(tmp_path / name, dns, database_url=database_url, hmac_secret=secret) for name in "ab"
    ]
    key = await key_of(environs[0])
    servers += [Server(environ) for environ in environs]
    here, there = [(await server.leading())["http"] for server in servers]
    doors = [await server.smtp() for server in servers]
    async with connect(here, key) as first:
        await Correspondent(lambda: doors[1]).send("<through-the-other@example.org>")
        assert await subject(first) == "number <through-the-other@example.org>"
        async with connect(there, key) as second:
            with pytest.raises(ConnectionClosed):
                await subject(first)
            assert (first.close_code, first.close_reason) == (4000, "replaced")
            assert await subject(second) == "number <through-the-other@example.org>"
            await Correspondent(lambda: doors[0]).send("<back@example.org>")
            assert await subject(second) == "number <back@example.org>"


# The public client reads old attributes when a connection breaks.
@pytest.mark.filterwarnings("ignore:ConnectionClosed:DeprecationWarning")
async def test_nothing_is_lost_when_the_server_is_killed(
    tmp_path: Path, database_url: str, dns: DnsServer, servers: list[Server]
) -> None:
    """The public client connects again by itself; each message reaches it, however often."""
    environ = environment(tmp_path / "home", dns, database_url=database_url)
    key = await key_of(environ)
    servers.append(Server(environ))
    http = (await servers[-1].leading())["http"]
    environ["E2A_HTTP_LISTEN"] = http.removeprefix("http://")
    told: dict[str, set[str]] = {}
    client = AsyncE2AClient(api_key=key, base_url=http)

    async def listen() -> None:
        async for event in client.listen(ASSISTANT):
            told.setdefault(event.data["subject"], set()).add(event.id)

    listening = asyncio.create_task(listen())
    door = await servers[-1].smtp()
    sender = Correspondent(lambda: door)
    lanes = [asyncio.create_task(sender.keep_sending(lane)) for lane in range(2)]
    for _ in range(ROUNDS):
        await sender.until_acknowledged(5)
        await servers[-1].kill()
        servers.append(Server(environ))
        door = await servers[-1].smtp()
    sender.stop()
    await asyncio.wait(lanes)
    await until(lambda: {f"number {id}" for id in sender.acknowledged} <= told.keys(), seconds=60)
    listening.cancel()
    await asyncio.wait([listening])
    await client.aclose()
    assert all(len(ids) == 1 for ids in told.values())


@pytest.mark.parametrize("database_kind", ["sqlite"])
async def test_as_many_as_may_observe_an_inbox_are_each_told(
    tmp_path: Path, database_url: str, dns: DnsServer, servers: list[Server]
) -> None:
    environ = environment(tmp_path / "home", dns, database_url=database_url)
    key = await key_of(environ)
    servers.append(Server(environ))
    http = (await servers[-1].leading())["http"]
    door = await servers[-1].smtp()
    async with AsyncExitStack() as stack:
        observing = [connect(http, key, observe=True) for _ in range(MAX_OBSERVERS)]
        connections = [await stack.enter_async_context(item) for item in observing]
        with pytest.raises(InvalidStatus, match="503"):
            await connect(http, key, observe=True)
        await Correspondent(lambda: door).send("<to-all@example.org>")
        told = await asyncio.gather(*map(subject, connections))
    assert told == ["number <to-all@example.org>"] * MAX_OBSERVERS
