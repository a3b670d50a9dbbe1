"""The ASGI parts around `/mcp`: refusals, response headers, and the opening and ending of sessions."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass

from mcp_types import INTERNAL_ERROR, INVALID_REQUEST
from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Scope, Send

from e2a_core.errors import E2AError, Unauthorized
from e2a_core.http.edge import request_id

__all__ = [
    "MAX_BODY_BYTES",
    "PREFLIGHT",
    "SESSION_HEADER",
    "Observed",
    "Refusal",
    "Stamped",
    "end_session",
    "opens_session",
    "rpc_refusal",
]

SESSION_HEADER = "mcp-session-id"

MAX_BODY_BYTES = 40 * 1024 * 1024
"""25 MiB of attachments in base64, with room for the rest of the call."""
EXPOSED_HEADERS = "WWW-Authenticate, Mcp-Session-Id, X-Request-Id"

CHALLENGE = 'Bearer realm="e2a"'
_SCHEMES = frozenset(
    {"", "basic", "bearer", "digest", "dpop", "hoba", "mutual", "negotiate", "ntlm", "vapid"}
)
"""Schemes of HTTP authentication (registry of RFC 9110 section 16.4.1), no token when they stand alone."""
UNAUTHORIZED = -32001
"""JSON-RPC reserves -32000 to -32099 for servers; existing clients know this code."""

PREFLIGHT = {
    "Access-Control-Allow-Methods": "POST, GET, DELETE",
    "Access-Control-Allow-Headers": "Authorization, Content-Type, Accept, Mcp-Session-Id, MCP-Protocol-Version, "
    "Mcp-Method, Mcp-Name, Last-Event-ID, X-Request-Id",
    "Access-Control-Max-Age": "600",
}


@dataclass(frozen=True, slots=True)
class Refusal:
    """A request refused before it reaches the MCP server: its HTTP status and JSON-RPC error."""

    status: int
    code: int
    message: str
    headers: Mapping[str, str] | None = None
    id: int | str | None = None

    def response(self, scope: Scope) -> Response:
        error = {"code": self.code, "message": self.message, "data": {"request_id": request_id(scope)}}
        content = json.dumps({"jsonrpc": "2.0", "id": self.id, "error": error}, separators=(",", ":"))
        return Response(content, self.status, self.headers, "application/json")


def rpc_refusal(request: Request, error: E2AError) -> Response:
    """Returns `error` as a JSON-RPC error response with a null id."""
    headers: dict[str, str] = {}
    if isinstance(error, Unauthorized):
        invalid = ', error="invalid_token"' if _has_token(request.headers) else ""
        headers["WWW-Authenticate"] = CHALLENGE + invalid
    elif error.status == 503:
        headers["Retry-After"] = str(error.retry_after_seconds or 1)
    code = UNAUTHORIZED if error.status == 401 else INTERNAL_ERROR if error.status >= 500 else INVALID_REQUEST
    return Refusal(error.status, code, error.message, headers).response(request.scope)


def _has_token(headers: Headers) -> bool:
    """Returns True if the request carries a token, which was invalid (RFC 6750 section 3): a token may stand alone.

    Credentials of another scheme, whichever it is, are no token.
    """
    scheme, blank, rest = headers.get("authorization", "").strip().partition(" ")
    return scheme.lower() == "bearer" and bool(rest.strip()) if blank else scheme.lower() not in _SCHEMES


class Stamped:
    """Adds CORS headers to every response, so that a page of an allowed origin can read it."""

    def __init__(self, send: Send, origin: str | None) -> None:
        self._send = send
        self._headers = []
        if origin is not None:
            self._headers = [
                (b"access-control-allow-origin", origin.encode("latin-1")),
                (b"access-control-expose-headers", EXPOSED_HEADERS.encode()),
                (b"vary", b"Origin"),
            ]

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            message = {**message, "headers": [*message.get("headers", ()), *self._headers]}
        await self._send(message)


class Observed:
    """Remembers the status and the session id of a response."""

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
    """Ends a session with a DELETE, as its client would; `scope` is any request with the same credential."""

    async def receive() -> Message:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def discard(message: Message) -> None:
        return

    headers = [(SESSION_HEADER.encode(), session.encode())]
    await manager({**scope, "method": "DELETE", "headers": headers}, receive, discard)


def opens_session(body: bytes) -> bool:
    if b'"initialize"' not in body:
        return False
    message = json.loads(body)
    return isinstance(message, dict) and message.get("method") == "initialize"
