"""MCP: a session over stdio with this installation, and the endpoint over HTTP."""

from __future__ import annotations

import asyncio
import json
import os
import sys
import tempfile
from contextlib import AsyncExitStack
from pathlib import Path
from shlex import quote
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import httpx
from mcp.client.stdio import stdio_client
from mcp.shared.exceptions import MCPError

from e2a_core.settings import Settings
from e2a_mcp.program.doctor.deployment import http_client, is_http_url
from e2a_mcp.program.doctor.finding import Cause, Finding, fail, passed, quoted, skip, warn
from e2a_mcp.program.doctor.limits import NETWORK_SECONDS
from e2a_mcp.version import VERSION
from mcp import Client, StdioServerParameters

__all__ = ["check_mcp_http", "check_stdio"]

START_SECONDS = 30.0
"""A slow disk and a cold cache of Python; no network is in it."""
PROTOCOL_VERSION = "2025-11-25"
_UNROUTED = frozenset({404, 410})
_ASKS_FOR_KEY = 401
_ANSWERS = frozenset({200, 202, 400, 401, 405, 406})
"""To a bare GET: an endpoint that wants a credential, a session, other types, or POST alone."""


async def check_stdio() -> list[Finding]:
    """Starts the server as a host does, on a home of its own that is thrown away, and lists the tools."""
    id, fix = "mcp.stdio", "run e2a-mcp in a terminal: it says why it does not start"
    try:
        with tempfile.TemporaryDirectory(prefix="e2a-doctor-") as folder:
            async with asyncio.timeout(START_SECONDS):
                tools = await _tools(Path(folder))
    except TimeoutError:
        detail = f"no session within {START_SECONDS:.0f} seconds"
        return [fail(id, "not_answering", detail, fix, cause=Cause.TRANSIENT)]
    except (OSError, MCPError, BaseExceptionGroup) as problem:
        return [fail(id, "handshake_failed", f"no session: {quoted(_first(problem))}", fix)]
    return [passed(id, f"a session offers {tools} tools", tools=tools)]


async def _tools(folder: Path) -> int:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("E2A_")}
    ports = {"E2A_SMTP_LISTEN": "127.0.0.1:0", "E2A_HTTP_LISTEN": "127.0.0.1:0"}
    parameters = StdioServerParameters(
        command=sys.executable,
        args=["-m", "e2a_mcp"],
        env={**kept, **ports, "E2A_HOME": str(folder / "home")},
    )
    log = tempfile.TemporaryFile("w", dir=folder, encoding="utf-8")  # noqa: SIM115 - closed by the stack
    async with AsyncExitStack() as stack:
        client = await stack.enter_async_context(
            Client(stdio_client(parameters, errlog=stack.enter_context(log)))
        )
        return len((await client.list_tools()).tools)


def _first(problem: BaseException) -> str:
    while isinstance(problem, BaseExceptionGroup):
        problem = problem.exceptions[0]
    return str(problem) or type(problem).__name__


async def check_mcp_http(settings: Settings, url: str, *, discovery: bool) -> list[Finding]:
    """The endpoint at `url`, a session with the key of the settings if there is one, and sign-in with `discovery`."""
    if not url:
        detail = "its URL is not known" if settings.remote else "nothing is served now"
        fix = (
            "give the URL with --mcp-url"
            if settings.remote
            else "start e2a serve, or give the URL with --mcp-url"
        )
        return [skip("mcp.reachability", "no_mcp_url", detail, fix=fix)]
    if not is_http_url(url):
        fix = "give --mcp-url an http:// or https:// URL"
        return [fail("mcp.reachability", "invalid_mcp_url", "is no http:// or https:// URL", fix, target=url)]
    async with http_client(url) as http:
        reached, answer = await _reached(http, url)
        if answer is None or reached.cause is not None:
            return [reached]
        metadata = [await _metadata(http, url, answer)] if discovery else []
        return [reached, *await _session(http, url, settings), *metadata]


async def _reached(http: httpx.AsyncClient, url: str) -> tuple[Finding, httpx.Response | None]:
    id = "mcp.reachability"
    try:
        async with asyncio.timeout(NETWORK_SECONDS), http.stream("GET", url) as answer:
            status = answer.status_code
    except (httpx.HTTPError, httpx.InvalidURL, OSError, TimeoutError) as problem:
        detail = f"cannot be reached: {quoted(str(problem) or 'no answer')}"
        fix = "see that the URL is right and that e2a serve runs behind it"
        return fail(id, "connection_failed", detail, fix, cause=Cause.TRANSIENT, target=url), None
    detail = f"answers {status}"
    if status in _UNROUTED:
        fix = "correct the URL, which ends in /mcp; a web server in front must pass /mcp on"
        return fail(id, "not_routed", detail, fix, target=url), answer
    if status >= 500:
        fix = "see the log of e2a serve and of the web server in front"
        return fail(id, "http_error", detail, fix, cause=Cause.TRANSIENT, target=url), answer
    if status not in _ANSWERS:
        fix = "see what the web server in front does with /mcp; it must keep the Host header"
        return fail(id, "http_error", detail, fix, target=url), answer
    asks = "asks for a key" if status == _ASKS_FOR_KEY else detail
    return passed(id, asks, target=url, status=status), answer


