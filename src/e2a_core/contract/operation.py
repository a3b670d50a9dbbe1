"""The row of an operation, and the walk over all rows.

An operation is written once: as a method of a group's Protocol, with its row beside it. Routes, their description, the
remote client, limits, the documentation and the tools that only pass through are read from the rows.

    class Domains(Protocol):
        @operation("POST", "/v1/domains/{domain}/verify", id="verify_domain", errors=(NotFound,), tool=...)
        async def verify(self, domain: str) -> VerifyDomainView: ...
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated, Any, TypeVar, get_args, get_origin

from pydantic import BaseModel

from e2a_core.errors import E2AError

__all__ = [
    "ANSWER_SECONDS",
    "SLOW_ANSWER_SECONDS",
    "READS",
    "REPEATS",
    "Access",
    "Budget",
    "Confirm",
    "EngineOnly",
    "Header",
    "Hints",
    "NoTool",
    "Operation",
    "Outcome",
    "Parameter",
    "Place",
    "Segment",
    "Tool",
    "Unsent",
    "engine_only",
    "bare",
    "operation",
]

KIBIBYTE = 1024
BODY_OCTETS = 1024 * KIBIBYTE
"""Of a request without files: the longest text the API takes, in any alphabet, with room for the rest."""
FILES_OCTETS = 40 * 1024 * KIBIBYTE
"""Of a request that may carry attachments: 25 MiB of them in base64, with room for the rest."""
ANSWER_SECONDS = 30.0
SLOW_ANSWER_SECONDS = 60.0
"""For an answer that waits for a relay, carries attachments or reads all of an account."""

_CONVERTER = re.compile(r":\w+}")

Method = TypeVar("Method", bound=Callable[..., Any])


class Access(StrEnum):
    """The least credential an operation takes."""

    PUBLIC = "public"
    AGENT = "agent"
    ACCOUNT = "account"


class Budget(StrEnum):
    """What a call is counted against; the numbers are in `http/limits.py`, those of sending in `accounts/limits.py`."""

    POLL = "poll"
    REGISTRATION = "registration"
    SENDING = "sending"


class Confirm(StrEnum):
    """When a call must carry `confirm=DELETE`."""

    NEVER = "never"
    ALWAYS = "always"
    PERMANENT = "permanent"


class Place(StrEnum):
    """Where a request carries an argument. `SPREAD` is a model whose members have places of their own."""

    PATH = "path"
    QUERY = "query"
    HEADER = "header"
    BODY = "body"
    SPREAD = "spread"
    UNSENT = "unsent"


@dataclass(frozen=True, slots=True)
class Segment:
    """Marks a path argument that the wire names otherwise."""

    name: str


@dataclass(frozen=True, slots=True)
class Header:
    """Marks an argument that travels in a header."""

    name: str


class Unsent:
    """Marks an argument for the engine alone; no request carries it."""


@dataclass(frozen=True, slots=True)
class Hints:
    """The four annotation hints of a tool (MCP, ToolAnnotations); all of them are always sent."""

    read_only: bool = False
    destructive: bool = False
    idempotent: bool = False
    open_world: bool = False


READS = Hints(read_only=True, idempotent=True)
REPEATS = Hints(idempotent=True)


@dataclass(frozen=True, slots=True)
class Tool:
    """How MCP offers the operation; `name` where that is not the operation's own."""

    title: str
    description: str
    hints: Hints = Hints()
    name: str = ""


@dataclass(frozen=True, slots=True)
class NoTool:
    """Why MCP does not offer the operation."""

    reason: str


@dataclass(frozen=True, slots=True)
class Outcome:
    """An answer whose status tells what came of the call; `of` reads it from the result."""

    statuses: tuple[int, ...]
    of: Callable[[Any], int]


