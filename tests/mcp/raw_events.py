"""A client of MCP Events that shows each message as it came: over HTTP in both eras, and without a transport."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import anyio
import httpx2
from mcp.server.lowlevel.server import NotificationOptions, Server
from mcp.shared.memory import create_client_server_memory_streams
from mcp.shared.message import SessionMessage
from mcp_types import jsonrpc_message_adapter

__all__ = ["EXTENSION", "RawHttp", "Stream", "Wire", "over_http", "over_memory"]

MODERN = "2026-07-28"
HANDSHAKE = "2025-11-25"
EXTENSION = "io.modelcontextprotocol/events"
SUBSCRIPTION = "io.modelcontextprotocol/subscriptionId"
PATIENCE_SECONDS = 20
HEADERS = {"Accept": "application/json, text/event-stream"}


def envelope(capabilities: dict[str, Any]) -> dict[str, Any]:
    """What each request of the modern era says of its client."""
    return {
        "io.modelcontextprotocol/protocolVersion": MODERN,
        "io.modelcontextprotocol/clientInfo": {"name": "raw", "version": "0"},
        "io.modelcontextprotocol/clientCapabilities": capabilities,
    }


def notification(message: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    """The kind and the params of an event's notification."""
    method = message["method"]
    assert method.startswith("notifications/events/"), message
    return method.removeprefix("notifications/events/"), message["params"]


def answer_in(response: httpx2.Response) -> dict[str, Any]:
    """The JSON-RPC answer, as JSON or as the last message of a stream."""
    text = response.text
    if response.headers["content-type"].startswith("text/event-stream"):
        [*_, text] = [line[6:] for line in text.splitlines() if line.startswith("data: {")]
    found: dict[str, Any] = json.loads(text)
    return found


@dataclass
class Stream:
    """The messages of one SSE answer; `comments` has the lines that are none."""

    response: httpx2.Response
    comments: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._lines = self.response.aiter_lines()

    async def message(self) -> dict[str, Any]:
        with anyio.fail_after(PATIENCE_SECONDS):
            async for line in self._lines:
                if line.startswith("data: {"):
                    found: dict[str, Any] = json.loads(line[6:])
                    return found
                if line.startswith(":"):
                    self.comments.append(line)
        raise EOFError

    async def next(self) -> tuple[str, dict[str, Any]]:
        return notification(await self.message())


@dataclass
class RawHttp:
    """`/mcp` of the relay, as one credential."""

    http: httpx2.AsyncClient
    url: str
    capabilities: dict[str, Any] = field(default_factory=dict)
    handshaken: bool = False
    session: str | None = None

    async def call(self, method: str, **params: Any) -> dict[str, Any]:
        """The whole JSON-RPC answer."""
        return answer_in(await self.http.post(**self._request(1, method, params)))

    async def result(self, method: str, **params: Any) -> dict[str, Any]:
        answer = await self.call(method, **params)
        assert "result" in answer, answer
        found: dict[str, Any] = answer["result"]
        return found

    async def poll(self, **params: Any) -> dict[str, Any]:
        return await self.result("events/poll", **{"name": "email.received", **params})

    async def error(self, method: str, **params: Any) -> tuple[int, str, dict[str, Any]]:
        answer = await self.call(method, **params)
        assert "error" in answer, answer
        return answer["error"]["code"], answer["error"]["message"], answer["error"].get("data") or {}

    @asynccontextmanager
    async def stream(self, id: int | str = 1, **params: Any) -> AsyncIterator[Stream]:
        request = self._request(id, "events/stream", {"name": "email.received", **params})
        async with self.http.stream("POST", **request) as response:
            response.raise_for_status()
            assert response.headers["content-type"].startswith("text/event-stream"), await response.aread()
            yield Stream(response)

    async def handshake(self) -> dict[str, Any]:
        """Goes on in the older era, in a session if the server has them, and gives the result of `initialize`."""
        params = {
            "protocolVersion": HANDSHAKE,
            "capabilities": {},
            "clientInfo": {"name": "raw", "version": "0"},
        }
        body = {"jsonrpc": "2.0", "id": 0, "method": "initialize", "params": params}
        response = await self.http.post(self.url, json=body, headers=HEADERS)
        self.handshaken, self.session = True, response.headers.get("mcp-session-id")
        done = {"jsonrpc": "2.0", "method": "notifications/initialized"}
        await self.http.post(self.url, json=done, headers=self._headers("notifications/initialized"))
        result: dict[str, Any] = answer_in(response)["result"]
        return result

    def _request(self, id: int | str, method: str, params: dict[str, Any]) -> dict[str, Any]:
        if not self.handshaken:
            params = {**params, "_meta": envelope(self.capabilities)}
        body = {"jsonrpc": "2.0", "id": id, "method": method, "params": params}
        return {"url": self.url, "json": body, "headers": self._headers(method)}

    def _headers(self, method: str) -> dict[str, str]:
        if self.handshaken:
            session = {"Mcp-Session-Id": self.session} if self.session else {}
            return {**HEADERS, "MCP-Protocol-Version": HANDSHAKE, **session}
        return {**HEADERS, "MCP-Protocol-Version": MODERN, "Mcp-Method": method}


@asynccontextmanager
async def over_http(base: str, key: str, **capabilities: Any) -> AsyncIterator[RawHttp]:
    headers = {"Authorization": f"Bearer {key}"}
    async with httpx2.AsyncClient(headers=headers, timeout=PATIENCE_SECONDS) as http:
        yield RawHttp(http, f"{base}/mcp", capabilities)


class Wire:
    """JSON-RPC with a server in this process, as over stdio."""

    def __init__(self, incoming: Any, outgoing: Any) -> None:
        self._incoming = incoming
        self._outgoing = outgoing

    async def send(self, method: str, id: int | str | None = None, **params: Any) -> None:
        message: dict[str, Any] = {"jsonrpc": "2.0", "method": method}
        message["params"] = {**params, "_meta": envelope({})}
        if id is not None:
            message["id"] = id
        await self._outgoing.send(SessionMessage(jsonrpc_message_adapter.validate_python(message)))

    async def message(self) -> dict[str, Any]:
        with anyio.fail_after(PATIENCE_SECONDS):
            received = await self._incoming.receive()
        found: dict[str, Any] = received.message.model_dump(by_alias=True, mode="json", exclude_none=True)
        return found

    async def next(self) -> tuple[str, dict[str, Any]]:
        return notification(await self.message())


@asynccontextmanager
async def over_memory(server: Server[Any]) -> AsyncIterator[Wire]:
    async with (
        create_client_server_memory_streams() as (client, (incoming, outgoing)),
        anyio.create_task_group() as tasks,
    ):
        options = server.create_initialization_options(NotificationOptions())
        tasks.start_soon(server.run, incoming, outgoing, options)
        yield Wire(*client)
        tasks.cancel_scope.cancel()
