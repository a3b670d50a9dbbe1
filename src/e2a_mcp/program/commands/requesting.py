"""Makes requests of what the command line gives."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar

from pydantic import BaseModel

from e2a_core.clock import SystemClock
from e2a_core.errors import InvalidRequest, SettingsError
from e2a_mcp.schema import validated

__all__ = ["named", "requested"]

Model = TypeVar("Model", bound=BaseModel)


def requested(model: type[Model], given: Mapping[str, Any]) -> Model:
    """The request with the members that are not None; spans of time count from now.

    Raises `SettingsError`: what no deployment would take is wrong usage.
    """
    members = {name: value for name, value in given.items() if value is not None}
    try:
        return validated(model, members, SystemClock().now())
    except InvalidRequest as problem:
        raise SettingsError(named(problem)) from None


def named(problem: InvalidRequest) -> str:
    """The message of an error with the member it is about, where the message leaves that to the location."""
    if problem.message.startswith("must ") and problem.fields:
        member = problem.fields[0][0].rpartition(".")[2]
        return f"{member} {problem.message}"
    return problem.message
