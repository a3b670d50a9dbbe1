"""The HTTP door: who is let in, what is refused and how, what an answer looks like."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import anyio
import httpx2
import pytest
from starlette.applications import Starlette

from e2a_core import errors
from e2a_core.settings import Settings
from e2a_mcp.asgi import MAX_BODY_BYTES
from e2a_mcp.auth import CredentialCache
from e2a_mcp.listening import mcp_routes
from e2a_mcp.metrics import Metrics
from e2a_mcp.origins import HostPolicy

from .conftest import Listener, listening
from .memory import ACCOUNT_KEY, AGENT, AGENT_KEY, MemoryEngine

pytestmark = pytest.mark.anyio

BOTH = "application/json, text/event-stream"
CALL = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": "whoami", "arguments": {}}}


@pytest.fixture
async def http(listener: Listener) -> AsyncIterator[httpx2.AsyncClient]:
    async with httpx2.AsyncClient(base_url=listener.base, timeout=20) as client:
        yield client


def headers(key: str | None = AGENT_KEY, **more: str) -> dict[str, str]:
    given = {"Accept": BOTH, "Content-Type": "application/json"}
    if key is not None:
        given["Authorization"] = f"Bearer {key}"
    return {**given, **{name.replace("_", "-"): value for name, value in more.items()}}


def refused(response: httpx2.Response, status: int) -> dict[str, Any]:
    assert response.status_code == status
    body: dict[str, Any] = response.json()
    assert body["id"] is None
    assert body["error"]["data"]["request_id"] == response.headers["x-request-id"]
    error: dict[str, Any] = body["error"]
    return error


async def test_an_agent_key_sees_the_agent_tier_and_an_account_key_both(listener: Listener, era: str) -> None:
    async with listener.client(AGENT_KEY, era) as client:
        names = [tool.name for tool in (await client.list_tools()).tools]
        assert "list_messages" in names
        assert "approve_review" not in names
        assert (await client.call_tool("whoami", {})).structured_content["agent_email"] == AGENT
    async with listener.client(ACCOUNT_KEY, era) as client:
        names = [tool.name for tool in (await client.list_tools()).tools]
        assert {"list_messages", "approve_review"} <= set(names)
        assert not (await client.call_tool("list_messages", {"email": AGENT})).is_error


@pytest.mark.parametrize("key", [None, "e2a_agt_wrong"])
async def test_no_or_a_wrong_credential_is_challenged(http: httpx2.AsyncClient, key: str | None) -> None:
    response = await http.post("/mcp", json=CALL, headers=headers(key))
    assert refused(response, 401)["code"] == -32001
    challenge = response.headers["www-authenticate"]
    assert challenge.startswith('Bearer realm="e2a"')
    assert ("invalid_token" in challenge) is (key is not None)


async def test_other_schemes_are_no_credential(http: httpx2.AsyncClient) -> None:
    given = {**headers(None), "Authorization": f"Basic {AGENT_KEY}"}
    refused(await http.post("/mcp", json=CALL, headers=given), 401)


@pytest.mark.parametrize(
    "host", ["evil.example", "evil.example:80", "localhost@evil.example", "localhost.evil.example"]
)
async def test_a_foreign_host_is_misdirected(http: httpx2.AsyncClient, host: str) -> None:
    refused(await http.post("/mcp", json=CALL, headers=headers(Host=host)), 421)


@pytest.mark.parametrize("host", ["localhost", "LOCALHOST:8080", "127.0.0.1:1", "[::1]:8080"])
async def test_loopback_hosts_are_served(http: httpx2.AsyncClient, host: str) -> None:
    assert (await http.post("/mcp", json=CALL, headers=headers(Host=host))).status_code == 200


async def test_a_foreign_origin_is_forbidden_before_the_credential_is_looked_at(
    http: httpx2.AsyncClient,
) -> None:
    response = await http.post("/mcp", json=CALL, headers=headers("wrong", Origin="https://evil.example"))
    refused(response, 403)
    assert "access-control-allow-origin" not in response.headers
    assert refused(await http.post("/mcp", json=CALL, headers=headers(Origin="null")), 403)


async def test_an_allowed_origin_can_read_the_answer(http: httpx2.AsyncClient) -> None:
    origin = "http://localhost:6274"
    response = await http.post("/mcp", json=CALL, headers=headers("wrong", Origin=origin))
    assert response.status_code == 401
    assert response.headers["access-control-allow-origin"] == origin
    assert "WWW-Authenticate" in response.headers["access-control-expose-headers"]
    preflight = await http.options("/mcp", headers={"Origin": origin})
    assert preflight.status_code == 204
    assert "Authorization" in preflight.headers["access-control-allow-headers"]


async def test_json_that_is_none_is_a_parse_error(http: httpx2.AsyncClient) -> None:
    for body in (b"{", b"", b"\xff", b"[" * 100_000):
        assert refused(await http.post("/mcp", content=body, headers=headers()), 400)["code"] == -32700
    again = headers(MCP_Protocol_Version="2026-07-28")
    assert refused(await http.post("/mcp", content=b"{", headers=again), 400)["code"] == -32700


async def test_a_batch_is_refused(http: httpx2.AsyncClient) -> None:
    assert (await http.post("/mcp", json=[CALL], headers=headers())).status_code == 400


async def test_another_content_type_is_refused(http: httpx2.AsyncClient) -> None:
    given = {**headers(), "Content-Type": "text/plain"}
    refused(await http.post("/mcp", content=json.dumps(CALL), headers=given), 415)


async def test_too_much_is_refused_by_its_length_and_by_its_bytes(http: httpx2.AsyncClient) -> None:
    async def pieces() -> AsyncIterator[bytes]:
        piece = b" " * (1024 * 1024)
        for _ in range(MAX_BODY_BYTES // len(piece) + 1):
            yield piece

    refused(await http.post("/mcp", content=pieces(), headers=headers()), 413)
    head = "".join(f"{name}: {value}\r\n" for name, value in headers(Host="localhost").items())
    head = f"POST /mcp HTTP/1.1\r\n{head}Content-Length: {MAX_BODY_BYTES + 1}\r\n\r\n"
    with anyio.fail_after(10):
        async with await anyio.connect_tcp("127.0.0.1", http.base_url.port or 0) as stream:
            await stream.send(head.encode())
            assert (await stream.receive()).startswith(b"HTTP/1.1 413")


async def test_a_client_that_takes_only_json_gets_json(http: httpx2.AsyncClient) -> None:
    given = {**headers(), "Accept": "application/json"}
    response = await http.post("/mcp", json=CALL, headers=given)
    assert response.headers["content-type"] == "application/json"
    assert response.json()["result"]["structuredContent"]["agent_email"] == AGENT


async def test_a_call_without_handshake_is_answered(http: httpx2.AsyncClient) -> None:
    response = await http.post("/mcp/", json=CALL, headers=headers())
    assert response.status_code == 200
    assert "mcp-session-id" not in response.headers


async def test_a_session_serves_only_the_credential_that_opened_it(
    http: httpx2.AsyncClient, engine: MemoryEngine
) -> None:
    params = {
        "protocolVersion": "2025-11-25",
        "capabilities": {},
        "clientInfo": {"name": "t", "version": "1"},
    }
    opening = {"jsonrpc": "2.0", "id": 0, "method": "initialize", "params": params}
    response = await http.post("/mcp", json=opening, headers=headers())
    session = response.headers["mcp-session-id"]
    ours = headers(Mcp_Session_Id=session)
    assert (await http.post("/mcp", json=CALL, headers=ours)).status_code == 200
    engine.keys["e2a_agt_second"] = ("agent", AGENT)
    theirs = headers("e2a_agt_second", Mcp_Session_Id=session)
    assert (await http.post("/mcp", json=CALL, headers=theirs)).status_code == 404
    account = headers(ACCOUNT_KEY, Mcp_Session_Id=session)
    assert (await http.post("/mcp", json=CALL, headers=account)).status_code == 404


async def test_there_is_no_stream_without_a_session(http: httpx2.AsyncClient) -> None:
    for method in ("GET", "DELETE", "PUT"):
        assert (await http.request(method, "/mcp", headers=headers())).status_code == 405


async def test_request_ids_are_kept_or_made_and_told_in_errors(http: httpx2.AsyncClient) -> None:
    wrong = {**CALL, "params": {"name": "get_message", "arguments": {"message_id": "none"}}}
    kept = await http.post("/mcp", json=wrong, headers=headers(X_Request_Id="abc-123"))
    assert kept.headers["x-request-id"] == "abc-123"
    body = kept.json()
    assert body["result"]["structuredContent"]["request_id"] == "abc-123"
    made = await http.post("/mcp", json=CALL, headers=headers(X_Request_Id="no good\tat all"))
    assert made.headers["x-request-id"].startswith("mcpreq_")


async def test_operations(http: httpx2.AsyncClient) -> None:
    assert (await http.get("/healthz")).json() == {"ok": True}
    assert (await http.get("/readyz")).json()["checks"] == {"engine": "ok", "mcp": "ok"}
    await http.post("/mcp", json=CALL, headers=headers())
    await http.post("/mcp", json=CALL, headers=headers("wrong"))
    await http.post("/mcp", json={**CALL, "params": {"name": 'evil"} 1\n'}}, headers=headers())
    response = await http.get("/metrics")
    assert response.headers["content-type"].startswith("text/plain; version=0.0.4")
    lines = response.text.splitlines()
    assert 'e2a_mcp_tool_calls_total{outcome="ok",tool="whoami"} 1' in lines
    assert 'e2a_mcp_tool_calls_total{outcome="unknown_tool",tool="unknown"} 1' in lines
    assert 'e2a_mcp_http_refusals_total{status="401"} 1' in lines
    assert "evil" not in response.text


class Failing(MemoryEngine):
    async def session(self, credential: str) -> Any:
        raise errors.StoreUnavailable("the database does not answer")

    async def home_session(self, **_: Any) -> Any:
        raise errors.StoreUnavailable("the database does not answer")


async def test_an_engine_that_cannot_tell_who_calls_is_503(settings: Settings) -> None:
    async with listening(Failing(), settings) as found, httpx2.AsyncClient(base_url=found.base) as http:
        response = await http.post("/mcp", json=CALL, headers=headers())
        refused(response, 503)
        assert response.headers["retry-after"] == "1"
        ready = await http.get("/readyz")
        assert (ready.status_code, ready.json()["ok"]) == (503, False)
        assert (await http.get("/healthz")).status_code == 200


async def test_a_listener_whose_mcp_does_not_run_is_not_ready(
    settings: Settings, engine: MemoryEngine
) -> None:
    mcp, routes = mcp_routes(engine, settings, Metrics())
    transport = httpx2.ASGITransport(Starlette(routes=routes))
    async with httpx2.AsyncClient(transport=transport, base_url="http://localhost") as http:
        async with mcp.run():
            assert mcp.serving
        ready = await http.get("/readyz")
    assert (ready.status_code, ready.json()) == (
        503,
        {"ok": False, "checks": {"engine": "ok", "mcp": "unavailable"}},
    )


async def test_old_names_can_be_listed(settings: Settings, engine: MemoryEngine) -> None:
    async with (
        listening(engine, replace(settings, mcp_legacy_tools=True)) as found,
        found.client(AGENT_KEY) as client,
    ):
        assert "send_email" in [tool.name for tool in (await client.list_tools()).tools]


class Clock:
    def __init__(self) -> None:
        self.seconds = 0.0

    def monotonic(self) -> float:
        return self.seconds

    def now(self) -> Any:
        raise AssertionError("not asked")


async def test_a_revoked_key_is_refused_shortly_after(engine: MemoryEngine) -> None:
    clock = Clock()
    cache = CredentialCache(engine, clock, fresh_seconds=5)
    await cache.session(AGENT_KEY)
    del engine.keys[AGENT_KEY]
    await cache.session(AGENT_KEY)
    clock.seconds += 5
    with pytest.raises(errors.Unauthorized):
        await cache.session(AGENT_KEY)


async def test_this_deployments_own_keys_end_at_once_and_begin_at_once(
    http: httpx2.AsyncClient, engine: MemoryEngine
) -> None:
    refused(await http.post("/mcp", json=CALL, headers=headers("e2a_agt_new")), 401)
    engine.keys["e2a_agt_new"] = ("agent", AGENT)
    asked = engine.sessions_opened
    assert (await http.post("/mcp", json=CALL, headers=headers("e2a_agt_new"))).status_code == 200
    assert engine.sessions_opened == asked + 1
    del engine.keys["e2a_agt_new"]
    refused(await http.post("/mcp", json=CALL, headers=headers("e2a_agt_new")), 401)


async def test_another_deployment_is_not_asked_about_the_same_key_each_time(
    settings: Settings, engine: MemoryEngine
) -> None:
    async with (
        listening(engine, replace(settings, api_key=ACCOUNT_KEY)) as found,
        httpx2.AsyncClient(base_url=found.base) as http,
    ):
        for _ in range(3):
            assert (await http.post("/mcp", json=CALL, headers=headers())).status_code == 200
    assert engine.sessions_opened == 1


async def test_the_url_or_else_the_setting_chooses_profiles(settings: Settings, engine: MemoryEngine) -> None:
    question = {"jsonrpc": "2.0", "id": 1, "method": "tools/list"}

    async def names(http: httpx2.AsyncClient, query: str) -> set[str]:
        response = await http.post(f"/mcp{query}", json=question, headers=headers(ACCOUNT_KEY))
        return {tool["name"] for tool in response.json()["result"]["tools"]}

    async with (
        listening(engine, replace(settings, mcp_profile=("review",))) as found,
        httpx2.AsyncClient(base_url=found.base) as http,
    ):
        assert "approve_review" in await names(http, "")
        assert "list_messages" not in await names(http, "")
        both = await names(http, "?profile=inbox,admin")
        assert both == await names(http, "?profile=admin&profile=inbox")
        assert {"list_messages", "create_agent"} < both
        assert "approve_review" not in both
        call = {**CALL, "params": {"name": "list_reviews", "arguments": {}}}
        response = await http.post("/mcp?profile=inbox", json=call, headers=headers(ACCOUNT_KEY))
        assert response.json()["result"]["structuredContent"]["code"] == "unknown_tool"
        wrong = await http.post("/mcp?profile=everything", json=question, headers=headers(ACCOUNT_KEY))
        assert "inbox, review, admin" in refused(wrong, 400)["message"]


async def test_one_credential_is_asked_for_once_whatever_comes_of_it(engine: MemoryEngine) -> None:
    class Slow(MemoryEngine):
        async def session(self, credential: str) -> Any:
            await anyio.sleep(0.01)
            return await super().session(credential)

    slow = Slow()
    cache = CredentialCache(slow, Clock(), fresh_seconds=5)

    async def ask(key: str) -> None:
        try:
            await cache.session(key)
        except errors.Unauthorized:
            assert key == "wrong"

    async with anyio.create_task_group() as tasks:
        for _ in range(20):
            tasks.start_soon(ask, AGENT_KEY)
            tasks.start_soon(ask, "wrong")
    assert slow.sessions_opened == 2


def test_the_host_policy_knows_the_public_url_and_the_lists() -> None:
    policy = HostPolicy(
        listener_host="10.0.0.5",
        public_url="https://mail.example.com:8443/x",
        hosts=["other.example", "[2001:db8::1]"],
        origins=["https://app.example/"],
    )
    assert all(
        policy.allows_host(host)
        for host in ("10.0.0.5:9", "mail.example.com", "OTHER.example:1", "[2001:db8::1]:80", "localhost")
    )
    assert not any(
        policy.allows_host(host)
        for host in (None, "", "example.com", "a/b", "x@localhost", "localhost:x", "[::1")
    )
    assert policy.allows_origin(None)
    assert policy.allows_origin("https://app.example")
    assert policy.allows_origin("https://mail.example.com")
    assert not policy.allows_origin("https://app.example.evil")
    assert not policy.allows_origin("file://localhost")
