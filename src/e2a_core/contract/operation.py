"""Declares the operations of the API.

An operation is a method of a group's Protocol with a row beside it. The rows define the routes, the OpenAPI document,
the remote client, the limits, the documentation and the pass-through tools.

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

from e2a_core.contract.principal import Role
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
"""Request body without attachments: the longest text the API accepts, in any alphabet, plus the other members."""
FILES_OCTETS = 40 * 1024 * KIBIBYTE
"""Request body with attachments: 25 MiB of them in base64, plus the other members."""
ANSWER_SECONDS = 30.0
SLOW_ANSWER_SECONDS = 60.0
"""Client timeout for an answer that waits for a relay, carries attachments or reads the whole account."""

_CONVERTER = re.compile(r":\w+}")

Method = TypeVar("Method", bound=Callable[..., Any])


class Access(StrEnum):
    """The least credential an operation accepts."""

    PUBLIC = "public"
    AGENT = "agent"
    ACCOUNT = "account"


class Budget(StrEnum):
    """The rate limit a call counts against. `accounts/limits.py` limits sending, `http/limits.py` the others."""

    POLL = "poll"
    REGISTRATION = "registration"
    SENDING = "sending"


class Confirm(StrEnum):
    """When a call must carry `confirm=DELETE`."""

    NEVER = "never"
    ALWAYS = "always"
    PERMANENT = "permanent"


class Place(StrEnum):
    """Where a request carries an argument. The members of a `SPREAD` model have places of their own."""

    PATH = "path"
    QUERY = "query"
    HEADER = "header"
    BODY = "body"
    SPREAD = "spread"
    UNSENT = "unsent"


@dataclass(frozen=True, slots=True)
class Segment:
    """Marks a path argument that has another name in the URL."""

    name: str


@dataclass(frozen=True, slots=True)
class Header:
    """Marks an argument sent in a header."""

    name: str


class Unsent:
    """Marks an argument that only the engine takes. Requests never carry it."""


@dataclass(frozen=True, slots=True)
class Hints:
    """The four annotation hints of an MCP tool (ToolAnnotations). All four are always sent."""

    read_only: bool = False
    destructive: bool = False
    idempotent: bool = False
    open_world: bool = False


READS = Hints(read_only=True, idempotent=True)
REPEATS = Hints(idempotent=True)


@dataclass(frozen=True, slots=True)
class Tool:
    """How MCP offers the operation. `name` is set only if it differs from the operation's id."""

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
    """Chooses the status of success from the result: `of` returns one of `statuses`."""

    statuses: tuple[int, ...]
    of: Callable[[Any], int]


@dataclass(frozen=True, slots=True)
class Parameter:
    """One argument: its Python name, its place and name in the request, its annotated type and its default."""

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
        """The model of a body or a spread argument. Raises `TypeError` for other arguments."""
        found = bare(self.type)
        if not (isinstance(found, type) and issubclass(found, BaseModel)):
            raise TypeError(f"{self.name} is not a model")
        return found


@dataclass(frozen=True, slots=True)
class Operation:
    """One row.

    `answer` is the status of success. `body_octets` limits the request body. `seconds` is the client's timeout.
    `repeatable` says whether a repeated call has the same effect as one call; None derives it from the HTTP method.
    `role` is the least role of a person who calls it. `tagged` answers carry an entity tag. `errors` lists the errors
    of this operation, besides those of any request.
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
    role: Role
    group: str = ""
    name: str = ""
    summary: str = ""
    parameters: tuple[Parameter, ...] = ()
    result: Any = None

    @property
    def template(self) -> str:
        """The path as shown in documents: `/v1/domains/{domain}`."""
        return _CONVERTER.sub("}", self.path)

    @property
    def safe(self) -> bool:
        """Whether it only reads (RFC 9110 section 9.2.1)."""
        return self.method == "GET"

    @property
    def statuses(self) -> tuple[int, ...]:
        """The statuses of success, the usual one first."""
        return self.answer.statuses if isinstance(self.answer, Outcome) else (self.answer,)

    def status(self, result: Any) -> int:
        return self.answer.of(result) if isinstance(self.answer, Outcome) else self.answer

    @property
    def body(self) -> Parameter | None:
        return next((item for item in self.parameters if item.place is Place.BODY), None)

    def takes(self, place: Place, wire: str) -> bool:
        """Returns True if a request may carry this parameter in this place."""
        carried = [inner for item in self.parameters for inner in (item.members or (item,))]
        return any(item.place is place and item.wire == wire for item in carried)


@dataclass(frozen=True, slots=True)
class EngineOnly:
    """A method that only this process calls, such as its tools and resources. `reason` says why the API lacks it."""

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
    role: Role | None = None,
) -> Callable[[Method], Method]:
    """Adds a row to a Protocol method. `files`: the body may carry attachments. `slow`: the answer may take long.

    Without `role`, every person may call what only reads, and owners the rest.
    """
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
        role=role or ("viewer" if method == "GET" else "owner"),
    )

    def put(function: Method) -> Method:
        function.operation = row  # type: ignore[attr-defined]
        return function

    return put


def engine_only(reason: str) -> Callable[[Method], Method]:
    """Marks a Protocol method that the API does not offer."""

    def put(function: Method) -> Method:
        function.operation = EngineOnly(reason)  # type: ignore[attr-defined]
        return function

    return put


def bare(annotation: Any) -> Any:
    """Returns the type without its annotations."""
    return get_args(annotation)[0] if get_origin(annotation) is Annotated else annotation
