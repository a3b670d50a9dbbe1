"""Errors of MCP Events: one name, and a number in each of two dialects.

The sketch, which ChatGPT was built on, has one set of numbers and SEP-3415 another. A request that declares the
extension is of the second dialect.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Literal

from mcp.server.context import ServerRequestContext
from mcp.shared.exceptions import MCPError
from mcp_types import INTERNAL_ERROR, INVALID_PARAMS, ErrorData

from e2a_core.errors import (
    CallbackFailed,
    E2AError,
    Forbidden,
    InvalidRequest,
    LimitExceeded,
    NotFound,
    NotImplementedHere,
    RateLimited,
    Unauthorized,
    UnknownEvent,
)
from e2a_mcp.events.announce import EXTENSION
from e2a_mcp.results import error_members

__all__ = [
    "Dialect",
    "DialectChoice",
    "dialect_of",
    "error_data",
    "events_errors",
    "invalid",
    "not_subscribed",
    "unsupported",
]

Dialect = Literal["openai", "sep"]
DialectChoice = Literal["auto", "openai", "sep"]

_NUMBERS: dict[str, dict[Dialect, int]] = {
    "NotFound": {"openai": -32011, "sep": -32023},
    "Forbidden": {"openai": -32012, "sep": -32024},
    "ResourceExhausted": {"openai": -32013, "sep": -32025},
    "Unsupported": {"openai": -32014, "sep": -32026},
    "CallbackEndpointError": {"openai": -32015, "sep": -32027},
}


def dialect_of(context: ServerRequestContext[Any], choice: DialectChoice) -> Dialect:
    """Returns the dialect of the request, unless a setting fixes it."""
    if choice != "auto":
        return choice
    declared = context.session.client_capabilities
    return "sep" if declared and EXTENSION in (declared.extensions or {}) else "openai"


def named_error(name: str, dialect: Dialect, **data: Any) -> ErrorData:
    """Returns the error `name`, which is its message too, so that clients can match on it."""
    return ErrorData(code=_NUMBERS[name][dialect], message=name, data=data)


def unsupported(dialect: Dialect, delivery: str) -> MCPError:
    """The error for a way of delivery that is not offered here."""
    error = named_error("Unsupported", dialect, feature="deliveryMode", value=delivery)
    return MCPError.from_error_data(error)


def not_subscribed(dialect: Dialect) -> MCPError:
    """The error for the end of a subscription that there is not."""
    return MCPError.from_error_data(named_error("NotFound", dialect, kind="subscription"))


def exhausted(dialect: Dialect, most: int) -> MCPError:
    """The error for one subscription too many."""
    error = named_error("ResourceExhausted", dialect, limit="subscriptions", max=most)
    return MCPError.from_error_data(error)


def invalid(field: str, reason: str) -> MCPError:
    """The error for a wrong value of the member `field`."""
    return MCPError(INVALID_PARAMS, "InvalidParams", {"field": field, "reason": reason})


def error_data(problem: E2AError, dialect: Dialect) -> ErrorData:
    """Returns an engine's error in the words of MCP Events. Its data never holds the invalid value."""
    match problem:
        case UnknownEvent():
            return named_error("NotFound", dialect, kind="event", reason=problem.message)
        case InvalidRequest():
            [(field, _), *_] = problem.fields or [("", "")]
            data = {"field": field, "reason": problem.message}
            return ErrorData(code=INVALID_PARAMS, message="InvalidParams", data=data)
        case Forbidden() | NotFound() | Unauthorized():
            # An inbox of someone else and one that does not exist are the same to the caller.
            return named_error("Forbidden", dialect, reason=problem.message)
        case NotImplementedHere():
            return named_error("Unsupported", dialect, feature="deliveryMode", reason=problem.message)
        case CallbackFailed():
            return named_error(
                "CallbackEndpointError", dialect, reason=problem.reason, detail=problem.message
            )
        case LimitExceeded():
            most = (problem.details or {}).get("limit")
            return named_error("ResourceExhausted", dialect, limit="subscriptions", max=most)
        case RateLimited():
            wait = problem.retry_after_seconds
            reason = problem.message
            return named_error(
                "ResourceExhausted", dialect, limit="requests", reason=reason, retryAfterSeconds=wait
            )
    members = error_members(problem)
    return ErrorData(code=INTERNAL_ERROR, message=members["message"], data=members)


@contextmanager
def events_errors(dialect: Dialect) -> Iterator[None]:
    """Turns an engine's error into a JSON-RPC error."""
    try:
        yield
    except E2AError as problem:
        raise MCPError.from_error_data(error_data(problem, dialect)) from None
