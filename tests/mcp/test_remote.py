"""`e2a-mcp` with the key of another deployment, as a child process."""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import anyio
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from mcp import Client, StdioServerParameters, stdio_client
from tests.remote.conftest import ACCOUNT, refusal
from tests.support.listening import listening, vacant_port
from tests.support.waiting import until

from .conftest import SAME_CODE
from .results import text_of
from .test_catalogue import ACCOUNT_NAMES, AGENT_NAMES

pytestmark = pytest.mark.anyio

EVERYTHING = [*AGENT_NAMES, *ACCOUNT_NAMES]


@asynccontextmanager
async def connected(tmp_path: Path, **environment: str) -> AsyncIterator[Client]:
    parameters = StdioServerParameters(
        command=sys.executable,
        args=["-m", "tests.mcp.remote_child"],
        env={
            **SAME_CODE,
            "E2A_HOME": str(tmp_path / "home"),
            "E2A_TEST_MODULES": str(tmp_path / "modules"),
            **environment,
        },
        cwd=Path(__file__).parents[2],
    )
    with anyio.fail_after(40):
        with (tmp_path / "log").open("w", encoding="utf-8") as log:
            async with Client(stdio_client(parameters, errlog=log), mode="legacy") as client:
                yield client


@pytest.fixture
def nobody() -> Iterator[str]:
    """An address at which nothing listens."""
    with vacant_port() as port:
        yield f"http://127.0.0.1:{port}"


@pytest.fixture
async def deployment() -> AsyncIterator[str]:
    """One that knows its callers and is out of order otherwise."""

    async def account(request: Request) -> Response:
        token = request.headers["authorization"].removeprefix("Bearer ")
        if "revoked" in token:
            return refusal(401, "unauthorized")
        return JSONResponse({**ACCOUNT, "scope": "account" if "account" in token else "agent"})

    async def other(request: Request) -> Response:
        return refusal(429, "rate_limited", {"Retry-After": "17"})

    routes = [Route("/v1/account", account), Route("/{path:path}", other)]
    async with listening(Starlette(routes=routes)) as url:
        yield url


async def names(tmp_path: Path, **environment: str) -> list[str]:
    async with connected(tmp_path, **environment) as client:
        return [tool.name for tool in (await client.list_tools()).tools]


@pytest.mark.parametrize(
    ("key", "scope", "expected"),
    [
        ("e2a_agt_x", "", AGENT_NAMES),
        ("e2a_agt_x", "account", AGENT_NAMES),
        ("e2a_acct_x", "", EVERYTHING),
        ("e2a_acct_x", "agent", AGENT_NAMES),
    ],
)
async def test_a_key_that_tells_its_scope_needs_no_network(
    tmp_path: Path, nobody: str, key: str, scope: str, expected: list[str]
) -> None:
    found = await names(tmp_path, E2A_API_URL=nobody, E2A_API_KEY=key, E2A_MCP_SCOPE=scope)
    assert found == expected


@pytest.mark.parametrize(
    ("token", "expected"),
    [("ate2a_agent", AGENT_NAMES), ("ate2a_account", EVERYTHING), ("ate2a_revoked", EVERYTHING)],
)
async def test_of_a_token_the_deployment_is_asked(
    tmp_path: Path, deployment: str, token: str, expected: list[str]
) -> None:
    assert await names(tmp_path, E2A_API_URL=deployment, E2A_API_KEY=token) == expected


async def test_neither_the_relay_nor_a_home_is_there(tmp_path: Path, deployment: str) -> None:
    async with connected(tmp_path, E2A_API_URL=deployment, E2A_API_KEY="e2a_agt_x") as client:
        me = await client.call_tool("whoami", {})
        assert me.structured_content["agent_email"] == ACCOUNT["agent_email"]
    modules = set((tmp_path / "modules").read_text(encoding="utf-8").split())
    rooms = ("local", "store", "intake", "outbound", "accounts", "messages", "http", "authentication", "core")
    assert not {name for name in modules for room in rooms if f"{name}.".startswith(f"e2a_core.{room}.")}
    assert not modules & {"aiosmtpd", "aiosmtplib", "aiosqlite", "asyncpg", "fastapi", "dns", "spf", "dkim"}
    assert not (tmp_path / "home").exists()


async def test_the_deployments_refusal_reaches_the_model_whole(tmp_path: Path, deployment: str) -> None:
    async with connected(tmp_path, E2A_API_URL=deployment, E2A_API_KEY="e2a_agt_x") as client:
        with anyio.fail_after(10):
            refused = await client.call_tool("list_messages", {})
    assert refused.is_error
    expected: dict[str, Any] = {
        "code": "rate_limited",
        "status": 429,
        "retryable": True,
        "request_id": "req_theirs",
        "retry_after_seconds": 17,
    }
    assert expected.items() <= refused.structured_content.items()
    assert "e2a error [rate_limited] (retryable)" in text_of(refused)


async def test_a_deployment_out_of_reach_is_told_in_the_call(tmp_path: Path, nobody: str) -> None:
    async with connected(tmp_path, E2A_API_URL=nobody, E2A_API_KEY="e2a_agt_x") as client:
        refused = await client.call_tool("whoami", {})
    assert (refused.structured_content["code"], refused.structured_content["retryable"]) == (
        "unavailable",
        True,
    )
    assert "cannot be reached" in text_of(refused)


@pytest.mark.parametrize("key", ["e2a_acct_revoked", "ate2a_revoked", "e2a_agt_\u00fc"])
async def test_a_wrong_key_names_the_setting_to_mend(tmp_path: Path, deployment: str, key: str) -> None:
    async with connected(tmp_path, E2A_API_URL=deployment, E2A_API_KEY=key) as client:
        await client.list_tools()
        # Before anything is asked of it.
        await until(lambda: "E2A_API_KEY" in logged(tmp_path))
        for tool in ("whoami", "list_messages"):
            refused = await client.call_tool(tool, {})
            assert refused.structured_content["code"] == "unauthorized"
            assert "E2A_API_KEY" in text_of(refused)
    assert logged(tmp_path).count("ERROR") == 1


def logged(tmp_path: Path) -> str:
    return (tmp_path / "log").read_text(encoding="utf-8")


async def test_a_key_that_is_revoked_later_names_the_setting_too(tmp_path: Path) -> None:
    async def account(request: Request) -> Response:
        return JSONResponse({**ACCOUNT, "scope": "agent"})

    async def other(request: Request) -> Response:
        return refusal(401, "unauthorized")

    routes = [Route("/v1/account", account), Route("/{path:path}", other)]
    async with (
        listening(Starlette(routes=routes)) as url,
        connected(tmp_path, E2A_API_URL=url, E2A_API_KEY="e2a_agt_x") as client,
    ):
        refused = await client.call_tool("list_messages", {})
    assert text_of(refused).startswith("e2a error [unauthorized]: http://127.0.0.1:")
    assert "set E2A_API_KEY to a valid key of that deployment" in text_of(refused)


async def test_a_wrong_address_names_the_setting_in_the_log(tmp_path: Path, nobody: str) -> None:
    async with connected(tmp_path, E2A_API_URL=nobody, E2A_API_KEY="e2a_agt_x") as client:
        refused = await client.call_tool("whoami", {})
    assert nobody in text_of(refused)
    assert "E2A_API_URL names the deployment" in logged(tmp_path)
