"""What a tool is, what it is called with and what it answers."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Generic, Protocol, TypeVar

from e2a_core.clock import Clock
from e2a_core.contract.engine import Session
from e2a_core.contract.operation import Hints
from e2a_core.errors import InvalidRequest
from e2a_core.ids import Ids
from e2a_mcp.schema import Arguments

__all__ = ["Call", "Progress", "Reply", "Services", "Tool"]

ArgumentsT = TypeVar("ArgumentsT", bound=Arguments)


class Progress(Protocol):
    """Tells the client how far a call is; does nothing when it did not ask."""

    async def __call__(
        self, progress: float, total: float | None = None, message: str | None = None
    ) -> None: ...


@dataclass(frozen=True, slots=True)
class Services:
    """What tools need besides the session.

    `attachment_roots` are the folders below which files may be attached by path, already resolved; empty means
    that paths are refused, as they must be for every caller on another machine.
    """

    clock: Clock
    ids: Ids
    attachment_roots: tuple[Path, ...] = ()


@dataclass(frozen=True, slots=True)
class Call:
    """One call of a tool by one caller."""

    session: Session
    services: Services
    progress: Progress

    def inbox(self, email: str | None) -> str:
        """The inbox meant: the one named, else the one the credential is bound to."""
        if email:
            return email
        bound = self.session.principal.agent_email
        if bound is None and self.session.principal.scope == "agent":
            raise InvalidRequest(
                "no inbox is chosen: set E2A_AGENT_EMAIL to the one this server acts for", status=422
            )
        if bound is None:
            raise InvalidRequest(
                "this session has no inbox of its own: pass email, or call list_agents to see the inboxes",
                location="arguments.email",
                status=422,
            )
        return bound


@dataclass(frozen=True, slots=True)
class Reply:
    """A tool's answer. `text` is what a model reads; without it that is the structured part as compact JSON."""

    structured: dict[str, Any]
    text: str | None = None
    links: tuple[Mapping[str, Any], ...] = ()
    untrusted: bool = False


@dataclass(frozen=True)
class Tool(Generic[ArgumentsT]):
    """One tool. `hidden` arguments are accepted from everyone and listed to account sessions only.

    `shapes` makes the model of the arguments and the output schema. It is called when one of them is first asked for,
    since a session of an agent never sees those of the account's tools.
    """

    name: str
    title: str
    description: str
    hints: Hints
    shapes: Callable[[], tuple[type[ArgumentsT], Mapping[str, Any]]]
    run: Callable[[Call, ArgumentsT], Awaitable[Reply]]
    hidden: tuple[str, ...] = ()

    @property
    def arguments(self) -> type[ArgumentsT]:
        return self._made[0]

    @property
    def output(self) -> Mapping[str, Any]:
        return self._made[1]

    @cached_property
    def _made(self) -> tuple[type[ArgumentsT], Mapping[str, Any]]:
        return self.shapes()
