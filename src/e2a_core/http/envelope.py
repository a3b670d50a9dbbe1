"""Answers as the API gives them: JSON ended by a newline, and every error in one envelope."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from fastapi.exceptions import RequestValidationError
from starlette.requests import Request
from starlette.responses import Response

from e2a_core.contract.base import View, json_text
from e2a_core.errors import E2AError, InvalidRequest, RateLimited, Unauthorized

__all__ = ["answer", "error_response", "location_of", "validation_response"]

CHALLENGE = 'Bearer realm="e2a"'
UNAVAILABLE_RETRY_SECONDS = 5


def answer(
    body: View | Mapping[str, Any], status: int = 200, headers: Mapping[str, str] | None = None
) -> Response:
    """`body` as the wire spells it."""
    content = body.to_json() if isinstance(body, View) else json_text(body)
    return Response(content + b"\n", status, headers, "application/json")


def error_response(request: Request, error: E2AError) -> Response:
    """The envelope of `error`, with what HTTP itself has to say about it."""
    headers: dict[str, str] = {}
    if isinstance(error, Unauthorized):
        headers["WWW-Authenticate"] = CHALLENGE
    if isinstance(error, RateLimited) or error.status == 503:
        headers["Retry-After"] = str(error.retry_after_seconds or UNAVAILABLE_RETRY_SECONDS)
    return answer(_envelope(request, error.code, error.message, error.details), error.status, headers)


def validation_response(request: Request, problem: RequestValidationError) -> Response:
    """What the schema refused: 422, or 400 for a body that is no JSON at all."""
    problems = problem.errors()
    malformed = any(item["type"] == "json_invalid" for item in problems)
    fields = [(_location(item), _message(item)) for item in problems]
    error = InvalidRequest("validation failed", fields=fields, status=400 if malformed else 422)
    return error_response(request, error)


def location_of(loc: Sequence[str | int]) -> str:
    """`("body", "to", 0)` as `body.to[0]`."""
    text = ""
    for part in loc:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else part
    return text


def _envelope(request: Request, code: str, message: str, details: Mapping[str, Any] | None) -> dict[str, Any]:
    error: dict[str, Any] = {"code": code, "message": message}
    if details:
        error["details"] = details
    error["request_id"] = request.scope.get("e2a.request_id", "")
    return {"error": error}


def _location(item: Mapping[str, Any]) -> str:
    loc = [part for part in item["loc"] if not (isinstance(part, str) and part.startswith("function-"))]
    if item["type"] == "json_invalid":
        return "body"
    # A member that is missing has no place of its own: the object that lacks it is at fault.
    if item["type"] == "missing" and loc[0] == "body":
        return location_of(loc[:-1])
    return location_of(loc)


def _message(item: Mapping[str, Any]) -> str:
    if item["type"] == "extra_forbidden":
        return "unexpected member"
    if item["type"] == "missing":
        return f"{item['loc'][-1]} is required"
    if item["type"] == "json_invalid":
        return "the body must be JSON"
    return str(item["msg"])
