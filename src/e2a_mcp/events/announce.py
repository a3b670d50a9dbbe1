"""Announces MCP Events in both eras, at the place of each dialect."""

from __future__ import annotations

from typing import Any

from mcp.server.context import CallNext, HandlerResult, ServerRequestContext

__all__ = ["EXTENSION", "announce_events"]

EXTENSION = "io.modelcontextprotocol/events"

_OPENINGS = frozenset({"initialize", "server/discover"})


async def announce_events(ctx: ServerRequestContext[Any], call_next: CallNext) -> HandlerResult:
    """Middleware that adds both keys to the capabilities.

    The SDK drops keys that its version of the protocol does not know, but only before a middleware sees the result.
    """
    result = await call_next(ctx)
    if ctx.method not in _OPENINGS or not isinstance(result, dict):
        return result
    capabilities = result["capabilities"]
    extensions = {**capabilities.get("extensions", {}), EXTENSION: {"listChanged": False}}
    return {**result, "capabilities": {**capabilities, "events": {}, "extensions": extensions}}
