"""The types of a tool, its call and its reply."""

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
from e2a_mcp.owner import OwnersNamed
from e2a_mcp.schema import Arguments

__all__ = ["Call", "Progress", "Reply", "Services", "Tool"]

ArgumentsT = TypeVar("ArgumentsT", bound=Arguments)


class Progress(Protocol):
    """Reports the progress of a call, if the client asked for it."""

    async def __call__(
        self, progress: float, total: float | None = None, message: str | None = None
    ) -> None: ...


@dataclass(frozen=True, slots=True)
class Services:
    """What tools need besides the session.

    `attachment_roots` are the resolved folders below which files may be attached by path. If it is empty, paths are
    refused; it must be empty for callers on other machines. `owners` are who `ask_owner` asks.
    """

    clock: Clock
    ids: Ids
    attachment_roots: tuple[Path, ...] = ()
    owners: OwnersNamed = OwnersNamed()


@dataclass(frozen=True, slots=True)
class Call:
    """One call of a tool."""

    session: Session
    services: Services
    progress: Progress

    def inbox(self, email: str | None) -> str:
        """Returns `email`, or else the inbox that the session is bound to.

        Raises `InvalidRequest` if there is neither.
        """
        if email:
            return email
        bound = self.session.principal.agent_email
        if bound is None and self.session.principal.scope == "agent":
            raise InvalidRequest(
                "no inbox is chosen: set E2A_AGENT_EMAIL to the inbox this server acts for", status=422
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
    """A tool's answer. `text` is what a model reads; by default the structured part as compact JSON."""

    structured: dict[str, Any]
    text: str | None = None
    links: tuple[Mapping[str, Any], ...] = ()
    untrusted: bool = False


@dataclass(frozen=True)
class Tool(Generic[ArgumentsT]):
    """One tool. `hidden` arguments are accepted from everyone, but listed only to account sessions. Of
    `brief` ones only the type is listed, since another tool describes them.

    `shapes` returns the model of the arguments and the output schema. It is called on first use, because an agent's
    session never uses the tools of the account.
    """

    name: str
    title: str
    description: str
    hints: Hints
    shapes: Callable[[], tuple[type[ArgumentsT], Mapping[str, Any]]]
    run: Callable[[Call, ArgumentsT], Awaitable[Reply]]
    hidden: tuple[str, ...] = ()
    brief: tuple[str, ...] = ()

    @property
    def arguments(self) -> type[ArgumentsT]:
        return self._made[0]

    @property
    def output(self) -> Mapping[str, Any]:
        return self._made[1]

    @cached_property
    def _made(self) -> tuple[type[ArgumentsT], Mapping[str, Any]]:
        return self.shapes()
