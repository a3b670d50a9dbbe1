"""Sessions over HTTP: how many one credential may hold, and what its requests are called."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import anyio
import httpx2
import pytest

from e2a_mcp.replay import History
from e2a_mcp.sessions import AllInUse, SessionBook

from .relay import LEGACY, Inbox, Relay, Told

pytestmark = [
    pytest.mark.anyio,
    pytest.mark.filterwarnings("ignore:resources/(un)?subscribe:mcp.shared.exceptions.MCPDeprecationWarning"),
]

INITIALIZE = {
    "jsonrpc": "2.0",
    "id": 0,
    "method": "initialize",
    "params": {
        "protocolVersion": "2025-11-25",
        "capabilities": {},
        "clientInfo": {"name": "t", "version": "1"},
    },
}
PING = {"jsonrpc": "2.0", "id": 1, "method": "ping"}
CALL = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": "get_message", "arguments": {}}}
EACH = 50


@pytest.fixture
async def http(relay: Relay) -> AsyncIterator[httpx2.AsyncClient]:
    async with httpx2.AsyncClient(base_url=relay.base, timeout=20) as client:
        yield client


def headers(key: str, **more: str) -> dict[str, str]:
    given = {
        "Accept": "application/json, text/event-stream",
        "Content-Type": "application/json",
        "Authorization": f"Bearer {key}",
    }
    return {**given, **{name.replace("_", "-"): value for name, value in more.items()}}


async def opened(http: httpx2.AsyncClient, key: str) -> str:
    response = await http.post("/mcp", json=INITIALIZE, headers=headers(key))
    assert response.status_code == 200
    return str(response.headers["mcp-session-id"])


async def is_open(http: httpx2.AsyncClient, box: Inbox, session: str) -> bool:
    given = headers(box.key, Mcp_Session_Id=session)
    response = await http.post("/mcp", json=PING, headers=given)
    assert response.status_code in {200, 404}
    return bool(response.status_code == 200)


async def test_the_oldest_idle_session_of_a_credential_makes_room(
    relay: Relay, http: httpx2.AsyncClient
) -> None:
    box, other = await relay.inbox(), await relay.inbox()
    theirs = await opened(http, other.key)
    sessions = [await opened(http, box.key) for _ in range(EACH)]
    assert await is_open(http, box, sessions[0])
    sessions.append(await opened(http, box.key))
    # The first has been used since, so the second was the oldest.
    assert not await is_open(http, box, sessions[1])
    assert await is_open(http, box, sessions[0])
    assert await is_open(http, box, sessions[-1])
    assert await is_open(http, other, theirs)


async def test_a_session_in_use_is_not_ended_and_many_at_once_are_counted(
    relay: Relay, http: httpx2.AsyncClient
) -> None:
    box, told, answers = await relay.inbox(), Told(), []

    async def open_one() -> None:
        answers.append(await http.post("/mcp", json=INITIALIZE, headers=headers(box.key)))

    async with box.client(LEGACY, message_handler=told) as client:
        await client.session.subscribe_resource(box.uri)
        await box.deliver()
        assert await told.next() == box.uri, "its stream is open"
        async with anyio.create_task_group() as tasks:
            for _ in range(EACH + 10):
                tasks.start_soon(open_one)
        assert {answer.status_code for answer in answers} <= {200, 503}
        sessions = [answer.headers["mcp-session-id"] for answer in answers if answer.status_code == 200]
        alive = [session for session in sessions if await is_open(http, box, session)]
        assert 0 < len(alive) < EACH
        await box.deliver()
        assert await told.next() == box.uri


async def test_only_its_own_credential_gives_a_place_back(relay: Relay, http: httpx2.AsyncClient) -> None:
    box, other = await relay.inbox(), await relay.inbox()
    first, second = await opened(http, box.key), await opened(http, box.key)
    foreign = headers(other.key, Mcp_Session_Id=first)
    assert (await http.delete("/mcp", headers=foreign)).status_code == 404
    assert await is_open(http, box, first)
    own = headers(box.key, Mcp_Session_Id=second)
    assert (await http.delete("/mcp", headers=own)).status_code == 200
    assert not await is_open(http, box, second)


class Clock:
    def __init__(self) -> None:
        self.seconds = 0.0

    def monotonic(self) -> float:
        return self.seconds

    def now(self) -> Any:
        raise AssertionError("not asked")


def test_the_book_of_sessions() -> None:
    clock = Clock()
    book = SessionBook(clock, each=2, idle_seconds=60)
    book.opened("a", "ann", History())
    book.opened("b", "ann", History())
    assert book.superfluous("ann") == "a"
    assert book.superfluous("bob") is None
    with book.in_use("a", "bob"), book.in_use("none", "ann"):
        assert book.superfluous("ann") == "a"
    book.ended("a", "bob")
    with book.in_use("a", "ann"):
        assert book.superfluous("ann") == "b"
        with book.in_use("b", "ann"), pytest.raises(AllInUse):
            book.superfluous("ann")
    book.ended("b", "ann")
    with book.opening("ann"):
        assert book.superfluous("ann") == "a"
    assert book.superfluous("ann") is None
    book.opened("b", "ann", History())
    clock.seconds = 61
    assert book.superfluous("ann") is None, "the transport has ended both by now"


@pytest.mark.parametrize("given", ["abc-1", "3f2a1b00-aaaa-bbbb-cccc-000000000000", "1", "_x", "r" * 64])
async def test_a_request_has_one_id_its_callers_if_that_can_be_one(
    relay: Relay, http: httpx2.AsyncClient, given: str
) -> None:
    response = await http.post("/mcp", json=CALL, headers=headers(relay.home.agent_key, X_Request_Id=given))
    assert response.headers.get_list("x-request-id") == [given]
    assert response.json()["result"]["structuredContent"]["request_id"] == given


@pytest.mark.parametrize("given", ["", "r" * 129, "no good\tat all"])
async def test_another_gets_one_id_of_ours(relay: Relay, http: httpx2.AsyncClient, given: str) -> None:
    for body in (CALL, None):
        response = await http.post("/mcp", json=body, headers=headers("wrong", X_Request_Id=given))
        [made] = response.headers.get_list("x-request-id")
        assert made.startswith("req_")
        assert response.json()["error"]["data"]["request_id"] == made
