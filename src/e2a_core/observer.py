"""The interface through which a process reports its work to metrics."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Literal, Protocol

__all__ = ["Channel", "Observer", "SignInWay", "StreamKind", "Unobserved", "open_stream"]

Channel = Literal["webhook", "subscription"]
StreamKind = Literal["websocket", "events", "resources"]
SignInWay = Literal["link", "api_key", "passkey", "issuer"]


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

    def callback(self, channel: Channel, outcome: str, seconds: float) -> None:
        """A request to a callback. `outcome` is `ok` or the reason of the failure."""

    def arrival(self, channel: Channel, seconds: float) -> None:
        """An event that arrived at a callback, so long after it happened."""

    def stream(self, kind: StreamKind, change: int) -> None:
        """A WebSocket or a stream of events that was opened (1) or ended (-1)."""

    def failed_sign_in(self, way: SignInWay) -> None:
        """An attempt to sign in to the pages that signed nobody in."""


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

    def callback(self, channel: Channel, outcome: str, seconds: float) -> None:
        return

    def arrival(self, channel: Channel, seconds: float) -> None:
        return

    def stream(self, kind: StreamKind, change: int) -> None:
        return

    def failed_sign_in(self, way: SignInWay) -> None:
        return


@contextmanager
def open_stream(observer: Observer, kind: StreamKind) -> Iterator[None]:
    """Reports a stream as open until the end of the block."""
    observer.stream(kind, 1)
    try:
        yield
    finally:
        observer.stream(kind, -1)
