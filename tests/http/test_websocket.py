"""The WebSocket of an inbox: who may connect, what is told in which order, and how a connection ends."""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any, cast
from urllib.parse import quote

import httpx
import pytest
import websockets
from e2a.v1 import AsyncE2AClient
from e2a.v1.errors import E2AConnectionReplacedError, E2AError, E2ANotFoundError, E2APermissionError
from websockets.asyncio.client import ClientConnection
from websockets.exceptions import ConnectionClosed, InvalidStatus

from e2a_core.contract.agents import CreateAgentRequest
from e2a_core.contract.api_keys import CreateAPIKeyRequest
from e2a_core.contract.reviews import ApproveRequest
from e2a_core.http import edge, listener, websocket, websocket_connection
from e2a_core.http.websocket import websocket_routes
from e2a_core.push import arrivals
from e2a_core.store.events import EventRecord, append
from e2a_core.store.statement import sql
from tests.engine.mailbox import protect, send
from tests.support.home import ASSISTANT, SHARED, Home, stranger
from tests.support.receiver import receiving
from tests.support.waiting import PATIENCE_SECONDS, until

pytestmark = pytest.mark.anyio

PATH = f"/v1/agents/{quote(ASSISTANT, safe='')}/ws"
LEARNER = f"learner@{SHARED}"
UPGRADE = {
    "Connection": "keep-alive, Upgrade",
    "Upgrade": "websocket",
    "Sec-WebSocket-Version": "13",
    "Sec-WebSocket-Key": "AAAAAAAAAAAAAAAAAAAAAA==",
}


@pytest.fixture
async def url(home: Home) -> AsyncIterator[str]:
    async with home.listening() as opened:
        yield opened


@asynccontextmanager
async def connected(url: str, key: str, path: str = PATH, **options: Any) -> AsyncIterator[ClientConnection]:
    headers = {"Authorization": f"Bearer {key}"}
    where = url.replace("http", "ws", 1) + path
    async with websockets.connect(where, additional_headers=headers, proxy=None, **options) as opened:
        yield opened


async def frames(connection: ClientConnection, count: int) -> list[dict[str, Any]]:
    async with asyncio.timeout(20):
        return [json.loads(await connection.recv()) for _ in range(count)]


def subjects(events: list[dict[str, Any]]) -> list[str]:
    return [event["data"]["subject"] for event in events]


async def closing(connection: ClientConnection) -> tuple[int, str]:
    """How the server closed it."""
    async with asyncio.timeout(20):
        with suppress(ConnectionClosed):
            while True:
                await connection.recv()
    assert connection.close_code is not None
    return connection.close_code, connection.close_reason or ""


async def silent(connection: ClientConnection, seconds: float = 0.3) -> bool:
    try:
        async with asyncio.timeout(seconds):
            await connection.recv()
    except TimeoutError:
        return True
    return False


async def mark(connection: ClientConnection, event: dict[str, Any]) -> None:
    await connection.send(json.dumps({"type": "ack", "id": event["id"]}))


async def acknowledged(home: Home) -> int:
    rows = await home.local.core.db.read(sql("SELECT seq FROM websocket_acks"))
    return int(rows[0]["seq"]) if rows else 0


# Who may connect


REFUSED = [
    (None, PATH, 401, "unauthorized"),
    ("{agent}", PATH, 401, "unauthorized"),
    ("Basic {agent}", PATH, 401, "unauthorized"),
    ("Bearer", PATH, 401, "unauthorized"),
    ("Bearer e2a_agt_unknown", PATH, 401, "unauthorized"),
    ("Bearer {agent} {agent}", PATH, 401, "unauthorized"),
    (None, PATH + "?token={agent}", 401, "unauthorized"),
    (None, "/v1/agents/nobody%40agents.example/ws", 401, "unauthorized"),
    ("Bearer {account}", "/v1/agents/nobody%40agents.example/ws", 404, "not_found"),
    ("Bearer {account}", "/v1/agents/%00/ws", 404, "not_found"),
    ("Bearer {account}", "/v1/agents/trashed%40agents.example/ws", 404, "not_found"),
    ("Bearer {account}", "/v1/agents/foreign%40agents.example/ws", 404, "not_found"),
    ("Bearer {agent}", f"/v1/agents/{LEARNER}/ws", 403, "forbidden"),
]


