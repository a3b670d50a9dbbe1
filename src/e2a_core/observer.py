"""The interface through which a process reports its work to metrics."""

from __future__ import annotations

from typing import Protocol

__all__ = ["Observer", "Unobserved"]


class Observer(Protocol):
    """Called once each thing is over. Every argument except `seconds` comes from a closed set, never from a client."""

    def request(self, operation: str, status: int, seconds: float) -> None:
        """An API request: the id of the operation, or `unrouted`, and the HTTP status of the response."""

    def tool(self, name: str, outcome: str, seconds: float) -> None:
        """A call of an MCP tool, or `unknown`. `outcome` is `ok` or an error code."""

    def refusal(self, status: int) -> None:
        """A request to `/mcp` that was refused before it reached the MCP server."""

    def submission(self, transport: str, outcome: str, seconds: float) -> None:
        """A message handed to a transport. `outcome` is the worst among its recipients."""


class Unobserved:
    """An observer that ignores all calls."""

    def request(self, operation: str, status: int, seconds: float) -> None:
        return

    def tool(self, name: str, outcome: str, seconds: float) -> None:
        return

    def refusal(self, status: int) -> None:
        return

    def submission(self, transport: str, outcome: str, seconds: float) -> None:
        return
