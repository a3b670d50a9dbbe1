"""Tool results on the wire: one shape for success, one for every failure."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from mcp.shared.exceptions import MCPError
from mcp_types import INTERNAL_ERROR, INVALID_PARAMS
from mcp_types.version import MODERN_PROTOCOL_VERSIONS
from pydantic_core import PydanticSerializationError, to_json

from e2a_core.contract.base import LIMITATIONS
from e2a_core.errors import E2AError, NotFound
from e2a_core.json_encoding import compact_json
from e2a_core.visible import one_line, written_out
from e2a_mcp.fence import plain_line
from e2a_mcp.schema import object_schema
from e2a_mcp.tool import Reply

__all__ = [
    "ERROR_SCHEMA",
    "error_members",
    "failure",
    "not_found_code",
    "protocol_error",
    "success",
]

MAX_ERROR_CHARS = 500
"""Keeps an error, which may quote another server, from flooding a model's context."""
MAX_DETAILS_CHARS = 2_000
LEGACY_NOT_FOUND = -32002
"""The code of a missing resource before protocol version 2026-07-28, which uses -32602."""

ERROR_SCHEMA = object_schema(
    {
        "code": {"type": "string"},
        "message": {"type": "string"},
        "retryable": {"type": "boolean"},
        "status": {"type": "integer"},
    },
    ["code", "message", "retryable", "status"],
)
"""The members that every error has."""

_UNTRUSTED = {"dev.e2a/untrusted": True}
_AS_IT_IS = frozenset({"html", "id", "message_id", "conversation_id", "thread_id", "uri"})
"""Members that a caller hands back or asked for as they were sent."""


def success(reply: Reply) -> dict[str, Any]:
    """Returns the `tools/call` result for a reply."""
    structured = reply.structured
    if reply.untrusted and not _is_ascii(structured):
        structured = _shown(structured)
    text = compact_json(structured) if reply.text is None else _with_limitations(reply)
    block: dict[str, Any] = {"type": "text", "text": text}
    if reply.untrusted:
        block["_meta"] = _UNTRUSTED
    result: dict[str, Any] = {
        "content": [block, *reply.links],
        "structuredContent": structured,
        "isError": False,
        "resultType": "complete",
    }
    if reply.untrusted:
        result["_meta"] = _UNTRUSTED
    return result


def _is_ascii(structured: dict[str, Any]) -> bool:
    """Returns True if every text is; one pass of this encoder takes a third of the time of `_shown`."""
    try:
        return to_json(structured).isascii()
    except PydanticSerializationError:  # a lone surrogate
        return False


def _shown(value: Any) -> Any:
    """Returns members and their values with whatever hides in a text written out, file names and addresses too."""
    if isinstance(value, str):
        return value if value.isascii() else written_out(value)
    if isinstance(value, dict):
        return {name: item if name in _AS_IT_IS else _shown(item) for name, item in value.items()}
    return [_shown(item) for item in value] if isinstance(value, list) else value


def _with_limitations(reply: Reply) -> str:
    """Returns the text, and what another deployment could not do of what was asked."""
    return "\n".join([reply.text or "", *map(plain_line, reply.structured.get(LIMITATIONS, ()))])


def failure(problem: E2AError, *, request_id: str | None = None) -> dict[str, Any]:
    """Returns the `tools/call` result for an error: as the text that agents match on, and as members."""
    structured = error_members(problem, request_id=request_id)
    mark = " (retryable)" if problem.retryable else ""
    text = f"e2a error [{problem.code}]{mark}: {structured['message']}"
    return {
        "content": [{"type": "text", "text": text}],
        "structuredContent": structured,
        "isError": True,
        "resultType": "complete",
    }


def error_members(problem: E2AError, *, request_id: str | None = None) -> dict[str, Any]:
    """Returns the machine-readable part of an error."""
    members: dict[str, Any] = {
        "code": problem.code,
        "message": _one_line(_named(problem)),
        "retryable": problem.retryable,
        "status": problem.status,
    }
    # If another deployment refused, its own request id leads to the entry in its log.
    if found := problem.request_id or request_id:
        members["request_id"] = found
    if problem.retry_after_seconds is not None:
        members["retry_after_seconds"] = problem.retry_after_seconds
    if problem.details and _fits(problem.details):
        members["details"] = problem.details
    return members


def not_found_code(version: str) -> int:
    """Returns the JSON-RPC code for a missing resource in this protocol version."""
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
        members = error_members(problem)
        raise MCPError(code, members["message"], members) from None


def _named(problem: E2AError) -> str:
    """Returns the message, preceded by the field it is about unless it names it: a model may read only the text."""
    fields = (problem.details or {}).get("fields") or []
    told = [item["message"] for item in fields]
    if told and not any(part in problem.message for part in told):
        # The fields say more than another deployment's summary of them.
        return "; ".join(f"{item['location'].partition('.')[2]}: {item['message']}" for item in fields)
    field = fields[0]["location"].partition(".")[2] if len(fields) == 1 else ""
    if not field or re.search(rf"\b{re.escape(field.split('[')[0])}\b", problem.message):
        return problem.message
    return f"{field}: {problem.message}"


def _one_line(text: str) -> str:
    line = one_line(text)
    return line if len(line) <= MAX_ERROR_CHARS else line[: MAX_ERROR_CHARS - 1] + "…"


def _fits(details: dict[str, Any]) -> bool:
    try:
        return len(compact_json(details)) <= MAX_DETAILS_CHARS
    except (TypeError, ValueError):
        return False
