"""What a process tells of its work to whoever counts it."""

from __future__ import annotations

from typing import Protocol

__all__ = ["Observer", "Unobserved"]


class Observer(Protocol):
    """Told of each thing once it is over; every argument but `seconds` comes from a closed set, never from a caller."""

    def request(self, operation: str, status: int, seconds: float) -> None:
        """An API request: the operation's id (`unrouted` when there is none) and the HTTP status of its answer."""

    def tool(self, name: str, outcome: str, seconds: float) -> None:
        """A call of an MCP tool (`unknown` when there is none of its name): `ok`, or the code of its error."""

    def refusal(self, status: int) -> None:
        """A request to `/mcp` that was refused before it reached the protocol."""

    def submission(self, transport: str, outcome: str, seconds: float) -> None:
        """A message handed to a transport: the worst outcome among its recipients."""


class Unobserved:
    """An observer that nobody asks."""

    def request(self, operation: str, status: int, seconds: float) -> None:
        return

    def tool(self, name: str, outcome: str, seconds: float) -> None:
        return

    def refusal(self, status: int) -> None:
        return

    def submission(self, transport: str, outcome: str, seconds: float) -> None:
        return
