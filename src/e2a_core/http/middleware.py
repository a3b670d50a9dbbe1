"""Around every request: admission, an id, the headers every answer has, and one line in the log."""

from __future__ import annotations

import logging

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from e2a_core.clock import Clock
from e2a_core.ids import Ids

__all__ = ["Envelope"]

log = logging.getLogger("e2a.http")

MAX_REQUEST_ID = 128
BUSY_RETRY_SECONDS = 1
UNBOUNDED = ("/healthz", "/readyz", "/metrics", "/api/health", "/mcp")
"""Paths that admission leaves alone: probes must see a busy server, and `/mcp` keeps streams open."""


class Envelope:
    """The outermost application. Past `max_in_flight` requests a request is refused before anything of it is read."""

    def __init__(self, app: ASGIApp, *, clock: Clock, ids: Ids, max_in_flight: int) -> None:
        self._app = app
        self._clock = clock
        self._ids = ids
        self._max_in_flight = max_in_flight
        self._in_flight = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        scope["e2a.request_id"] = self._request_id(Headers(scope=scope))
        answer = _Answer(send, scope)
        started = self._clock.monotonic()
        bounded = not scope["path"].startswith(UNBOUNDED)
        if bounded and self._in_flight >= self._max_in_flight:
            await _refuse(answer, scope)
        else:
            self._in_flight += bounded
            try:
                await self._app(scope, receive, answer)
            finally:
                self._in_flight -= bounded
        if scope["path"] not in UNBOUNDED:
            seconds = self._clock.monotonic() - started
            log.info(
                "%s %s %s %.0f ms %s",
                scope["method"],
                _shown(scope["path"]),
                answer.status,
                seconds * 1000,
                scope["e2a.request_id"],
            )

    def _request_id(self, headers: Headers) -> str:
        given = headers.get("x-request-id", "")
        printable = given.isascii() and given.isprintable()
        return given if given and printable and len(given) <= MAX_REQUEST_ID else self._ids.request()


class _Answer:
    """Stamps the head of an answer and remembers its status."""

    def __init__(self, send: Send, scope: Scope) -> None:
        self._send = send
        self._scope = scope
        self.status = 0

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            added = {
                "x-content-type-options": "nosniff",
                "x-request-id": self._scope["e2a.request_id"],
                **self._scope.get("e2a.headers", {}),
            }
            headers = [
                (name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in added.items()
            ]
            message = {**message, "headers": [*message.get("headers", ()), *headers]}
        await self._send(message)


async def _refuse(send: _Answer, scope: Scope) -> None:
    body = (
        b'{"error":{"code":"unavailable","message":"too many requests are in flight",'
        b'"request_id":"' + scope["e2a.request_id"].encode("ascii", "replace").replace(b'"', b"") + b'"}}\n'
    )
    head = [(b"content-type", b"application/json"), (b"retry-after", str(BUSY_RETRY_SECONDS).encode())]
    await send({"type": "http.response.start", "status": 503, "headers": head})
    await send({"type": "http.response.body", "body": body})


def _shown(path: str) -> str:
    """A path for the log: on one line, and without the token that some paths are."""
    if path.startswith("/u/"):
        return "/u/..."
    shown = path[:300]
    return shown if shown.isprintable() else "".join(char if char.isprintable() else "?" for char in shown)
