"""What stands between the socket and the protocol: bodies read within bounds, headers added, refusals worded."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass

from mcp_types import INVALID_REQUEST, PARSE_ERROR
from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

__all__ = [
    "MAX_BODY_BYTES",
    "PREFLIGHT",
    "SESSION_HEADER",
    "Observed",
    "Refusal",
    "Replay",
    "Stamped",
    "end_session",
    "opens_session",
    "read_body",
]

SESSION_HEADER = "mcp-session-id"

# 25 MiB of attachments in base64, with room for the rest of the call.
MAX_BODY_BYTES = 40 * 1024 * 1024
EXPOSED_HEADERS = "WWW-Authenticate, Mcp-Session-Id, X-Request-Id"

PREFLIGHT = {
    "Access-Control-Allow-Methods": "POST, GET, DELETE",
    "Access-Control-Allow-Headers": "Authorization, Content-Type, Accept, Mcp-Session-Id, MCP-Protocol-Version, "
    "Mcp-Method, Mcp-Name, Last-Event-ID, X-Request-Id",
    "Access-Control-Max-Age": "600",
}


@dataclass(frozen=True, slots=True)
class Refusal:
    """An answer without the protocol: the HTTP status, and the JSON-RPC code and words of its body."""

    status: int
    code: int
    message: str
    headers: Mapping[str, str] | None = None


class Stamped:
    """Adds the request id to every answer, if nobody else does, and what lets the page of an allowed origin read it."""

    def __init__(self, send: Send, request_id: str | None, origin: str | None) -> None:
        self._send = send
        self._headers = [] if request_id is None else [(b"x-request-id", request_id.encode())]
        if origin is not None:
            self._headers += [
                (b"access-control-allow-origin", origin.encode("latin-1")),
                (b"access-control-expose-headers", EXPOSED_HEADERS.encode()),
                (b"vary", b"Origin"),
            ]

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            message = {**message, "headers": [*message.get("headers", ()), *self._headers]}
        await self._send(message)


class Observed:
    """Remembers the status and the session of an answer."""

    def __init__(self, send: Send) -> None:
        self._send = send
        self.status = 500
        self.session: str | None = None

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            self.session = Headers(raw=message.get("headers", [])).get(SESSION_HEADER)
        await self._send(message)


async def end_session(manager: ASGIApp, scope: Scope, session: str) -> None:
    """Ends a session as its client would; `scope` is that of another request with the same credential."""

    async def receive() -> Message:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def discard(message: Message) -> None:
        return

    headers = [(SESSION_HEADER.encode(), session.encode())]
    await manager({**scope, "method": "DELETE", "headers": headers}, receive, discard)


class Replay:
    """Gives the body that was read to look at it once more, then what the server has to say."""

    def __init__(self, body: bytes, receive: Receive) -> None:
        self._body: bytes | None = body
        self._receive = receive

    async def __call__(self) -> Message:
        if self._body is not None:
            body, self._body = self._body, None
            return {"type": "http.request", "body": body, "more_body": False}
        return await self._receive()


async def read_body(headers: Headers, scope: Scope, receive: Receive) -> bytes | Refusal:
    """The whole body, if it is no larger than allowed and begins a JSON value."""
    too_large = Refusal(413, INVALID_REQUEST, f"the body may have at most {MAX_BODY_BYTES} bytes")
    length = headers.get("content-length", "")
    if length.isdigit() and int(length) > MAX_BODY_BYTES:
        return too_large
    if headers.get("content-type", "").partition(";")[0].strip().lower() != "application/json":
        return Refusal(415, INVALID_REQUEST, "Content-Type must be application/json")
    body = bytearray()
    async for chunk in Request(scope, receive).stream():
        body += chunk
        if len(body) > MAX_BODY_BYTES:
            return too_large
    try:
        json.loads(body)
    except (ValueError, RecursionError):
        return Refusal(400, PARSE_ERROR, "the body is not JSON")
    return bytes(body)


def opens_session(body: bytes) -> bool:
    if b'"initialize"' not in body:
        return False
    message = json.loads(body)
    return isinstance(message, dict) and message.get("method") == "initialize"
