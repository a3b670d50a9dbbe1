"""Tool results as they go over the wire: one shape for success, one for every failure."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from mcp.shared.exceptions import MCPError
from mcp_types import INTERNAL_ERROR, INVALID_PARAMS
from mcp_types.version import MODERN_PROTOCOL_VERSIONS

from e2a_core.errors import E2AError, NotFound
from e2a_mcp.tool import Reply

__all__ = ["compact_json", "error_members", "failure", "not_found_code", "protocol_error", "success"]

# A model gains nothing from a longer error, and a hostile server's text must not flood its context.
MAX_ERROR_CHARS = 500
MAX_DETAILS_CHARS = 2_000
# What -32602 says from 2026-07-28 on was a code of its own before.
LEGACY_NOT_FOUND = -32002

_ENCODER = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"))
_UNTRUSTED = {"dev.e2a/untrusted": True}


def compact_json(value: Any) -> str:
    return _ENCODER.encode(value)


def success(reply: Reply) -> dict[str, Any]:
    """The `tools/call` result of an answer."""
    text = compact_json(reply.structured) if reply.text is None else reply.text
    block: dict[str, Any] = {"type": "text", "text": text}
    if reply.untrusted:
        block["_meta"] = _UNTRUSTED
    result: dict[str, Any] = {
        "content": [block, *reply.links],
        "structuredContent": reply.structured,
        "isError": False,
        "resultType": "complete",
    }
    if reply.untrusted:
        result["_meta"] = _UNTRUSTED
    return result


def failure(problem: E2AError, *, request_id: str | None = None) -> dict[str, Any]:
    """The `tools/call` result of an error: the text form agents match on, and the same as members."""
    structured = error_members(problem, request_id=request_id)
    mark = " (retryable)" if problem.retryable else ""
    text = f"e2a error [{problem.code}]{mark}: {_one_line(_named(problem))}"
    return {
        "content": [{"type": "text", "text": text}],
        "structuredContent": structured,
        "isError": True,
        "resultType": "complete",
    }


def error_members(problem: E2AError, *, request_id: str | None = None) -> dict[str, Any]:
    """The machine-readable part of an error."""
    members: dict[str, Any] = {
        "code": problem.code,
        "retryable": problem.retryable,
        "status": problem.status,
    }
    # Where another deployment refused, its own id is the one that leads to its log.
    if found := problem.request_id or request_id:
        members["request_id"] = found
    if problem.retry_after_seconds is not None:
        members["retry_after_seconds"] = problem.retry_after_seconds
    if problem.details and _fits(problem.details):
        members["details"] = problem.details
    return members


def not_found_code(version: str) -> int:
    """The JSON-RPC code of a resource that is not there."""
    return INVALID_PARAMS if version in MODERN_PROTOCOL_VERSIONS else LEGACY_NOT_FOUND


@contextmanager
def protocol_error(version: str) -> Iterator[None]:
    """Turns an engine's error into a JSON-RPC error, for methods that have no error result."""
    try:
        yield
    except E2AError as problem:
        code = INVALID_PARAMS if problem.status < 500 else INTERNAL_ERROR
        if isinstance(problem, NotFound):
            code = not_found_code(version)
        raise MCPError(code, _one_line(_named(problem)), error_members(problem)) from None


def _named(problem: E2AError) -> str:
    """The message, led by the field it is about where it does not say so: a model may read the text alone."""
    fields = (problem.details or {}).get("fields") or []
    told = [item["message"] for item in fields]
    if told and not any(part in problem.message for part in told):
        # Another deployment's summary of them says less than the fields do.
        return "; ".join(f"{item['location'].partition('.')[2]}: {item['message']}" for item in fields)
    field = fields[0]["location"].partition(".")[2] if len(fields) == 1 else ""
    if not field or re.search(rf"\b{re.escape(field.split('[')[0])}\b", problem.message):
        return problem.message
    return f"{field}: {problem.message}"


def _one_line(text: str) -> str:
    line = "".join(character if character.isprintable() else " " for character in text)
    return line if len(line) <= MAX_ERROR_CHARS else line[: MAX_ERROR_CHARS - 1] + "…"


def _fits(details: dict[str, Any]) -> bool:
    try:
        return len(compact_json(details)) <= MAX_DETAILS_CHARS
    except (TypeError, ValueError):
        return False
