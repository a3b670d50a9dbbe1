"""Connections that die, and what is done again because of it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest

from e2a_core.clock import SystemClock
from e2a_core.contract.api_keys import DeleteApiKeyResult
from e2a_core.errors import Unavailable
from e2a_core.remote.client import ApiClient, Deployment
from tests.support.listening import vacant_port

pytestmark = pytest.mark.anyio

BODY = b'{"deleted":true,"id":"x"}'
ANSWER = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s" % (
    len(BODY),
    BODY,
)


class Forgetful:
    """Answers the first request of each connection and hangs up on the second, as after an idle time."""

    def __init__(self) -> None:
        self.requests = 0
        self.port = 0
        self.answers = 1

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        answered = 0
        try:
            while await reader.readuntil(b"\r\n\r\n"):
                self.requests += 1
                if answered >= self.answers:
                    return
                answered += 1
                writer.write(ANSWER)
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            return
        finally:
            writer.close()


@asynccontextmanager
async def forgetful() -> AsyncIterator[tuple[Forgetful, ApiClient]]:
    peer = Forgetful()
    server = await asyncio.start_server(peer.serve, "127.0.0.1", 0)
    peer.port = server.sockets[0].getsockname()[1]
    deployment = Deployment(f"http://127.0.0.1:{peer.port}", SystemClock())
    try:
        async with asyncio.timeout(20):
            yield peer, ApiClient(deployment, "key")
    finally:
        await deployment.close()
        server.close()
        await server.wait_closed()


Ask = Callable[[ApiClient], Awaitable[DeleteApiKeyResult]]

SAFE: dict[str, Ask] = {
    "reading": lambda api: api.call(DeleteApiKeyResult, "GET", "/v1/x"),
    "putting": lambda api: api.call(DeleteApiKeyResult, "PUT", "/v1/x"),
    "with a key": lambda api: api.call(DeleteApiKeyResult, "POST", "/v1/x", headers={"Idempotency-Key": "k"}),
}
UNSAFE: dict[str, Ask] = {
    "posting": lambda api: api.call(DeleteApiKeyResult, "POST", "/v1/x"),
    "on a condition": lambda api: api.call(DeleteApiKeyResult, "PATCH", "/v1/x", headers={"If-Match": '"1"'}),
    "deleting an account": lambda api: api.call(DeleteApiKeyResult, "DELETE", "/v1/x", repeatable=False),
}


@pytest.mark.parametrize("what", SAFE)
async def test_a_dead_connection_costs_what_is_safe_one_repetition(what: str) -> None:
    async with forgetful() as (peer, api):
        await SAFE["reading"](api)
        assert (await SAFE[what](api)).id == "x"
        assert peer.requests == 3


@pytest.mark.parametrize("what", UNSAFE)
async def test_what_is_not_safe_is_not_repeated(what: str) -> None:
    async with forgetful() as (peer, api):
        await SAFE["reading"](api)
        with pytest.raises(Unavailable) as lost:
            await UNSAFE[what](api)
        assert peer.requests == 2
    assert lost.value.retryable is False
    assert "may have been done" in lost.value.message


async def test_there_is_one_repetition_only() -> None:
    async with forgetful() as (peer, api):
        peer.answers = 0
        with pytest.raises(Unavailable) as lost:
            await SAFE["reading"](api)
        assert peer.requests == 2
    assert lost.value.retryable is True


async def test_nobody_there_is_unavailable_and_nothing_was_done() -> None:
    with vacant_port() as port:
        deployment = Deployment(f"http://127.0.0.1:{port}", SystemClock())
        with pytest.raises(Unavailable) as refused:
            await UNSAFE["posting"](ApiClient(deployment, "key"))
        await deployment.close()
    assert refused.value.retryable is True
