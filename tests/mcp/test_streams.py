"""Answers over HTTP in a session of the older era: plain JSON, or an event stream that can be resumed."""

from __future__ import annotations

import base64
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import anyio
import httpx2
import pytest
from mcp.client.streamable_http import streamable_http_client
from mcp.server.streamable_http import GET_STREAM_KEY, EventMessage
from mcp_types import JSONRPCNotification, JSONRPCResponse

from e2a_mcp import replay
from e2a_mcp.replay import History, Replays
from mcp import Client
from tests.support.clock import ManualClock

from .relay import LEGACY, Inbox, Relay, Told
from .results import octets_of

pytestmark = [
    pytest.mark.anyio,
    pytest.mark.filterwarnings("ignore:resources/(un)?subscribe:mcp.shared.exceptions.MCPDeprecationWarning"),
]

BOTH = "application/json, text/event-stream"
VERSIONS = ["2024-11-05", "2025-03-26", "2025-06-18", "2025-11-25"]
WAITING: dict[str, Any] = {"timeout_seconds": 50}
WAIT = {"name": "wait_for_message", "arguments": WAITING, "_meta": {"progressToken": "p"}}
LONG = b"0123456789abcdef" * (256 * 1024)


class Wire:
    """One session of a key, without a client's help."""

    def __init__(self, http: httpx2.AsyncClient, key: str, version: str) -> None:
        self._http = http
        self.version = version
        self.headers = {"Authorization": f"Bearer {key}", "Accept": BOTH, "Content-Type": "application/json"}
        self._ids = 0

    async def begin(self) -> httpx2.Response:
        client = {"name": "wire", "version": "1"}
        params = {"protocolVersion": self.version, "capabilities": {}, "clientInfo": client}
        response = await self.post("initialize", params)
        self.headers |= {
            "Mcp-Session-Id": response.headers["mcp-session-id"],
            "MCP-Protocol-Version": self.version,
        }
        assert (await self.post("notifications/initialized")).status_code == 202
        return response

    def message(self, method: str, params: Any = None) -> dict[str, Any]:
        message: dict[str, Any] = {"jsonrpc": "2.0", "method": method}
        if params is not None:
            message["params"] = params
        if not method.startswith("notifications/"):
            self._ids += 1
            message["id"] = self._ids
        return message

    async def post(self, method: str, params: Any = None, **headers: str) -> httpx2.Response:
        message = self.message(method, params)
        return await self._http.post("/mcp", json=message, headers={**self.headers, **headers})

    @asynccontextmanager
    async def posted(self, method: str, params: Any) -> AsyncIterator[Stream]:
        sent = self._http.stream("POST", "/mcp", json=self.message(method, params), headers=self.headers)
        async with sent as response:
            yield Stream(response)

    @asynccontextmanager
    async def got(self, last: str | None = None) -> AsyncIterator[Stream]:
        asked = {
            **self.headers,
            "Accept": "text/event-stream",
            **({} if last is None else {"Last-Event-ID": last}),
        }
        async with self._http.stream("GET", "/mcp", headers=asked) as response:
            yield Stream(response)


class Stream:
    """The events of a response, each with its id and its data."""

    def __init__(self, response: httpx2.Response) -> None:
        self.response = response
        self._lines = response.aiter_lines()

    async def next(self) -> tuple[str | None, Any]:
        found: dict[str, str] = {}
        with anyio.fail_after(15):
            async for line in self._lines:
                name, _, value = line.partition(": ")
                if not line and found:
                    return found.get("id"), json.loads(found["data"]) if found.get("data") else None
                if name in {"id", "data"}:
                    found[name] = value
        raise AssertionError("the stream ended")

    async def ends(self) -> bool:
        with anyio.fail_after(15):
            return not [line async for line in self._lines if line]


@pytest.fixture
async def http(relay: Relay) -> AsyncIterator[httpx2.AsyncClient]:
    async with httpx2.AsyncClient(base_url=relay.base, timeout=30) as client:
        yield client


async def wire(http: httpx2.AsyncClient, box: Inbox, version: str = "2025-11-25") -> Wire:
    opened = Wire(http, box.key, version)
    await opened.begin()
    return opened