@dataclass(frozen=True, slots=True)
class Parameter:
    """One argument: its name in Python, its place and name on the wire, its annotated type, and its default."""

    name: str
    place: Place
    wire: str
    type: Any
    default: Any
    members: tuple[Parameter, ...] = ()

    @property
    def required(self) -> bool:
        return self.default is inspect.Parameter.empty

    @property
    def model(self) -> type[BaseModel]:
        """The model of a body or of a spread argument."""
        found = bare(self.type)
        if not (isinstance(found, type) and issubclass(found, BaseModel)):
            raise TypeError(f"{self.name} is no model")
        return found


@dataclass(frozen=True, slots=True)
class Operation:
    """One row.

    `answer` is the status of success; `body_octets` bounds the request body, `seconds` the time a client waits for
    the answer. `repeatable` tells whether doing it twice is as doing it once, where the method does not. `tagged`
    answers carry an entity tag. `errors` are those of the operation itself, besides what any request may meet.
    """

    id: str
    method: str
    path: str
    access: Access
    answer: int | Outcome
    budget: Budget | None
    body_octets: int
    seconds: float
    confirm: Confirm
    errors: tuple[type[E2AError], ...]
    tool: Tool | NoTool
    tagged: bool
    repeatable: bool | None
    deprecated: bool
    group: str = ""
    name: str = ""
    summary: str = ""
    parameters: tuple[Parameter, ...] = ()
    result: Any = None

    @property
    def template(self) -> str:
        """The path as documents spell it: `/v1/domains/{domain}`."""
        return _CONVERTER.sub("}", self.path)

    @property
    def statuses(self) -> tuple[int, ...]:
        """Of success; the usual one first."""
        return self.answer.statuses if isinstance(self.answer, Outcome) else (self.answer,)

    def status(self, result: Any) -> int:
        return self.answer.of(result) if isinstance(self.answer, Outcome) else self.answer

    @property
    def body(self) -> Parameter | None:
        return next((item for item in self.parameters if item.place is Place.BODY), None)

    def takes(self, place: Place, wire: str) -> bool:
        """Whether a request may carry this parameter there."""
        carried = [inner for item in self.parameters for inner in (item.members or (item,))]
        return any(item.place is place and item.wire == wire for item in carried)


@dataclass(frozen=True, slots=True)
class EngineOnly:
    """A method that no request asks for, and why; tools and resources of this process do."""

    reason: str


def operation(
    method: str,
    path: str,
    *,
    id: str,
    tool: Tool | NoTool,
    access: Access = Access.ACCOUNT,
    answer: int | Outcome = 200,
    errors: tuple[type[E2AError], ...] = (),
    budget: Budget | None = None,
    files: bool = False,
    slow: bool = False,
    confirm: Confirm = Confirm.NEVER,
    tagged: bool = False,
    repeatable: bool | None = None,
    deprecated: bool = False,
) -> Callable[[Method], Method]:
    """Puts a row on a Protocol's method. `files`: the body may carry attachments; `slow`: the answer may take long."""
    row = Operation(
        id=id,
        method=method,
        path=path,
        access=access,
        answer=answer,
        budget=budget,
        body_octets=FILES_OCTETS if files else BODY_OCTETS,
        seconds=SLOW_ANSWER_SECONDS if slow else ANSWER_SECONDS,
        confirm=confirm,
        errors=errors,
        tool=tool,
        tagged=tagged,
        repeatable=repeatable,
        deprecated=deprecated,
    )

    def put(function: Method) -> Method:
        function.operation = row  # type: ignore[attr-defined]
        return function

    return put


def engine_only(reason: str) -> Callable[[Method], Method]:
    """Marks a Protocol's method that is no operation of the API."""

    def put(function: Method) -> Method:
        function.operation = EngineOnly(reason)  # type: ignore[attr-defined]
        return function

    return put


def bare(annotation: Any) -> Any:
    """The type without its marks."""
    return get_args(annotation)[0] if get_origin(annotation) is Annotated else annotation
