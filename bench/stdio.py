"""A short conversation with an MCP server over stdio, as raw lines."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from bench.processes import child

__all__ = ["call_tool", "list_tools"]

EXIT_SECONDS = 30.0
_HELLO = {
    "protocolVersion": "2025-11-25",
    "capabilities": {},
    "clientInfo": {"name": "bench", "version": "1"},
}


def list_tools(
    arguments: Sequence[str], log: Path, env: Mapping[str, str]
) -> tuple[float, list[dict[str, Any]]]:
    """Starts `python ARGUMENTS`, does the handshake of a host, and lists the tools.

    Returns the milliseconds from the start of the process to the complete answer, and the tools.
    """
    started = time.perf_counter()
    with child(arguments, log, env=env) as server:
        server.write(_message("initialize", 1, _HELLO))
        server.line()
        server.write(_message("notifications/initialized") + _message("tools/list", 2))
        answer = json.loads(server.line())
        elapsed = time.perf_counter() - started
        assert server.process.stdin is not None
        server.process.stdin.close()
        server.process.wait(EXIT_SECONDS)
    tools: list[dict[str, Any]] = answer["result"]["tools"]
    if not tools:
        raise RuntimeError("the server has no tools")
    return elapsed * 1000, tools


def call_tool(arguments: Sequence[str], log: Path, env: Mapping[str, str], calls: int) -> list[float]:
    """Returns the milliseconds of each of `calls` sequential calls of `list_messages`, after one to warm up."""
    asking = {"name": "list_messages", "arguments": {}}
    found = []
    with child(arguments, log, env=env) as server:
        server.write(_message("initialize", 1, _HELLO))
        server.line()
        server.write(_message("notifications/initialized"))
        for number in range(calls + 1):
            started = time.perf_counter()
            server.write(_message("tools/call", number + 2, asking))
            answer = server.line()
            found.append((time.perf_counter() - started) * 1000)
            if json.loads(answer).get("result", {}).get("isError") is not False:
                raise RuntimeError(answer[:500])
        assert server.process.stdin is not None
        server.process.stdin.close()
        server.process.wait(EXIT_SECONDS)
    return found[1:]


def _message(method: str, number: int | None = None, params: object = None) -> bytes:
    message: dict[str, object] = {"jsonrpc": "2.0", "method": method}
    if number is not None:
        message["id"] = number
    if params is not None:
        message["params"] = params
    return json.dumps(message).encode() + b"\n"