@pytest.mark.parametrize("version", VERSIONS)
async def test_an_answer_before_which_nothing_comes_is_json(
    http: httpx2.AsyncClient, box: Inbox, version: str
) -> None:
    message_id = await box.deliver()
    session = Wire(http, box.key, version)
    answers = [await session.begin()]
    token = {"progressToken": 7}
    for method, params in [
        ("ping", None),
        ("tools/list", {}),
        ("tools/call", {"name": "whoami", "arguments": {}}),
        ("tools/call", {"name": "whoami", "arguments": {}, "_meta": token}),
        ("tools/call", {"name": "no_such_tool", "arguments": {}}),
        ("tools/call", {"name": "wait_for_message", "arguments": {}, "_meta": token}),
        ("resources/list", {}),
        ("resources/read", {"uri": box.uri, "_meta": token}),
        ("resources/read", {"uri": f"mail://{box.email}/messages/{message_id}/raw"}),
        ("resources/subscribe", {"uri": box.uri}),
        ("resources/unsubscribe", {"uri": box.uri}),
        ("prompts/list", {}),
        ("no/such/method", {}),
    ]:
        answers.append(await session.post(method, params))
    for answer in answers:
        assert answer.status_code == 200
        assert answer.headers["content-type"] == "application/json"
        assert answer.headers["mcp-session-id"]
        assert int(answer.headers["content-length"]) == len(answer.content)
        assert answer.json()["jsonrpc"] == "2.0"
    assert [answer.json()["id"] for answer in answers] == list(range(1, 15))


async def test_a_long_resource_is_read_whole(box: Inbox, era: str) -> None:
    """The client takes at most 1 MiB in one event."""
    message_id = await box.deliver(**_attached(LONG))
    base = f"mail://{box.email}/messages/{message_id}"
    async with box.client(era) as client:
        assert octets_of(await client.read_resource(f"{base}/attachments/0")) == LONG
        assert len(octets_of(await client.read_resource(f"{base}/raw"))) > len(LONG)


@pytest.mark.parametrize("version", VERSIONS)
async def test_a_stream_cut_in_the_middle_resumes(http: httpx2.AsyncClient, box: Inbox, version: str) -> None:
    session = await wire(http, box, version)
    ids = []
    async with session.posted("tools/call", WAIT) as stream:
        assert stream.response.headers["content-type"].startswith("text/event-stream")
        while (event := await stream.next())[1] is None:
            ids.append(event[0])
        ids.append(event[0])
        assert event[1]["method"] == "notifications/progress"
    assert len(ids) == (2 if version == "2025-11-25" else 1)
    await box.deliver("Your code")
    # What follows an earlier event begins with those that came already.
    for last, before in ((ids[-1], 0), (ids[0], len(ids) - 1)):
        async with session.got(last) as stream:
            assert stream.response.headers["content-type"].startswith("text/event-stream")
            messages = [(await stream.next())[1] for _ in range(before)]
            assert {message["method"] for message in messages} <= {"notifications/progress"}
            event_id, answer = await stream.next()
            while "method" in answer:
                event_id, answer = await stream.next()
            assert "Your code" in json.dumps(answer["result"])
            assert await stream.ends()
    async with session.got(event_id) as stream:
        assert stream.response.status_code == 410, "its answer was the last event"


async def test_a_stream_is_resumed_while_its_answer_is_to_come(http: httpx2.AsyncClient, box: Inbox) -> None:
    session = await wire(http, box)
    async with session.posted("tools/call", WAIT) as stream:
        last, _ = await stream.next()
    assert last is not None
    async with session.got(last) as stream:
        _, progress = await stream.next()
        assert progress["method"] == "notifications/progress"
        await box.deliver("Later")
        answer = progress
        while "method" in answer:
            _, answer = await stream.next()
        assert "Later" in json.dumps(answer["result"])


@pytest.mark.parametrize("version", VERSIONS)
async def test_what_was_missed_on_the_standing_stream_is_sent_again(
    http: httpx2.AsyncClient, box: Inbox, version: str
) -> None:
    session = await wire(http, box, version)
    assert (await session.post("resources/subscribe", {"uri": box.uri})).json()["result"] == {}
    async with session.got() as stream:
        if version != "2025-11-25":
            await box.deliver("One")
        last, _ = await stream.next()
    await box.deliver("Two")
    async with session.got(last) as stream:
        event_id, message = await stream.next()
        assert message["params"]["uri"] == box.uri
        assert event_id != last
        await box.deliver("Three")
        assert (await stream.next())[1]["params"]["uri"] == box.uri


