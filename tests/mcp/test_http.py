"""The HTTP door: who is let in, what is refused and how, what an answer looks like."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import Any

import anyio
import httpx2
import pytest
from starlette.applications import Starlette

from e2a_core import errors
from e2a_core.accounts.credentials import new_key
from e2a_core.contract import principal
from e2a_core.contract.api_keys import CreateAPIKeyRequest
from e2a_core.contract.deployment import DeploymentInfoView
from e2a_core.contract.engine import Engine, Session
from e2a_core.settings import Settings
from e2a_mcp.asgi import MAX_BODY_BYTES
from e2a_mcp.auth import CredentialCache
from e2a_mcp.origins import HostPolicy
from e2a_mcp.program.application import mcp_routes
from e2a_mcp.program.metrics import ProcessMetrics
from tests.support.home import ASSISTANT, Home

from .relay import Listener, mcp_listening

pytestmark = pytest.mark.anyio

BOTH = "application/json, text/event-stream"
CALL = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": "whoami", "arguments": {}}}


class Asked:
    """An engine that counts how often it is asked who somebody is; `problem` is what it answers then."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self.times = 0
        self.problem: errors.E2AError | None = None

    async def session(self, credential: str, *, door: principal.Door = "api") -> Session:
        self.times += 1
        # Several that ask at once find each other waiting.
        await anyio.sleep(0.01)
        if self.problem is not None:
            raise self.problem
        return await self._engine.session(credential, door=door)

    async def home_session(
        self, *, agent_email: str | None = None, scope: str = "agent", door: principal.Door = "command"
    ) -> Session:
        if self.problem is not None:
            raise self.problem
        return await self._engine.home_session(agent_email=agent_email, scope=scope, door=door)

    async def info(self) -> DeploymentInfoView:
        return await self._engine.info()

    async def close(self) -> None:
        raise AssertionError("the home is not the listener's to close")


@dataclass
class Door:
    """The application before the home of the module, and the keys of that home."""

    home: Home
    engine: Asked
    settings: Settings

    @property
    def agent(self) -> str:
        return self.home.agent_key

    @property
    def account(self) -> str:
        return self.home.account_key

    def headers(self, key: str | None = "", **more: str) -> dict[str, str]:
        """Those of a call with the agent's key, or with another, or with None."""
        given = {"Accept": BOTH, "Content-Type": "application/json"}
        if key is not None:
            given["Authorization"] = f"Bearer {key or self.agent}"
        return {**given, **{name.replace("_", "-"): value for name, value in more.items()}}

    @asynccontextmanager
    async def opened(self, **settings: Any) -> AsyncIterator[tuple[Listener, httpx2.AsyncClient]]:
        async with (
            mcp_listening(self.engine, replace(self.settings, **settings)) as listener,
            httpx2.AsyncClient(base_url=listener.base, timeout=20) as http,
        ):
            yield listener, http

    async def second_key(self) -> tuple[str, str]:
        """Another key for the same inbox, and its id."""
        owner = await self.home.local.session(self.account)
        made = await owner.api_keys.create(CreateAPIKeyRequest(scope="agent", agent_email=ASSISTANT))
        return made.key, made.id

    async def revoke(self, key_id: str) -> None:
        await (await self.home.local.session(self.account)).api_keys.delete(key_id)


@pytest.fixture
def door(shared_home: Home) -> Door:
    return Door(shared_home, Asked(shared_home.local), shared_home.local.core.settings)


@pytest.fixture
async def http(door: Door) -> AsyncIterator[httpx2.AsyncClient]:
    async with door.opened() as (_, client):
        yield client


def refused(response: httpx2.Response, status: int) -> dict[str, Any]:
    assert response.status_code == status
    body: dict[str, Any] = response.json()
    assert body["id"] is None
    assert body["error"]["data"]["request_id"] == response.headers["x-request-id"]
    error: dict[str, Any] = body["error"]
    return error


async def test_an_agent_key_sees_the_agent_scope_and_an_account_key_both(door: Door, era: str) -> None:
    async with door.opened() as (listener, _), listener.client(door.agent, era) as client:
        names = [tool.name for tool in (await client.list_tools()).tools]
        assert "list_messages" in names
        assert "approve_review" not in names
        assert (await client.call_tool("whoami", {})).structured_content["agent_email"] == ASSISTANT
    async with door.opened() as (listener, _), listener.client(door.account, era) as client:
        names = [tool.name for tool in (await client.list_tools()).tools]
        assert {"list_messages", "approve_review"} <= set(names)
        assert not (await client.call_tool("list_messages", {"email": ASSISTANT})).is_error


