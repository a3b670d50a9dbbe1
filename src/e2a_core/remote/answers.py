"""What comes back: models, or the deployment's own errors with everything it said of them."""

from __future__ import annotations

from contextlib import suppress
from datetime import datetime
from typing import Any, TypeVar, cast

from httpx import Response
from pydantic import ValidationError

from e2a_core.contract.base import View
from e2a_core.errors import E2AError, InternalError, error_from_wire
from e2a_core.instants import retry_after
from e2a_core.remote.partial import partial

__all__ = ["envelope", "error_of", "read"]

MAX_RETRY_SECONDS = 86_400
"""A hint beyond this is taken for the nonsense it is."""

Model = TypeVar("Model", bound=View)


def read(model: type[Model], response: Response) -> Model:
    """The answer as `model`, unknown members kept and missing ones left out.

    Raises `InternalError` when it is no such thing.
    """
    with suppress(ValidationError):
        return model.model_validate_json(response.content)
    try:
        return cast(Model, partial(model).model_validate_json(response.content))
    except ValidationError as problem:
        first = problem.errors(include_input=False, include_url=False)[0]
    if first["type"] == "json_invalid":
        raise _of(response, InternalError("the deployment's answer is no JSON"))
    where = ".".join(str(part) for part in first["loc"])
    raise _of(response, InternalError(f"the deployment's answer has an unusable {where}: {first['msg']}"))


def envelope(response: Response) -> dict[str, Any] | None:
    """The error object of an answer, if it has one."""
    try:
        error = response.json()["error"]
    except (ValueError, KeyError, TypeError, RecursionError):
        return None
    return error if isinstance(error, dict) else None


def error_of(response: Response, error: dict[str, Any] | None, now: datetime) -> E2AError:
    """The error of an answer that is no success, as the class of its code or else of its status."""
    said = error or {}
    problem = error_from_wire(
        str(said.get("code") or ""),
        response.status_code,
        str(said.get("message") or f"the deployment answered {response.status_code} without saying why"),
        _details(said.get("details"), response, now),
    )
    if isinstance(said.get("request_id"), str):
        problem.request_id = said["request_id"]
        return problem
    return _of(response, problem)


def _of(response: Response, problem: E2AError) -> E2AError:
    problem.request_id = response.headers.get("x-request-id")
    return problem


def _details(given: Any, response: Response, now: datetime) -> dict[str, Any] | None:
    """The error's details, without the parts that are not as the API has them; of the retry hint, what is usable, or
    else what the Retry-After header says.
    """
    details = dict(given) if isinstance(given, dict) else {}
    if "fields" in details and not _are_fields(details["fields"]):
        del details["fields"]
    seconds = details.pop("retry_after_seconds", None)
    if not isinstance(seconds, int):
        wait = retry_after(response.headers.get("retry-after", ""), now)
        seconds = None if wait is None else round(wait.total_seconds())
    if seconds is not None and 0 <= seconds <= MAX_RETRY_SECONDS:
        details["retry_after_seconds"] = seconds
    return details or None


def _are_fields(given: Any) -> bool:
    return isinstance(given, list) and all(
        isinstance(item, dict)
        and isinstance(item.get("location"), str)
        and isinstance(item.get("message"), str)
        for item in given
    )