@pytest.mark.parametrize("last", ["", "x", "1", "1.", "0.1", "99999999999999999999.1", "1.%FF", "7.9", "é.1"])
async def test_an_event_that_is_not_kept_is_gone(http: httpx2.AsyncClient, box: Inbox, last: str) -> None:
    session = await wire(http, box)
    asked = httpx2.Headers({**session.headers, "Last-Event-ID": last or "-"}, encoding="utf-8")
    response = await http.get("/mcp", headers=asked)
    assert response.status_code == 410
    assert response.json()["error"]["message"].startswith("what followed this event")


async def test_another_session_resumes_nothing(relay: Relay, http: httpx2.AsyncClient, box: Inbox) -> None:
    other = await relay.inbox()
    mine, same_key, stranger = await wire(http, box), await wire(http, box), await wire(http, other)
    async with mine.posted("tools/call", WAIT) as stream:
        last, _ = await stream.next()
    await box.deliver()
    for session in (same_key, stranger):
        async with session.got(last) as stream:
            assert stream.response.status_code == 410
    stolen = {**mine.headers, "Authorization": stranger.headers["Authorization"], "Last-Event-ID": str(last)}
    assert (await http.get("/mcp", headers=stolen)).status_code == 404


async def test_with_its_session_a_stream_has_ended(http: httpx2.AsyncClient, box: Inbox) -> None:
    session = await wire(http, box)
    async with session.posted("tools/call", WAIT) as stream:
        last, _ = await stream.next()
    assert (await http.delete("/mcp", headers=session.headers)).status_code == 200
    async with session.got(last) as stream:
        assert stream.response.status_code == 404


@pytest.mark.parametrize(
    ("accept", "content_type"),
    [
        ("application/json", "application/json"),
        ("application/json;q=0.9", "application/json"),
        ("*/*", "application/json"),
        ("application/*, text/*", "application/json"),
        ("text/event-stream", "text/event-stream"),
        ("text/*", "text/event-stream"),
        (None, "application/json"),
    ],
)
async def test_a_client_gets_what_it_accepts(
    http: httpx2.AsyncClient, box: Inbox, accept: str | None, content_type: str
) -> None:
    session = await wire(http, box)
    asked = {name: value for name, value in session.headers.items() if name != "Accept"}
    for headers in (asked, {**asked, "Mcp-Session-Id": ""}):
        given = {name: value for name, value in headers.items() if value}
        request = http.build_request("POST", "/mcp", json=session.message("tools/list", {}), headers=given)
        del request.headers["accept"]
        if accept is not None:
            request.headers["accept"] = accept
        response = await http.send(request)
        assert response.status_code == 200
        assert response.headers["content-type"].startswith(content_type)
        assert "whoami" in response.text


async def test_the_client_resumes_by_itself(relay: Relay, box: Inbox) -> None:
    """The proxy between cuts the first stream after two events."""
    told: list[float] = []
    async with (
        httpx2.AsyncClient(
            headers={"Authorization": f"Bearer {box.key}"},
            timeout=30,
            transport=Cutting(httpx2.AsyncHTTPTransport()),
        ) as http,
        Client(streamable_http_client(f"{relay.base}/mcp", http_client=http), mode=LEGACY) as client,
    ):

        async def progress(progress: float, total: float | None, message: str | None) -> None:
            told.append(progress)
            if len(told) == 1:
                await box.deliver("After the cut")

        with anyio.fail_after(30):
            result = await client.call_tool("wait_for_message", WAITING, progress_callback=progress)
        assert "After the cut" in str(result.content)


async def test_a_subscriber_hears_after_a_cut(relay: Relay, box: Inbox) -> None:
    told = Told()
    transport = Cutting(httpx2.AsyncHTTPTransport(), method="GET", events=2)
    async with (
        httpx2.AsyncClient(
            headers={"Authorization": f"Bearer {box.key}"}, timeout=30, transport=transport
        ) as http,
        Client(
            streamable_http_client(f"{relay.base}/mcp", http_client=http), mode=LEGACY, message_handler=told
        ) as client,
    ):
        await client.session.subscribe_resource(box.uri)
        with anyio.fail_after(10):
            await transport.opened.wait()
        await box.deliver("One")
        with anyio.fail_after(10):
            await transport.cut.wait()
        await box.deliver("Two")
        assert [await told.next(), await told.next()] == [box.uri, box.uri]


def note(text: str = "x") -> JSONRPCNotification:
    return JSONRPCNotification(jsonrpc="2.0", method="notifications/progress", params={"message": text})


def answer(text: str = "x") -> JSONRPCResponse:
    return JSONRPCResponse(jsonrpc="2.0", id=1, result={"content": [{"type": "text", "text": text}]})