async def test_a_refusal_is_an_envelope_before_the_upgrade(home: Home, url: str) -> None:
    keys = {"agent": home.agent_key, "account": home.account_key}
    owner = await home.local.session(home.account_key)
    for email in (LEARNER, f"trashed@{SHARED}"):
        await owner.agents.create(CreateAgentRequest(email=email))
    await owner.agents.delete(f"trashed@{SHARED}")
    await stranger(home, f"foreign@{SHARED}")
    async with httpx.AsyncClient(base_url=url, timeout=PATIENCE_SECONDS) as client:
        for authorization, path, status, code in REFUSED:
            given = {} if authorization is None else {"Authorization": authorization.format(**keys)}
            for headers in ({}, UPGRADE):
                response = await client.get(path.format(**keys), headers={**headers, **given})
                found = (response.status_code, response.json()["error"]["code"])
                assert found == (status, code), (authorization, path, headers)
                assert response.json()["error"]["request_id"] == response.headers["x-request-id"]
                assert ("www-authenticate" in response.headers) is (status == 401)


NO_HANDSHAKES: list[dict[str, str]] = [
    {"Upgrade": "h2c"},
    {"Connection": "keep-alive"},
    {"Sec-WebSocket-Version": "8"},
    {"Sec-WebSocket-Key": "short"},
    dict.fromkeys(UPGRADE, ""),
]


async def test_what_is_no_handshake_is_told_to_upgrade(home: Home, url: str) -> None:
    async with httpx.AsyncClient(base_url=url, timeout=PATIENCE_SECONDS) as client:
        for changed in NO_HANDSHAKES:
            headers = {**UPGRADE, **changed, "Authorization": f"Bearer {home.agent_key}"}
            response = await client.get(PATH, headers=headers)
            assert response.status_code == 426, changed
            upgrade = response.headers["upgrade"], response.headers["sec-websocket-version"]
            assert upgrade == ("websocket", "13")
            assert response.json()["error"]["code"] == "upgrade_required"
        other = await client.post(PATH, headers=headers)
    assert (other.status_code, other.headers["allow"]) == (405, "GET")


async def test_an_upgrade_elsewhere_is_ignored(home: Home, url: str) -> None:
    headers = {**UPGRADE, "Authorization": f"Bearer {home.agent_key}"}
    async with httpx.AsyncClient(base_url=url, timeout=PATIENCE_SECONDS) as client:
        assert (await client.get("/v1/account", headers=headers)).status_code == 200
        assert (await client.get("/healthz", headers=headers)).status_code == 200


async def test_both_kinds_of_key_connect_from_any_origin(home: Home, url: str) -> None:
    await home.deliver(subject="hello")
    for key in (home.agent_key, home.account_key):
        for path in (PATH, f"/v1/agents/{ASSISTANT}/ws", f"/v1/agents/{ASSISTANT.upper()}/ws"):
            async with connected(url, key, path, origin="https://elsewhere.example") as connection:
                assert connection.subprotocol is None
                assert not connection.protocol.extensions
                assert subjects(await frames(connection, 1)) == ["hello"]


# What is told


async def test_a_frame_equals_what_a_webhook_gets(home: Home, url: str) -> None:
    async with receiving() as receiver, connected(url, home.agent_key) as connection:
        async with httpx.AsyncClient(
            base_url=url, headers={"Authorization": f"Bearer {home.account_key}"}, timeout=PATIENCE_SECONDS
        ) as client:
            made = await client.post(
                "/v1/webhooks", json={"url": receiver.url(), "events": ["email.received"]}
            )
            assert made.is_success, made.text
        await home.deliver(subject="Grüße")
        frame = await connection.recv()
        await until(lambda: receiver.requests)
    assert isinstance(frame, str)
    assert frame.encode() == receiver.requests[0].body


