"""Answers as the API gives them: JSON ended by a newline, and every error in one envelope."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from starlette.requests import HTTPConnection
from starlette.responses import Response

from e2a_core.contract.base import View, json_text
from e2a_core.errors import E2AError, RateLimited, Unauthorized

__all__ = ["answer", "error_response"]

CHALLENGE = 'Bearer realm="e2a"'
UNAVAILABLE_RETRY_SECONDS = 5


def answer(
    body: View | Mapping[str, Any], status: int = 200, headers: Mapping[str, str] | None = None
) -> Response:
    """`body` as the wire spells it."""
    content = body.to_json() if isinstance(body, View) else json_text(body)
    return Response(content + b"\n", status, headers, "application/json")


def error_response(request: HTTPConnection, error: E2AError) -> Response:
    """The envelope of `error`, with what HTTP itself has to say about it."""
    headers: dict[str, str] = {}
    if isinstance(error, Unauthorized):
        headers["WWW-Authenticate"] = CHALLENGE
    if isinstance(error, RateLimited) or error.status == 503:
        headers["Retry-After"] = str(error.retry_after_seconds or UNAVAILABLE_RETRY_SECONDS)
    return answer(_error_body(request, error.code, error.message, error.details), error.status, headers)


def _error_body(
    request: HTTPConnection, code: str, message: str, details: Mapping[str, Any] | None
) -> dict[str, Any]:
    error: dict[str, Any] = {"code": code, "message": message}
    if details:
        error["details"] = details
    error["request_id"] = request.scope.get("e2a.request_id", "")
    return {"error": error}