@pytest.mark.parametrize("key", [None, "e2a_agt_wrong"])
async def test_no_or_a_wrong_credential_is_challenged(
    http: httpx2.AsyncClient, door: Door, key: str | None
) -> None:
    response = await http.post("/mcp", json=CALL, headers=door.headers(key))
    assert refused(response, 401)["code"] == -32001
    challenge = response.headers["www-authenticate"]
    assert challenge.startswith('Bearer realm="e2a"')
    assert ("invalid_token" in challenge) is (key is not None)


async def test_other_schemes_are_no_credential(http: httpx2.AsyncClient, door: Door) -> None:
    given = {**door.headers(None), "Authorization": f"Basic {door.agent}"}
    refused(await http.post("/mcp", json=CALL, headers=given), 401)


@pytest.mark.parametrize(
    "host", ["evil.example", "evil.example:80", "localhost@evil.example", "localhost.evil.example"]
)
async def test_a_foreign_host_is_misdirected(http: httpx2.AsyncClient, door: Door, host: str) -> None:
    refused(await http.post("/mcp", json=CALL, headers=door.headers(Host=host)), 421)


@pytest.mark.parametrize("host", ["localhost", "LOCALHOST:8080", "127.0.0.1:1", "[::1]:8080"])
async def test_loopback_hosts_are_served(http: httpx2.AsyncClient, door: Door, host: str) -> None:
    assert (await http.post("/mcp", json=CALL, headers=door.headers(Host=host))).status_code == 200


async def test_a_foreign_origin_is_forbidden_before_the_credential_is_looked_at(
    http: httpx2.AsyncClient,
    door: Door,
) -> None:
    response = await http.post(
        "/mcp", json=CALL, headers=door.headers("wrong", Origin="https://evil.example")
    )
    refused(response, 403)
    assert "access-control-allow-origin" not in response.headers
    assert refused(await http.post("/mcp", json=CALL, headers=door.headers(Origin="null")), 403)


async def test_an_allowed_origin_can_read_the_answer(http: httpx2.AsyncClient, door: Door) -> None:
    origin = "http://localhost:6274"
    response = await http.post("/mcp", json=CALL, headers=door.headers("wrong", Origin=origin))
    assert response.status_code == 401
    assert response.headers["access-control-allow-origin"] == origin
    assert "WWW-Authenticate" in response.headers["access-control-expose-headers"]
    preflight = await http.options("/mcp", headers={"Origin": origin})
    assert preflight.status_code == 204
    assert "Authorization" in preflight.headers["access-control-allow-headers"]


async def test_json_that_is_none_is_a_parse_error(http: httpx2.AsyncClient, door: Door) -> None:
    for body in (b"{", b"", b"\xff", b"[" * 100_000):
        assert refused(await http.post("/mcp", content=body, headers=door.headers()), 400)["code"] == -32700
    again = door.headers(MCP_Protocol_Version="2026-07-28")
    assert refused(await http.post("/mcp", content=b"{", headers=again), 400)["code"] == -32700


async def test_a_batch_is_refused(http: httpx2.AsyncClient, door: Door) -> None:
    assert (await http.post("/mcp", json=[CALL], headers=door.headers())).status_code == 400


async def test_another_content_type_is_refused(http: httpx2.AsyncClient, door: Door) -> None:
    given = {**door.headers(), "Content-Type": "text/plain"}
    refused(await http.post("/mcp", content=json.dumps(CALL), headers=given), 415)


