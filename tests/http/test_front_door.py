"""`/v1` and `/mcp` have one front door: what one refuses the other refuses, each in its own shape."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
import pytest

from e2a_core.http.listener import HttpListener
from e2a_core.settings import ListenAddress
from e2a_mcp.program.home import home_application
from tests.support.home import Home
from tests.support.waiting import PATIENCE_SECONDS, until

pytestmark = pytest.mark.anyio

CALL = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": "whoami", "arguments": {}}}
DOORS = {"api": ("/v1/templates/validate", {"subject": "s", "text": "t"}), "mcp": ("/mcp", CALL)}
ACCEPT = {"Accept": "application/json", "Content-Type": "application/json"}


@pytest.fixture
def database_kind() -> str:
    """The door is the same before every database."""
    return "sqlite"


@pytest.fixture(params=DOORS)
def door(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def said(door: str, response: httpx.Response) -> str:
    """The words of a refusal, which has the shape of its door and the id of its request."""
    body: dict[str, Any] = response.json()
    shown = body["error"]["request_id"] if door == "api" else body["error"]["data"]["request_id"]
    assert shown == response.headers["x-request-id"]
    return str(body["error"]["message"])


async def ask(browser: httpx.AsyncClient, door: str, **headers: str) -> httpx.Response:
    path, body = DOORS[door]
    return await browser.post(path, json=body, headers={**ACCEPT, **headers})


async def test_a_key_is_taken_with_and_without_its_scheme(
    home: Home, browser: httpx.AsyncClient, door: str
) -> None:
    for value in (f"Bearer {home.account_key}", f"bearer   {home.account_key}", home.account_key):
        assert (await ask(browser, door, authorization=value)).status_code == 200, value


@pytest.mark.parametrize("value", ["", "Bearer", "Bearer a b", "Basic {key}", "Digest {key}", "x" * 2000])
async def test_what_is_no_key_is_refused(
    home: Home, browser: httpx.AsyncClient, door: str, value: str
) -> None:
    response = await ask(browser, door, authorization=value.format(key=home.account_key))
    assert response.status_code == 401
    assert said(door, response) == "missing or invalid credential"
    assert response.headers["www-authenticate"].startswith('Bearer realm="e2a"')


@pytest.mark.parametrize(("value", "invalid"), [("Bearer e2a_no", True), ("Basic abc", False), ("", False)])
async def test_only_a_token_that_is_no_good_is_called_invalid(
    browser: httpx.AsyncClient, value: str, invalid: bool
) -> None:
    response = await ask(browser, "mcp", authorization=value)
    assert ("invalid_token" in response.headers["www-authenticate"]) is invalid


@pytest.mark.parametrize("given", ["a", "x" * 128])
async def test_a_request_id_is_kept(browser: httpx.AsyncClient, door: str, given: str) -> None:
    response = await ask(browser, door, **{"x-request-id": given})
    assert response.headers["x-request-id"] == given
    said(door, response)


async def test_a_body_that_stops_is_given_up(home: Home, browser: httpx.AsyncClient, door: str) -> None:
    reader, writer = await asyncio.open_connection(browser.base_url.host, browser.base_url.port)
    head = (
        f"POST {DOORS[door][0]} HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer {home.account_key}\r\n"
    )
    writer.write((head + "Content-Type: application/json\r\nContent-Length: 100\r\n\r\n{").encode())
    async with asyncio.timeout(20):
        assert (await reader.readuntil(b"\r\n")).startswith(b"HTTP/1.1 408 ")
    writer.close()


async def test_a_body_that_is_too_large_is_refused_by_its_length(
    home: Home, browser: httpx.AsyncClient, door: str
) -> None:
    reader, writer = await asyncio.open_connection(browser.base_url.host, browser.base_url.port)
    head = (
        f"POST {DOORS[door][0]} HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer {home.account_key}\r\n"
    )
    writer.write((head + "Content-Type: application/json\r\nContent-Length: 1000000000\r\n\r\n{").encode())
    async with asyncio.timeout(20):
        assert (await reader.readuntil(b"\r\n")).startswith(b"HTTP/1.1 413 ")
    writer.close()


@asynccontextmanager
async def narrow(home: Home, places: int) -> AsyncIterator[httpx.AsyncClient]:
    """The home's application with few places."""
    app: Any = home_application(home.local)
    app._max_in_flight = places
    listener = HttpListener(app, ListenAddress("127.0.0.1", 0))
    await listener.start()
    try:
        async with httpx.AsyncClient(base_url=listener.url, timeout=PATIENCE_SECONDS) as client:
            yield client
    finally:
        await listener.stop(5)