async def test_unread_mail_is_told_oldest_first_then_what_arrives(
    home: Home, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(arrivals, "PAGE", 2)
    for number in range(5):
        await home.deliver(subject=f"unread {number}")
    agent = await home.local.session(home.agent_key)
    expected = [f"unread {number}" for number in range(5)]
    for _ in range(2):
        async with connected(url, home.agent_key) as connection:
            assert subjects(await frames(connection, 5)) == expected
            assert await silent(connection)
            await home.deliver(subject="fresh")
            [event] = await frames(connection, 1)
            assert event["data"]["subject"] == "fresh"
            await agent.messages.get(ASSISTANT, event["data"]["message_id"])
    first = (await frames_of(home, url, 1))[0]["data"]["message_id"]
    await agent.messages.get(ASSISTANT, first)
    assert subjects(await frames_of(home, url, 4)) == expected[1:]


async def frames_of(home: Home, url: str, count: int) -> list[dict[str, Any]]:
    async with connected(url, home.agent_key) as connection:
        return await frames(connection, count)


@pytest.mark.slow
async def test_more_than_a_hundred_unread_are_told_without_gap_or_repeat_while_more_arrive(
    home: Home, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(arrivals, "PAGE", 7)
    for number in range(60):
        await home.deliver(subject=str(number))

    async def more() -> None:
        for number in range(60, 120):
            await home.deliver(subject=str(number))

    task = asyncio.create_task(more())
    async with connected(url, home.agent_key) as connection:
        events = await frames(connection, 120)
        assert await silent(connection)
    await task
    assert subjects(events) == [str(number) for number in range(120)]


async def test_held_and_blocked_mail_is_not_told(home: Home, url: str) -> None:
    owner = await home.local.session(home.account_key)
    await protect(owner, inbound={"policy": "allowlist", "action": "review"})
    await home.deliver(subject="held")
    async with connected(url, home.agent_key) as connection:
        assert await silent(connection)
        await home.deliver(subject="held too")
        assert await silent(connection)
        held = (await owner.reviews.list()).items[0]
        await owner.reviews.approve(held.id, ApproveRequest())
        [event] = await frames(connection, 1)
        assert event["data"]["message_id"] == held.id
    assert [event["data"]["message_id"] for event in await frames_of(home, url, 1)] == [held.id]


async def test_another_inbox_is_not_told(home: Home, url: str) -> None:
    owner = await home.local.session(home.account_key)
    await owner.agents.create(CreateAgentRequest(email=LEARNER))
    async with connected(url, home.account_key) as connection:
        await home.deliver(subject="theirs", to=LEARNER)
        await home.deliver(subject="mine")
        assert subjects(await frames(connection, 1)) == ["mine"]


# What is acknowledged


async def test_what_is_acknowledged_is_not_told_again(home: Home, url: str) -> None:
    for number in range(3):
        await home.deliver(subject=str(number))
    async with connected(url, home.agent_key) as connection:
        first, second, _ = await frames(connection, 3)
        await mark(connection, second)
        await until(lambda: acknowledged(home))
        reached = await acknowledged(home)
        await mark(connection, first)  # older: changes nothing
        await home.deliver(subject="3")
        await frames(connection, 1)
    assert await acknowledged(home) == reached
    assert subjects(await frames_of(home, url, 2)) == ["2", "3"]
    agent = await home.local.session(home.agent_key)
    assert (
        await agent.messages.get(ASSISTANT, first["data"]["message_id"], peek=True)
    ).read_status == "unread"


@pytest.mark.parametrize("database_kind", ["postgresql"])
async def test_no_mail_is_passed_while_an_older_transaction_runs(home: Home, url: str) -> None:
    """An acknowledgement speaks for all before it, and must not for what was not to be seen yet."""
    database = home.local.core.db
    await home.deliver(subject="older")
    [row] = await database.read(sql("SELECT * FROM events WHERE type = 'email.received'"))
    event = EventRecord.from_row(row)
    await database.write([sql("DELETE FROM events WHERE id = :id", id=event.id)])
    async with database.transaction() as older:
        await older.write(
            append(
                id=event.id,
                account_id=event.account_id,
                type=event.type,
                data=event.data,
                created_at=event.created_at,
                agent_email=event.agent_email,
                message_id=event.message_id,
            )
        )
        await home.deliver(subject="newer")
        async with connected(url, home.agent_key) as connection:
            assert await silent(connection)
    assert subjects(await frames_of(home, url, 2)) == ["older", "newer"]


async def test_mail_that_was_held_before_the_acknowledged_is_told_when_it_is_let_in(
    home: Home, url: str
) -> None:
    owner = await home.local.session(home.account_key)
    await protect(
        owner, inbound={"policy": "allowlist", "action": "review", "allowlist": ["alice@example.org"]}
    )
    await home.deliver(subject="held", mail_from="bob@plain.example", sender="bob@plain.example")
    held = (await owner.reviews.list()).items[0]
    await home.deliver(subject="let in", signer=home.keys.alice)
    async with connected(url, home.agent_key) as connection:
        [event] = await frames(connection, 1)
        await mark(connection, event)
        await until(lambda: acknowledged(home))
    await owner.reviews.approve(held.id, ApproveRequest())
    assert [event["data"]["message_id"] for event in await frames_of(home, url, 1)] == [held.id]


MEANINGLESS: list[str | bytes] = [
    "",
    "no JSON",
    "[" * 20_000,
    "7",
    "[]",
    "{}",
    '{"type":"ack"}',
    '{"type":"ack","id":7}',
    '{"type":"ack","id":null}',
    '{"type":"ack","id":""}',
    '{"type":"ack","id":"evt_unknown"}',
    '{"type":"ack","id":"\\u0000"}',
    '{"type":"ack","id":"\\ud800"}',
    '{"type":"nack","id":"{id}"}',
    b'{"type":"ack","id":"{id}"}',
    b"\x00\xff",
]


async def test_a_frame_that_means_nothing_changes_nothing(home: Home, url: str) -> None:
    await home.deliver(subject="one")
    async with connected(url, home.agent_key) as connection:
        [event] = await frames(connection, 1)
        for frame in MEANINGLESS:
            sent = frame.replace("{id}", event["id"]) if isinstance(frame, str) else frame
            await connection.send(sent)
        await home.deliver(subject="two")
        assert subjects(await frames(connection, 1)) == ["two"]
    assert await acknowledged(home) == 0


async def test_an_event_of_another_inbox_acknowledges_nothing(home: Home, url: str) -> None:
    owner = await home.local.session(home.account_key)
    await owner.agents.create(CreateAgentRequest(email=LEARNER))
    await home.deliver(subject="theirs", to=LEARNER)
    async with connected(url, home.account_key, f"/v1/agents/{LEARNER}/ws") as connection:
        [foreign] = await frames(connection, 1)
    async with connected(url, home.agent_key) as connection:
        await mark(connection, foreign)
        await home.deliver(subject="mine")
        await frames(connection, 1)
    assert await acknowledged(home) == 0


# How a connection ends


async def test_the_newer_connection_replaces_the_older(home: Home, url: str) -> None:
    async with (
        home.listening() as other,
        connected(url, home.agent_key) as first,
        connected(other, home.account_key) as second,
    ):
        assert await closing(first) == (4000, "replaced")
        await home.deliver(subject="to the newer")
        assert subjects(await frames(second, 1)) == ["to the newer"]
        async with connected(url, home.agent_key) as third:
            assert await closing(second) == (4000, "replaced")
            assert subjects(await frames(third, 1)) == ["to the newer"]


async def test_of_many_that_connect_at_once_one_is_left(home: Home, url: str) -> None:
    async with asyncio.timeout(30), asyncio.TaskGroup() as tasks:
        ended: list[tuple[int, str]] = []
        opened: list[ClientConnection] = []

        async def one() -> None:
            async with connected(url, home.agent_key) as connection:
                opened.append(connection)
                ended.append(await closing(connection))

        running = [tasks.create_task(one()) for _ in range(8)]
        await until(lambda: len(opened) == 8 and len(ended) == 7)
        assert ended == [(4000, "replaced")] * 7
        [left] = [connection for connection in opened if connection.close_code is None]
        await left.close()
        await asyncio.wait(running)


async def test_an_observer_replaces_nobody_and_is_told_only_what_arrives(home: Home, url: str) -> None:
    await home.deliver(subject="before")
    async with (
        connected(url, home.agent_key) as listener_,
        connected(url, home.agent_key, PATH + "?observe=true") as one,
        connected(url, home.agent_key, PATH + "?observe=true") as two,
    ):
        assert subjects(await frames(listener_, 1)) == ["before"]
        await home.deliver(subject="after")
        for connection in (listener_, one, two):
            events = await frames(connection, 1)
            assert subjects(events) == ["after"]
        await mark(one, events[0])
        assert await silent(one)
    assert await acknowledged(home) == 0


async def test_one_key_cannot_take_all_places(home: Home, url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(websocket, "MAX_OBSERVERS", 2)
    observer = PATH + "?observe=true"
    async with connected(url, home.agent_key, observer):
        async with connected(url, home.account_key, PATH + "?observe=events"):
            with pytest.raises(InvalidStatus) as refused:
                await connected(url, home.agent_key, observer).__aenter__()
            assert refused.value.response.status_code == 503
            async with connected(url, home.agent_key):
                pass

        async def has_place() -> bool:
            with suppress(InvalidStatus):
                async with connected(url, home.agent_key, observer):
                    return True
            return False

        await until(has_place)


async def test_an_observer_of_events_is_told_of_sends_and_an_agent_of_no_held_mail(
    home: Home, url: str
) -> None:
    owner = await home.local.session(home.account_key)
    async with (
        connected(url, home.agent_key, PATH + "?observe=events") as agents,
        connected(url, home.account_key, PATH + "?observe=events") as owners,
        connected(url, home.agent_key, PATH + "?observe=true") as arrivals_,
    ):
        sent = await send(owner, options={"wait": "sent"})
        for connection in (agents, owners):
            [event] = await frames(connection, 1)
            assert (event["type"], event["data"]["message_id"]) == ("email.sent", sent.message_id)
        await protect(owner, inbound={"policy": "allowlist", "action": "review"})
        await home.deliver(subject="held")
        [event] = await frames(owners, 1)
        assert (event["type"], event["data"]["direction"]) == ("email.review_requested", "inbound")
        [held] = (await owner.reviews.list()).items
        await owner.reviews.approve(held.id, ApproveRequest())
        assert {event["type"] for event in await frames(owners, 2)} == {
            "email.review_approved",
            "email.received",
        }
        assert {event["type"] for event in await frames(agents, 2)} == {
            "email.review_approved",
            "email.received",
        }
        assert [event["type"] for event in await frames(arrivals_, 1)] == ["email.received"]


async def test_a_revoked_key_and_a_trashed_inbox_end_the_connection_for_good(
    home: Home, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(websocket, "CHECK_SECONDS", 0.05)
    owner = await home.local.session(home.account_key)
    key = await owner.api_keys.create(CreateAPIKeyRequest(scope="agent", agent_email=ASSISTANT))
    async with connected(url, key.key) as connection:
        await owner.api_keys.delete(key.id)
        assert await closing(connection) == (1008, "unauthorized")
    async with (
        connected(url, home.account_key) as connection,
        connected(url, home.account_key, PATH + "?observe=true") as observer,
    ):
        await owner.agents.delete(ASSISTANT)
        assert await closing(connection) == (1008, "not_found")
        assert await closing(observer) == (1008, "not_found")


async def test_a_revoked_key_is_told_nothing_more(
    home: Home, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(websocket, "FRESH_SECONDS", 0.0)
    owner = await home.local.session(home.account_key)
    key = await owner.api_keys.create(CreateAPIKeyRequest(scope="agent", agent_email=ASSISTANT))
    async with connected(url, key.key) as connection:
        await owner.api_keys.delete(key.id)
        await home.deliver(subject="secret")
        with pytest.raises(ConnectionClosed):
            await connection.recv()
        assert (connection.close_code, connection.close_reason) == (1008, "unauthorized")


async def test_a_frame_that_is_too_long_closes(home: Home, url: str) -> None:
    for octets in (32 * 1024 + 1, 1_000_000, 20_000_000):
        piece = "x" * 16_000
        messages: list[Any] = ["x" * octets, b"x" * octets, [piece] * (octets // len(piece) + 1)]
        for message in messages:
            async with connected(url, home.agent_key) as connection:
                with suppress(ConnectionClosed):
                    await connection.send(message)
                assert (await closing(connection))[0] == 1009, (octets, type(message))


async def test_a_frame_of_the_limit_is_read(home: Home, url: str) -> None:
    async with connected(url, home.agent_key) as connection:
        await connection.send("x" * (32 * 1024))
        await home.deliver(subject="still here")
        assert subjects(await frames(connection, 1)) == ["still here"]


async def test_text_that_is_not_utf8_closes(home: Home, url: str) -> None:
    async with connected(url, home.agent_key) as connection:
        await connection.send(b"\xff\xfe", text=True)
        assert (await closing(connection))[0] == 1007


async def test_the_end_of_the_server_is_told(home: Home) -> None:
    async with home.listening() as url:
        connection = await websockets.connect(
            url.replace("http", "ws", 1) + PATH,
            additional_headers={"Authorization": f"Bearer {home.agent_key}"},
            proxy=None,
        )
    assert await closing(connection) == (1001, "shutting_down")


async def raw_handshake(url: str, key: str) -> socket.socket:
    """A client that has no library to answer pings, connected."""
    host, port = url.removeprefix("http://").split(":")
    raw = socket.create_connection((host, int(port)))
    raw.setblocking(False)
    lines = [f"GET {PATH} HTTP/1.1", f"Host: {host}:{port}", f"Authorization: Bearer {key}"]
    head = "\r\n".join([*lines, *(f"{name}: {value}" for name, value in UPGRADE.items()), "", ""])
    loop = asyncio.get_running_loop()
    await loop.sock_sendall(raw, head.encode())
    got = b""
    while b"\r\n\r\n" not in got:
        got += await loop.sock_recv(raw, 1)
    assert got.startswith(b"HTTP/1.1 101 ")
    return raw


async def test_who_answers_no_ping_is_closed(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listener, "PING_SECONDS", 0.05)
    monkeypatch.setattr(listener, "PONG_SECONDS", 0.1)
    observer = PATH + "?observe=true"
    async with (
        home.listening() as url,
        asyncio.timeout(20),
        connected(url, home.agent_key, observer) as alive,
    ):
        raw = await raw_handshake(url, home.agent_key)
        got = b""
        while b"ping_timeout" not in got and (part := await asyncio.get_running_loop().sock_recv(raw, 4096)):
            got += part
        raw.close()
        assert got.startswith(b"\x89\x04")  # a ping of four octets
        assert b"\x88\x0e" + (1001).to_bytes(2, "big") + b"ping_timeout" in got
        assert await silent(alive)
        assert alive.close_code is None


async def test_who_does_not_read_is_dropped_and_costs_little(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(websocket_connection, "WRITE_SECONDS", 0.2)
    observer = PATH + "?observe=true"
    count, data = 200, json.dumps({"subject": "x" * 100_000})
    account = (await home.local.core.db.read(sql("SELECT account_id FROM agents")))[0]["account_id"]
    async with home.listening() as url, asyncio.timeout(30):
        raw = await raw_handshake(url, home.agent_key)
        for number in range(count):
            await home.local.core.db.write(
                [
                    sql(
                        "INSERT INTO events (id, account_id, type, agent_email, data, created_at) "
                        "VALUES (:id, :account, 'email.received', :agent, :data, 0)",
                        id=f"evt_{number}",
                        account=account,
                        agent=ASSISTANT,
                        data=data,
                    )
                ]
            )
        await home.wake()
        monkeypatch.setattr(edge, "MAX_SOCKETS", 2)

        async def has_place() -> bool:
            with suppress(InvalidStatus):
                async with connected(url, home.agent_key, observer):
                    return True
            return False

        async with connected(url, home.agent_key, observer) as healthy:
            await home.deliver(subject="for others")
            assert subjects(await frames(healthy, 1)) == ["for others"]
            await until(has_place)
        read = 0
        with suppress(ConnectionError):
            while part := await asyncio.get_running_loop().sock_recv(raw, 1 << 20):
                read += len(part)
        raw.close()
    assert read < count * len(data)  # what the kernel's buffers hold


# How many there may be


async def test_an_open_websocket_is_no_request_under_way(home: Home, url: str) -> None:
    async with (
        connected(url, home.agent_key),
        httpx.AsyncClient(base_url=url, timeout=PATIENCE_SECONDS) as client,
    ):
        assert (await client.get("/v1/info")).status_code == 200


async def test_past_the_limit_a_websocket_is_refused_and_the_rest_is_served(
    home: Home, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(edge, "MAX_SOCKETS", 1)
    async with connected(url, home.agent_key):
        with pytest.raises(InvalidStatus) as refused:
            async with connected(url, home.agent_key):
                pass
        assert refused.value.response.status_code == 503
        assert json.loads(refused.value.response.body or b"")["error"]["code"] == "unavailable"
        async with httpx.AsyncClient(base_url=url, timeout=PATIENCE_SECONDS) as client:
            assert (await client.get("/v1/info")).status_code == 200

    async def has_place() -> bool:
        with suppress(InvalidStatus):
            async with connected(url, home.agent_key):
                return True
        return False

    await until(has_place)


async def test_a_host_that_is_not_served_has_no_websocket(home: Home, url: str) -> None:
    headers = {**UPGRADE, "Host": "evil.example", "Authorization": f"Bearer {home.agent_key}"}
    async with httpx.AsyncClient(base_url=url, timeout=PATIENCE_SECONDS) as client:
        response = await client.get(PATH, headers=headers)
    assert response.status_code == 421


# The public client


def client_of(url: str, key: str) -> AsyncE2AClient:
    return AsyncE2AClient(api_key=key, base_url=url)


async def test_the_public_client_listens(home: Home, url: str) -> None:
    await home.deliver(subject="before")
    client = client_of(url, home.agent_key)
    stream = aiter(client.listen(ASSISTANT))
    async with asyncio.timeout(20):
        first = await anext(stream)
        await home.deliver(subject="after")
        second = await anext(stream)
        assert [event.data["subject"] for event in (first, second)] == ["before", "after"]
        async with connected(url, home.agent_key):
            with pytest.raises(E2AConnectionReplacedError):
                await anext(stream)
    await client.aclose()


@pytest.mark.parametrize(
    ("email", "error"),
    [(f"nobody@{SHARED}", E2ANotFoundError), (LEARNER, E2APermissionError)],
)
async def test_the_public_client_is_told_what_it_may_not_have(
    home: Home, url: str, email: str, error: type[E2AError]
) -> None:
    owner = await home.local.session(home.account_key)
    await owner.agents.create(CreateAgentRequest(email=LEARNER))
    client = client_of(url, home.account_key if email.startswith("nobody") else home.agent_key)
    async with asyncio.timeout(20):
        with pytest.raises(error):
            await anext(aiter(client.listen(email)))
    await client.aclose()


def test_its_routes_are_one_path() -> None:
    routes = websocket_routes(cast(Any, None), cast(Any, None), cast(Any, None))
    assert {getattr(route, "path", "") for route in routes} == {"/v1/agents/{email}/ws"}