async def test_too_much_is_refused_by_its_length_and_by_its_bytes(
    http: httpx2.AsyncClient, door: Door
) -> None:
    async def pieces() -> AsyncIterator[bytes]:
        piece = b" " * (1024 * 1024)
        for _ in range(MAX_BODY_BYTES // len(piece) + 1):
            yield piece

    refused(await http.post("/mcp", content=pieces(), headers=door.headers()), 413)
    head = "".join(f"{name}: {value}\r\n" for name, value in door.headers(Host="localhost").items())
    head = f"POST /mcp HTTP/1.1\r\n{head}Content-Length: {MAX_BODY_BYTES + 1}\r\n\r\n"
    with anyio.fail_after(10):
        async with await anyio.connect_tcp("127.0.0.1", http.base_url.port or 0) as stream:
            await stream.send(head.encode())
            assert (await stream.receive()).startswith(b"HTTP/1.1 413")


async def test_a_client_that_takes_only_json_gets_json(http: httpx2.AsyncClient, door: Door) -> None:
    given = {**door.headers(), "Accept": "application/json"}
    response = await http.post("/mcp", json=CALL, headers=given)
    assert response.headers["content-type"] == "application/json"
    assert response.json()["result"]["structuredContent"]["agent_email"] == ASSISTANT


async def test_a_call_without_handshake_is_answered(http: httpx2.AsyncClient, door: Door) -> None:
    response = await http.post("/mcp/", json=CALL, headers=door.headers())
    assert response.status_code == 200
    assert "mcp-session-id" not in response.headers


async def test_a_session_serves_only_the_credential_that_opened_it(
    http: httpx2.AsyncClient, door: Door
) -> None:
    params = {
        "protocolVersion": "2025-11-25",
        "capabilities": {},
        "clientInfo": {"name": "t", "version": "1"},
    }
    opening = {"jsonrpc": "2.0", "id": 0, "method": "initialize", "params": params}
    response = await http.post("/mcp", json=opening, headers=door.headers())
    session = response.headers["mcp-session-id"]
    ours = door.headers(Mcp_Session_Id=session)
    assert (await http.post("/mcp", json=CALL, headers=ours)).status_code == 200
    second, _ = await door.second_key()
    theirs = door.headers(second, Mcp_Session_Id=session)
    assert (await http.post("/mcp", json=CALL, headers=theirs)).status_code == 404
    account = door.headers(door.account, Mcp_Session_Id=session)
    assert (await http.post("/mcp", json=CALL, headers=account)).status_code == 404


async def test_there_is_no_stream_without_a_session(http: httpx2.AsyncClient, door: Door) -> None:
    for method in ("GET", "DELETE", "PUT"):
        assert (await http.request(method, "/mcp", headers=door.headers())).status_code == 405


async def test_request_ids_are_kept_or_made_and_told_in_errors(http: httpx2.AsyncClient, door: Door) -> None:
    wrong = {**CALL, "params": {"name": "get_message", "arguments": {"message_id": "none"}}}
    kept = await http.post("/mcp", json=wrong, headers=door.headers(X_Request_Id="abc-123"))
    assert kept.headers["x-request-id"] == "abc-123"
    body = kept.json()
    assert body["result"]["structuredContent"]["request_id"] == "abc-123"
    made = await http.post("/mcp", json=CALL, headers=door.headers(X_Request_Id="no good\tat all"))
    assert made.headers["x-request-id"].startswith("req_")


async def test_operations(http: httpx2.AsyncClient, door: Door) -> None:
    assert (await http.get("/healthz")).json() == {"ok": True}
    assert (await http.get("/readyz")).json()["checks"] == {"engine": "ok", "mcp": "ok"}
    await http.post("/mcp", json=CALL, headers=door.headers())
    await http.post("/mcp", json=CALL, headers=door.headers("wrong"))
    await http.post("/mcp", json={**CALL, "params": {"name": 'evil"} 1\n'}}, headers=door.headers())
    response = await http.get("/metrics")
    assert response.headers["content-type"].startswith("text/plain; version=0.0.4")
    lines = response.text.splitlines()
    assert 'e2a_mcp_tool_calls_total{outcome="ok",tool="whoami"} 1.0' in lines
    assert 'e2a_mcp_tool_calls_total{outcome="unknown_tool",tool="unknown"} 1.0' in lines
    assert 'e2a_mcp_http_refusals_total{status="401"} 1.0' in lines
    assert "evil" not in response.text


async def test_an_engine_that_cannot_tell_who_calls_is_503(door: Door) -> None:
    door.engine.problem = errors.StoreUnavailable("the database does not answer")
    async with door.opened() as (_, http):
        response = await http.post("/mcp", json=CALL, headers=door.headers())
        refused(response, 503)
        assert response.headers["retry-after"] == "1"
        ready = await http.get("/readyz")
        assert (ready.status_code, ready.json()["ok"]) == (503, False)
        assert (await http.get("/healthz")).status_code == 200


async def test_a_listener_whose_mcp_does_not_run_is_not_ready(door: Door) -> None:
    mcp, routes = mcp_routes(door.engine, door.settings, ProcessMetrics())
    transport = httpx2.ASGITransport(Starlette(routes=routes))
    async with httpx2.AsyncClient(transport=transport, base_url="http://localhost") as http:
        async with mcp.run():
            assert mcp.serving
        ready = await http.get("/readyz")
    assert (ready.status_code, ready.json()) == (
        503,
        {"ok": False, "checks": {"engine": "ok", "mcp": "unavailable"}},
    )


async def test_old_names_can_be_listed(door: Door) -> None:
    async with (
        door.opened(mcp_legacy_tools=True) as (listener, _),
        listener.client(door.agent) as client,
    ):
        assert "send_email" in [tool.name for tool in (await client.list_tools()).tools]


class Clock:
    def __init__(self) -> None:
        self.seconds = 0.0

    def monotonic(self) -> float:
        return self.seconds

    def now(self) -> Any:
        raise AssertionError("not asked")


async def test_a_revoked_key_is_refused_shortly_after(door: Door) -> None:
    clock = Clock()
    cache = CredentialCache(door.engine, clock, fresh_seconds=5)
    key, key_id = await door.second_key()
    await cache.session(key)
    await door.revoke(key_id)
    await cache.session(key)
    clock.seconds += 5
    with pytest.raises(errors.Unauthorized):
        await cache.session(key)


async def test_this_deployments_own_keys_begin_at_once_and_end_at_once(
    http: httpx2.AsyncClient, door: Door
) -> None:
    core = door.home.local.core
    account = (await door.home.local.session(door.account)).principal.account_id
    key = new_key(core, account, scope="agent", agent_email=ASSISTANT)

    async def answer() -> httpx2.Response:
        return await http.post("/mcp", json=CALL, headers=door.headers(key.plaintext))

    refused(await answer(), 401)
    await core.db.write([key.statement])
    asked = door.engine.times
    assert (await answer()).status_code == 200
    assert door.engine.times == asked + 1
    await door.revoke(key.row.id)
    refused(await answer(), 401)


async def test_another_deployment_is_not_asked_about_the_same_key_each_time(door: Door) -> None:
    async with door.opened(api_key=door.account) as (_, http):
        for _ in range(3):
            assert (await http.post("/mcp", json=CALL, headers=door.headers())).status_code == 200
    assert door.engine.times == 1


async def test_the_url_or_else_the_setting_chooses_profiles(door: Door) -> None:
    question = {"jsonrpc": "2.0", "id": 1, "method": "tools/list"}

    async def names(http: httpx2.AsyncClient, query: str) -> set[str]:
        response = await http.post(f"/mcp{query}", json=question, headers=door.headers(door.account))
        return {tool["name"] for tool in response.json()["result"]["tools"]}

    async with door.opened(mcp_profile=("review",)) as (_, http):
        assert "approve_review" in await names(http, "")
        assert "list_messages" not in await names(http, "")
        both = await names(http, "?profile=inbox,admin")
        assert both == await names(http, "?profile=admin&profile=inbox")
        assert {"list_messages", "create_agent"} < both
        assert "approve_review" not in both
        call = {**CALL, "params": {"name": "list_reviews", "arguments": {}}}
        response = await http.post("/mcp?profile=inbox", json=call, headers=door.headers(door.account))
        assert response.json()["result"]["structuredContent"]["code"] == "unknown_tool"
        wrong = await http.post("/mcp?profile=everything", json=question, headers=door.headers(door.account))
        assert "inbox, review, admin" in refused(wrong, 400)["message"]


async def test_one_credential_is_asked_for_once_whatever_comes_of_it(door: Door) -> None:
    cache = CredentialCache(door.engine, Clock(), fresh_seconds=5)

    async def ask(key: str) -> None:
        try:
            await cache.session(key)
        except errors.Unauthorized:
            assert key == "wrong"

    async with anyio.create_task_group() as tasks:
        for _ in range(20):
            tasks.start_soon(ask, door.agent)
            tasks.start_soon(ask, "wrong")
    assert door.engine.times == 2


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
