"""Two replicas on one PostgreSQL: both take mail, and each knows at once what reached the other."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2
import pytest
from mcp.client.streamable_http import streamable_http_client
from mcp.client.subscriptions import ResourceUpdated

from e2a_core.contract.api_keys import CreateAPIKeyRequest
from mcp import Client
from tests.processes.serving import (
    ASSISTANT,
    Correspondent,
    Relay,
    Server,
    beside,
    environment,
    open_relay,
)
from tests.support.dns import DnsServer
from tests.support.waiting import until

pytestmark = [
    pytest.mark.anyio,
    pytest.mark.slow,
    pytest.mark.apart,
    pytest.mark.parametrize("database_kind", ["postgresql"]),
]

INBOX = f"mail://{ASSISTANT}/inbox"
SENDS = 30


@dataclass(frozen=True)
class Replica:
    """One of the servers: its SMTP door, and an MCP client at its HTTP door."""

    smtp: tuple[str, int]
    mcp: Client

    async def receive(self, message_id: str) -> None:
        await Correspondent(lambda: self.smtp).send(message_id)

    async def call(self, tool: str, **arguments: Any) -> dict[str, Any]:
        result = await self.mcp.call_tool(tool, arguments)
        assert not result.is_error, result
        content: dict[str, Any] = result.structured_content
        return content

    async def all_sent(self) -> bool:
        messages = (await self.call("list_messages", direction="outbound", limit=SENDS))["messages"]
        assert len(messages) == SENDS
        return all(message["delivery_status"] == "sent" for message in messages)


@pytest.fixture
async def relay() -> AsyncIterator[Relay]:
    async with open_relay() as opened:
        yield opened


@pytest.fixture
async def replicas(
    tmp_path: Path, database_url: str, dns: DnsServer, relay: Relay
) -> AsyncIterator[tuple[Replica, Replica]]:
    shared = {
        **relay.settings,
        "database_url": database_url,
        "hmac_secret": "one secret of all replicas, of enough octets",
        "send_rate_per_minute": "10000",
    }
    environs = [environment(tmp_path / name, dns, **shared) for name in ("a", "b")]
    async with beside(environs[0]) as engine:
        owner = await engine.home_session(scope="account")
        request = CreateAPIKeyRequest(name="test", scope="agent", agent_email=ASSISTANT)
        key = (await owner.api_keys.create(request)).key
    servers = [Server(environ) for environ in environs]
    try:
        async with AsyncExitStack() as stack:
            first, second = [await stack.enter_async_context(_connected(server, key)) for server in servers]
            yield first, second
    finally:
        for server in servers:
            server.close()


@asynccontextmanager
async def _connected(server: Server, key: str) -> AsyncIterator[Replica]:
    url = (await server.leading())["mcp"]
    async with (
        httpx2.AsyncClient(headers={"Authorization": f"Bearer {key}"}, timeout=20) as http,
        Client(streamable_http_client(url, http_client=http), mode="2026-07-28") as client,
    ):
        yield Replica(await server.smtp(), client)


async def test_mail_at_either_door_is_told_and_seen_at_both(replicas: tuple[Replica, Replica]) -> None:
    assert replicas[0].smtp != replicas[1].smtp
    for here, there in (replicas, replicas[::-1]):
        async with here.mcp.listen(resource_subscriptions=[INBOX]) as told:
            await there.receive(f"<to-{there.smtp[1]}@example.org>")
            async with asyncio.timeout(5):
                assert await anext(told) == ResourceUpdated(INBOX)
    listings = [await replica.call("list_messages") for replica in replicas]
    first, second = ([message["id"] for message in listing["messages"]] for listing in listings)
    assert first == second
    assert len(first) == 2


async def test_each_message_is_submitted_by_one_of_them(
    replicas: tuple[Replica, Replica], relay: Relay
) -> None:
    await asyncio.gather(
        *(
            replicas[number % 2].call(
                "send_message", to=["bob@example.org"], subject=f"number {number}", text="Hello."
            )
            for number in range(SENDS)
        )
    )
    await until(lambda: len(relay.taken) >= SENDS)
    for replica in replicas:
        await until(replica.all_sent)
    assert Counter(relay.taken) == {f"number {number}": 1 for number in range(SENDS)}
