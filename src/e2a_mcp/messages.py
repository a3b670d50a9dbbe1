"""What is wrong with a JSON-RPC message that cannot be served, told to whoever waits for its answer (JSON-RPC 2.0)."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import Any

from mcp_types import (
    INVALID_REQUEST,
    PARSE_ERROR,
    ErrorData,
    JSONRPCError,
    JSONRPCNotification,
    RequestId,
    jsonrpc_message_adapter,
)
from pydantic import ValidationError
from pydantic_core import from_json

from e2a_core.json_bounds import MAX_JSON_VALUES, holds_too_many_values

__all__ = ["Fault", "faults_in"]

_BATCH = "batches are not supported: send each message alone"
_EARLY_ID = re.compile(r'\s*\{[^{}\[\]]{0,1000}?"id"\s*:\s*(-?\d{1,18}|"[^"\\]{0,200}")\s*[,}]')
"""The id of a message, if it stands before anything nested."""
_LATE_ID = re.compile(r'"id"\s*:\s*(-?\d{1,18}|"[^"\\]{0,200}")\s*\}\s*\Z')
"""The id of a message, if it stands last."""
_BEGIN_OCTETS = 2_000
_END_OCTETS = 300
_CROWDED = f"a message may hold at most {MAX_JSON_VALUES} values"


@dataclass(frozen=True, slots=True)
class Fault:
    """The error to answer; `id` is that of the message, or None if it cannot be read."""

    code: int
    message: str
    id: RequestId | None = None

    def answer(self) -> JSONRPCError:
        return JSONRPCError(jsonrpc="2.0", id=self.id, error=ErrorData(code=self.code, message=self.message))


def faults_in(raw: bytes) -> list[Fault]:
    """Returns what to answer to a message that cannot be served; nothing for one that can.

    A batch has a fault for each of its requests, because each has somebody who waits for it.
    """
    if holds_too_many_values(raw):
        return [Fault(INVALID_REQUEST, _CROWDED, _outer_id(raw))]
    try:
        message = jsonrpc_message_adapter.validate_json(raw, by_name=False)
    except ValidationError:
        return _faults_of_unreadable(raw)
    # A request with an id of another kind passes as a notification, which is never answered.
    if isinstance(message, JSONRPCNotification) and b'"id"' in raw:
        return _faults_of(json.loads(raw))
    return []


def _faults_of_unreadable(raw: bytes) -> list[Fault]:
    try:
        text = raw.decode()
        value = json.loads(text)
    except UnicodeDecodeError:
        return [Fault(PARSE_ERROR, "the message is not UTF-8", _id_in(raw.decode(errors="replace")))]
    except json.JSONDecodeError as problem:
        return [Fault(PARSE_ERROR, f"the message is not JSON: {problem.msg}", _id_in(text, problem.pos))]
    except (RecursionError, ValueError):  # nested too deeply, or a number of thousands of digits
        return [Fault(PARSE_ERROR, "the message cannot be parsed", _id_in(text))]
    if _is_answer(value):
        return []
    return _faults_of(value) or [_fault_of_text(value)]


def _faults_of(value: Any) -> list[Fault]:
    if isinstance(value, list):
        ids = [found for item in value if (found := _id_of(item)) is not None]
        return [Fault(INVALID_REQUEST, _BATCH, found) for found in ids] or [Fault(INVALID_REQUEST, _BATCH)]
    if not isinstance(value, dict):
        return [Fault(INVALID_REQUEST, "a message must be an object")]
    problem = None
    if "id" in value and _id_of(value) is None:
        problem = "id must be a string or an integer"
    elif value.get("jsonrpc") != "2.0":
        problem = 'jsonrpc must be "2.0"'
    elif not isinstance(value.get("method"), str):
        problem = "method must be a string"
    elif not isinstance(value.get("params") or {}, dict):
        problem = "params must be an object"
    return [] if problem is None else [Fault(INVALID_REQUEST, problem, _id_of(value))]


def _fault_of_text(value: dict[str, Any]) -> Fault:
    """The fault of a message whose shape is right: JSON can spell half a surrogate pair, which is no text."""
    try:
        json.dumps(value, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        return Fault(PARSE_ERROR, "the message holds half a surrogate pair, which is no text", _id_of(value))
    return Fault(INVALID_REQUEST, "this is no message of the protocol", _id_of(value))


def _is_answer(value: Any) -> bool:
    """Returns True for an answer or an error, which is never answered itself."""
    return isinstance(value, dict) and "method" not in value and ("result" in value or "error" in value)


def _id_of(value: Any) -> RequestId | None:
    found = value.get("id") if isinstance(value, dict) else None
    if isinstance(found, str) and not any("\ud800" <= char <= "\udfff" for char in found):
        return found
    return found if isinstance(found, int) and not isinstance(found, bool) else None


def _outer_id(raw: bytes) -> RequestId | None:
    """The id of a message that is too large to parse, if it stands first or last."""
    begin, end = raw[:_BEGIN_OCTETS].decode(errors="replace"), raw[-_END_OCTETS:].decode(errors="replace")
    found = _EARLY_ID.match(begin) or _LATE_ID.search(end)
    return None if found is None else _id_of({"id": json.loads(found[1])})


def _id_in(text: str, end: int | None = None) -> RequestId | None:
    """The id in a text that is JSON only up to `end`, if it can be read."""
    try:
        return _id_of(from_json(text[:end], allow_partial=True))
    except ValueError:
        early = _EARLY_ID.match(text)
        return None if early is None else _id_of({"id": json.loads(early[1])})