async def test_past_the_bound_both_are_told_to_come_back(home: Home, door: str) -> None:
    async with narrow(home, 1) as client:
        path, body = DOORS[door]
        reader, writer = await asyncio.open_connection(client.base_url.host, client.base_url.port)
        text = json.dumps(body).encode()
        head = f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer {home.account_key}\r\n"
        more = (
            f"Content-Type: application/json\r\nContent-Length: {len(text)}\r\nExpect: 100-continue\r\n\r\n"
        )
        writer.write((head + more).encode())
        assert await reader.readline() == b"HTTP/1.1 100 Continue\r\n"
        for other in DOORS:
            busy = await ask(client, other, authorization=f"Bearer {home.account_key}")
            assert busy.status_code == 503
            assert said(other, busy) == "too many requests are in flight"
            assert int(busy.headers["retry-after"]) >= 1
        assert (await client.get("/healthz")).status_code == 200
        writer.write(text)
        await writer.drain()

        async def room() -> bool:
            answer = await ask(client, door, authorization=f"Bearer {home.account_key}")
            return answer.status_code == 200

        await until(room)
        writer.close()


async def test_an_open_stream_takes_no_place_from_requests(home: Home) -> None:
    call = {**CALL, "params": {"name": "wait_for_message", "arguments": {"timeout_seconds": 30}}}
    async with narrow(home, 1) as client:
        headers = {**ACCEPT, "Accept": "application/json, text/event-stream"}
        headers["Authorization"] = f"Bearer {home.agent_key}"
        async with client.stream("POST", "/mcp", json=call, headers=headers, timeout=30) as stream:
            assert stream.status_code == 200
            assert stream.headers["content-type"].startswith("text/event-stream")
            assert (await ask(client, "api", authorization=home.account_key)).status_code == 200


@pytest.mark.parametrize(
    "path",
    ["/", "/v1/agents", "/v1/openapi.json", "/approve", "/u/x", "/mcp", "/mcp/", "/nowhere", "/metrics"],
)
@pytest.mark.parametrize(
    "host",
    [
        "evil.example",
        "evil.example:80",
        "127.0.0.1.evil.example",
        "localhost@evil.example",
        "10.9.8.7",
        "",
        "a b",
    ],
)
async def test_a_foreign_host_is_served_nothing(browser: httpx.AsyncClient, path: str, host: str) -> None:
    assert (await browser.get(path, headers={"Host": host})).status_code == 421
    assert (await browser.post(path, headers={"Host": host})).status_code == 421


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1:1", "[::1]"])
async def test_its_own_hosts_are_served(browser: httpx.AsyncClient, host: str) -> None:
    assert (await browser.get("/v1/openapi.json", headers={"Host": host})).status_code == 200


async def test_probes_come_under_any_host(browser: httpx.AsyncClient) -> None:
    for path in ("/healthz", "/readyz"):
        assert (await browser.get(path, headers={"Host": "10.9.8.7:8080"})).status_code == 200


BROWSER = "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,*/*;q=0.8"


@pytest.mark.parametrize(
    ("accepts", "kind"),
    [
        (BROWSER, "text/html"),
        ("text/html", "text/html"),
        ("*/*", "text/plain"),
        ("", "text/plain"),
        ("text/plain", "text/plain"),
        ("application/json", "application/json"),
        ("application/json, text/plain, */*", "application/json"),
        ("application/problem+json", "application/json"),
    ],
)
async def test_the_front_page_says_what_this_is(browser: httpx.AsyncClient, accepts: str, kind: str) -> None:
    answer = await browser.get("/", headers={"Accept": accepts})
    assert (answer.status_code, answer.headers["content-type"].partition(";")[0]) == (200, kind)
    assert answer.headers["Vary"] == "Accept"
    for word in ("e2a", "Email for AI agents", "/v1", "/v1/openapi.json", "/mcp"):
        assert word in answer.text
    assert ("<html" in answer.text) == (kind == "text/html")
    assert (await browser.head("/")).status_code == 200
