"""Calls one tool over streamable HTTP on several connections at once and prints how long it took.

    python -m bench.children.mcp_load URL KEY ERA CONCURRENCY CALLS

It sends the requests of the official client without that client's work on the answers, so that the server is measured
and not the client. ERA is `modern` (2026-07-28, no session) or `handshake` (2025-11-25, one session per connection).
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from typing import Any
from urllib.parse import urlsplit

SECONDS = 600.0
TOOL = "list_messages"
MODERN, HANDSHAKE = "2026-07-28", "2025-11-25"
CLIENT = {"name": "bench", "version": "1"}


class Connection:
    """One keep-alive connection, with a session of its own in the handshake era."""

    def __init__(self, url: str, key: str, era: str) -> None:
        self._parts = urlsplit(url)
        self._modern = era == "modern"
        self._headers = {
            "Host": self._parts.netloc,
            "Authorization": f"Bearer {key}",
            "Content-Type": "application/json",
            "Accept": "application/json, text/event-stream",
        }
        self._call = b""

    async def open(self) -> None:
        assert self._parts.hostname is not None
        self._reader, self._writer = await asyncio.open_connection(self._parts.hostname, self._parts.port)
        params: dict[str, Any] = {"name": TOOL, "arguments": {}}
        if self._modern:
            params["_meta"] = {
                "io.modelcontextprotocol/protocolVersion": MODERN,
                "io.modelcontextprotocol/clientInfo": CLIENT,
                "io.modelcontextprotocol/clientCapabilities": {},
            }
            self._headers |= {"MCP-Protocol-Version": MODERN, "Mcp-Method": "tools/call", "Mcp-Name": TOOL}
        else:
            await self._shake_hands()
        self._call = self._request({"jsonrpc": "2.0", "id": 2, "method": "tools/call", "params": params})

    async def call(self) -> bytes:
        """Returns the body of one answer. Raises RuntimeError unless its status is a success."""
        status, _, body = await self._exchange(self._call)
        if status != 200 or b'"isError":true' in body or b'"error":' in body:
            raise RuntimeError(f"{status} {body[:500]!r}")
        return body

    async def _shake_hands(self) -> None:
        params = {"protocolVersion": HANDSHAKE, "capabilities": {}, "clientInfo": CLIENT}
        hello = self._request({"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": params})
        _, headers, _ = await self._exchange(hello)
        self._headers |= {"MCP-Protocol-Version": HANDSHAKE, "Mcp-Session-Id": headers["mcp-session-id"]}
        await self._exchange(self._request({"jsonrpc": "2.0", "method": "notifications/initialized"}))

    def _request(self, message: dict[str, Any]) -> bytes:
        body = json.dumps(message, separators=(",", ":")).encode()
        fields = {**self._headers, "Content-Length": str(len(body))}
        lines = [f"POST {self._parts.path} HTTP/1.1", *(f"{name}: {text}" for name, text in fields.items())]
        return "\r\n".join([*lines, "", ""]).encode() + body

    async def _exchange(self, request: bytes) -> tuple[int, dict[str, str], bytes]:
        self._writer.write(request)
        head = (await self._reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
        headers = {name.lower(): text.strip() for name, _, text in (line.partition(":") for line in head[1:])}
        if headers.get("transfer-encoding") == "chunked":
            body = b"".join([chunk async for chunk in self._chunks()])
        else:
            body = await self._reader.readexactly(int(headers.get("content-length", "0")))
        return int(head[0].split()[1]), headers, body

    async def _chunks(self) -> Any:
        while size := int(await self._reader.readuntil(b"\r\n"), 16):
            yield (await self._reader.readexactly(size + 2))[:-2]
        await self._reader.readexactly(2)


async def main(url: str, key: str, era: str, concurrency: str, calls: str) -> None:
    connections = [Connection(url, key, era) for _ in range(int(concurrency))]
    for connection in connections:
        await connection.open()
    answer = await connections[0].call()
    left = iter(range(int(calls)))

    async def work(connection: Connection) -> None:
        for _ in left:
            await connection.call()

    started = time.perf_counter()
    async with asyncio.timeout(SECONDS):
        await asyncio.gather(*(work(connection) for connection in connections))
    seconds = time.perf_counter() - started
    sys.stdout.write(json.dumps({"seconds": seconds, "calls": int(calls), "answer": answer.decode()}))


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