async def _session(http: httpx.AsyncClient, url: str, settings: Settings) -> list[Finding]:
    id = "mcp.handshake"
    if not settings.remote:
        # A key without its deployment would be taken to the hosted one.
        fix = f"E2A_API_KEY=YOUR_KEY e2a doctor --remote {quote(url.removesuffix('/mcp'))} --mcp-url {quote(url)}"
        return [skip(id, "no_key", "needs a key, and none is set", fix=fix, target=url)]
    headers = {
        "Authorization": f"Bearer {settings.api_key}",
        "Accept": "application/json, text/event-stream",
    }
    try:
        async with asyncio.timeout(NETWORK_SECONDS):
            answer = await http.post(url, json=_initialize(), headers=headers)
            session = answer.headers.get("mcp-session-id")
            if session:
                await http.delete(url, headers={**headers, "Mcp-Session-Id": session})
    except (httpx.HTTPError, OSError, TimeoutError, UnicodeEncodeError) as problem:
        detail = f"no session: {quoted(str(problem) or 'no answer')}"
        return [fail(id, "connection_failed", detail, "try again", cause=Cause.TRANSIENT, target=url)]
    return [_opened(url, answer)]


def _opened(url: str, answer: httpx.Response) -> Finding:
    id = "mcp.handshake"
    if answer.status_code in {401, 403}:
        code = "unauthorized" if answer.status_code == 401 else "forbidden"
        detail = f"the key of E2A_API_KEY is refused with {answer.status_code}"
        return fail(id, code, detail, "set E2A_API_KEY to a valid key", cause=Cause.AUTH, target=url)
    found = _message(answer)
    server = found.get("result", {}).get("serverInfo") if isinstance(found.get("result"), dict) else None
    if not isinstance(server, dict):
        detail = f"initialize was answered with {answer.status_code} and no server"
        fix = "see that the URL is that of e2a's /mcp and that nothing in between changes answers"
        return fail(id, "unexpected_response", detail, fix, target=url)
    name = quoted(f"{server.get('name', '')} {server.get('version', '')}".strip())
    return passed(id, f"a session with {name}", target=url)


def _initialize() -> dict[str, Any]:
    return {
        "jsonrpc": "2.0",
        "id": 1,
        "method": "initialize",
        "params": {
            "protocolVersion": PROTOCOL_VERSION,
            "capabilities": {},
            "clientInfo": {"name": "e2a-doctor", "version": VERSION},
        },
    }


def _message(answer: httpx.Response) -> dict[str, Any]:
    """The JSON-RPC message of an answer, be it plain or the first data of an event stream."""
    lines = [answer.text, *(line[5:] for line in answer.text.splitlines() if line.startswith("data:"))]
    for line in lines:
        try:
            found = json.loads(line)
        except ValueError:
            continue
        if isinstance(found, dict):
            return found
    return {}


async def _metadata(http: httpx.AsyncClient, url: str, challenged: httpx.Response) -> Finding:
    """Where clients sign in (RFC 9728 section 3), of the path first and then of the origin."""
    id = "mcp.auth_metadata"
    parts = urlsplit(url)
    paths = dict.fromkeys(
        f"/.well-known/oauth-protected-resource{path}" for path in (parts.path.rstrip("/"), "")
    )
    for path in paths:
        place = urlunsplit((parts.scheme, parts.netloc, path, "", ""))
        try:
            async with asyncio.timeout(NETWORK_SECONDS):
                answer = await http.get(place)
        except (httpx.HTTPError, OSError, TimeoutError):
            continue
        if answer.status_code != 200:
            continue
        if _names_servers(answer):
            return passed(id, "names where clients sign in", target=place)
        fix = "have it name a resource and its authorization_servers (RFC 9728 section 2)"
        return warn(id, "metadata_invalid", "does not say where clients sign in", fix, target=place)
    fix = "give MCP clients a key in their configuration: they cannot sign in here by themselves"
    return warn(id, "metadata_missing", "there is none", fix, target=url)


def _names_servers(answer: httpx.Response) -> bool:
    try:
        found = answer.json()
    except ValueError:
        return False
    servers = found.get("authorization_servers") if isinstance(found, dict) else None
    return isinstance(servers, list) and bool(servers) and isinstance(found.get("resource"), str)