async def replayed(replays: Replays, last: str) -> tuple[list[EventMessage], str | None]:
    sent: list[EventMessage] = []

    async def send(event: EventMessage) -> None:
        sent.append(event)

    return sent, await replays.replay_events_after(last, send)


async def test_a_session_keeps_its_own_newest_events() -> None:
    replays, history, other = Replays(ManualClock()), History(), History()
    with replays.of(other):
        theirs = await replays.store_event("1", note())
    with replays.of(history):
        first = await replays.store_event("1", note())
        standing = await replays.prime()
        ids = [await replays.store_event("1", note(str(at))) for at in range(replay.MAX_EVENTS_EACH)]
        sent, stream = await replayed(replays, first)
        assert [event.event_id for event in sent] == ids
        assert stream == "1"
        assert await replayed(replays, standing) == ([], GET_STREAM_KEY)
        done = await replays.store_event("1", answer())
        sent, stream = await replayed(replays, ids[-1])
        assert ([event.event_id for event in sent], stream) == ([done], None)
        assert replays.resumes(history, first)
        assert not replays.resumes(history, done)
        replays.forget(done)
        assert not replays.resumes(history, first)
        assert history.size == 0
    assert replays.resumes(other, theirs)
    with replays.of(other):
        assert await replayed(replays, theirs) == ([], "1")


async def test_memory_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(replay, "MAX_BYTES", 3 * replay.MAX_BYTES_EACH)
    replays, most = Replays(ManualClock()), replay.MAX_BYTES_EACH
    half, histories = "x" * (most // 2), [History() for _ in range(8)]
    for history in histories:
        with replays.of(history):
            for _ in range(4):
                await replays.store_event("1", note(half))
            assert most // 2 < history.size <= most
    assert sum(history.size for history in histories) <= replay.MAX_BYTES
    assert histories[0].size == 0, "the oldest went first"
    with replays.of(histories[0]):
        begun = await replays.store_event("2", None)
        await replays.store_event("2", answer("x" * most))
        ((lost,), stream) = await replayed(replays, begun)
    assert stream is None
    assert "repeat the request" in str(lost.message)


async def test_events_expire() -> None:
    clock, history = ManualClock(), History()
    replays = Replays(clock)
    with replays.of(history):
        begun = await replays.store_event("1", None)
        await replays.store_event("1", answer())
        assert replays.resumes(history, begun)
        clock.advance(seconds=replay.KEPT_SECONDS)
        assert not replays.resumes(history, begun)
    assert (history.size, len(history.events)) == (0, 0)


class Cutting(httpx2.AsyncBaseTransport):
    """Cuts the first event stream of a method after so many events."""

    def __init__(self, inner: httpx2.AsyncBaseTransport, *, method: str = "POST", events: int = 2) -> None:
        self._inner = inner
        self._method = method
        self._events = events
        self.opened = anyio.Event()
        self.cut = anyio.Event()

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        response = await self._inner.handle_async_request(request)
        streams = response.headers.get("content-type", "").startswith("text/event-stream")
        if request.method != self._method or not streams or self.opened.is_set():
            return response
        self.opened.set()
        return httpx2.Response(
            response.status_code, headers=response.headers, stream=Cut(self, response, self._events)
        )


class Cut(httpx2.AsyncByteStream):
    def __init__(self, transport: Cutting, response: httpx2.Response, events: int) -> None:
        self._transport = transport
        self._response = response
        self._events = events

    async def __aiter__(self) -> AsyncIterator[bytes]:
        async for chunk in self._response.aiter_raw():
            yield chunk
            self._events -= chunk.count(b"\r\n\r\n")
            if self._events <= 0:
                break
        await self._response.aclose()
        self._transport.cut.set()

    async def aclose(self) -> None:
        await self._response.aclose()


def _attached(data: bytes) -> dict[str, Any]:
    head = b"--b\r\nContent-Type: text/plain\r\n\r\nhere\r\n--b\r\nContent-Type: application/octet-stream\r\n"
    named = b'Content-Disposition: attachment; filename="long.bin"\r\n\r\n'
    encoded = base64.encodebytes(data).replace(b"\n", b"\r\n")
    body = head + b"Content-Transfer-Encoding: base64\r\n" + named + encoded
    return {
        "headers": {"MIME-Version": "1.0", "Content-Type": 'multipart/mixed; boundary="b"'},
        "body": body + b"--b--\r\n",
    }
