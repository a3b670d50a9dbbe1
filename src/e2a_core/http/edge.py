"""The front door of `/v1` and `/mcp`: request id, admission, credential, body, and refusals in each one's shape.

A request is taken in this order: id, admission, credential, size, deadline. Of a caller without a credential nothing
is parsed.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping
from http import HTTPStatus
from typing import Literal

from starlette.datastructures import Headers
from starlette.requests import ClientDisconnect, HTTPConnection, Request
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from e2a_core.clock import Clock
from e2a_core.errors import (
    E2AError,
    InvalidRequest,
    PayloadTooLarge,
    RequestTimeout,
    Unauthorized,
    Unavailable,
)
from e2a_core.http.answers import error_response
from e2a_core.http.hosts import HostNames
from e2a_core.ids import Ids
from e2a_core.observer import Observer, Unobserved

__all__ = ["Edge", "Refusal", "Replay", "bearer", "read_body", "request_id"]

MAX_REQUEST_ID = 128
MAX_TOKEN_CHARS = 1024
"""Longer than any key there is; a header that holds more is no key."""
BODY_SECONDS = 5.0
"""For the whole body: a slower sender holds a place that others want."""
MAX_STREAMS = 1000
"""Event streams open at once. They last as long as their clients, so they have places of their own."""
MAX_SOCKETS = 1000
"""WebSockets open at once: half of the connections there may be, which never give way to others."""
BUSY_RETRY_SECONDS = 1
UNROUTED = "unrouted"
"""Stands in the metrics for what is no operation of the API."""
UNBOUNDED = ("/healthz", "/readyz", "/metrics", "/api/health")
"""Paths that admission leaves alone: probes must see a busy server."""
HEALTH = ("/healthz", "/readyz", "/api/health")
"""Paths that are answered under any host: who probes knows an address, and learns nothing."""

NO_SNIFFING = (b"x-content-type-options", b"nosniff")
HEADS = ("http.response.start", "websocket.http.response.start", "websocket.accept")
"""Messages that begin an answer."""

Refusal = Callable[[Request, E2AError], Response]

_log = logging.getLogger("e2a.http")


class Edge:
    """The outermost application.

    Past `max_in_flight` requests, or `MAX_STREAMS` open streams, a request is refused before anything of it is read.
    `hosts` are the ones a request may name.

    `refusals` word the refusals below a path in that path's own shape; elsewhere they have the API's.
    """

    def __init__(
        self,
        app: ASGIApp,
        *,
        clock: Clock,
        ids: Ids,
        max_in_flight: int,
        hosts: HostNames | None = None,
        refusals: Mapping[str, Refusal] | None = None,
        observer: Observer | None = None,
    ) -> None:
        self.app = app
        self._clock = clock
        self._ids = ids
        self._max_in_flight = max_in_flight
        self._hosts = hosts
        self._refusals = refusals or {}
        self._observer = observer or Unobserved()
        self._in_flight = 0
        self._streams = 0
        self._sockets = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self.app(scope, receive, send)
            return
        scope["e2a.request_id"] = self._request_id(Headers(scope=scope))
        started = self._clock.monotonic()
        place = _Place(self) if scope["path"] not in UNBOUNDED else None
        answer = _Answer(send, scope, place)
        if (refused := self._refusal(scope, place)) is not None:
            await self._refuse(refused, scope, receive, answer)
        elif place is None:
            await self.app(scope, receive, answer)
        else:
            with place:
                await self.app(scope, receive, answer)
        if place is not None:
            seconds = self._clock.monotonic() - started
            if answer.status != HTTPStatus.SWITCHING_PROTOCOLS:  # how long a WebSocket lasts is no latency
                self._observer.request(scope.get("e2a.operation", UNROUTED), answer.status, seconds)
            _tell(scope, answer.status, seconds)

    def _has_room(self, scope: Scope) -> bool:
        if scope["type"] == "websocket" and self._sockets >= MAX_SOCKETS:
            return False
        return self._in_flight < self._max_in_flight and self._streams < MAX_STREAMS

    def _refusal(self, scope: Scope, place: _Place | None) -> E2AError | None:
        """Why a request is not even looked at, or None."""
        if place is not None and not self._has_room(scope):
            return Unavailable(
                "too many requests are in flight", details={"retry_after_seconds": BUSY_RETRY_SECONDS}
            )
        if self._hosts is None or scope["path"] in HEALTH:
            return None
        if not self._hosts.allows_request(scope):
            # RFC 9110 section 15.5.20
            return InvalidRequest("this host is not served here", location="headers.host", status=421)
        return None

    async def _refuse(self, error: E2AError, scope: Scope, receive: Receive, send: Send) -> None:
        words = next(
            (words for path, words in self._refusals.items() if scope["path"].startswith(path)), None
        )
        if words is None or scope["type"] == "websocket":
            response = error_response(HTTPConnection(scope), error)
        else:
            response = words(Request(scope, receive), error)
        await response(scope, receive, send)

    def _request_id(self, headers: Headers) -> str:
        given = headers.get("x-request-id", "")
        usable = given.isascii() and given.isprintable() and 0 < len(given) <= MAX_REQUEST_ID
        return given if usable else self._ids.request()

    def move(self, *, requests: int = 0, streams: int = 0, sockets: int = 0) -> None:
        self._in_flight += requests
        self._streams += streams
        self._sockets += sockets


class _Place:
    """The place one request takes: among the requests, and among the streams or WebSockets once it becomes one."""

    def __init__(self, edge: Edge) -> None:
        self._edge = edge
        self._kind = "requests"

    def __enter__(self) -> None:
        self._edge.move(requests=1)

    def __exit__(self, *problem: object) -> None:
        self._edge.move(**{self._kind: -1})

    def becomes(self, kind: Literal["streams", "sockets"]) -> None:
        self._kind = kind
        self._edge.move(**{"requests": -1, kind: 1})


class _Answer:
    """Stamps the head of an answer and remembers its status."""

    def __init__(self, send: Send, scope: Scope, place: _Place | None) -> None:
        self._send = send
        self._scope = scope
        self._place = place
        self.status = 0

    async def __call__(self, message: Message) -> None:
        if message["type"] in HEADS:
            self.status = message.get("status", HTTPStatus.SWITCHING_PROTOCOLS)
            given = message.get("headers", ())
            if self._place is not None and message["type"] == "websocket.accept":
                self._place.becomes("sockets")
            elif self._place is not None and _is_stream(given):
                self._place.becomes("streams")
            added = [NO_SNIFFING, (b"x-request-id", self._scope["e2a.request_id"].encode("latin-1"))]
            for name, value in self._scope.get("e2a.headers", {}).items():
                added.append((name.lower().encode("latin-1"), value.encode("latin-1")))
            message = {**message, "headers": [*given, *added]}
        await self._send(message)


def request_id(scope: Scope) -> str:
    """The id under which the request is logged and answered."""
    found: str = scope.get("e2a.request_id", "")
    return found


def bearer(headers: Mapping[str, str]) -> str:
    """The credential of the Authorization header, with or without its scheme (RFC 6750 section 2.1).

    Raises `Unauthorized` without one, for another scheme, and for what is no key.
    """
    value = headers.get("authorization", "").strip()
    scheme, blank, rest = value.partition(" ")
    token = rest.strip() if blank and scheme.lower() == "bearer" else value
    if not token or " " in token or len(token) > MAX_TOKEN_CHARS:
        raise Unauthorized
    return token


async def read_body(request: Request, limit: int) -> bytes:
    """The whole body. Raises `PayloadTooLarge` and `RequestTimeout`; the limit itself is already too large."""
    declared = request.headers.get("content-length", "")
    if declared.isdigit() and int(declared) >= limit:
        raise PayloadTooLarge("request_body", int(declared), limit)
    body = bytearray()
    try:
        async with asyncio.timeout(BODY_SECONDS):
            async for chunk in request.stream():
                body += chunk
                if len(body) >= limit:
                    raise PayloadTooLarge("request_body", limit, limit)
    except (TimeoutError, ClientDisconnect):
        raise RequestTimeout(f"the body must arrive within {BODY_SECONDS:g} s") from None
    return bytes(body)


class Replay:
    """Gives a body that was already read once more, then what the connection has to say."""

    def __init__(self, body: bytes, receive: Receive | None = None) -> None:
        self._body: bytes | None = body
        self._receive = receive

    async def __call__(self) -> Message:
        if self._body is not None:
            body, self._body = self._body, None
            return {"type": "http.request", "body": body, "more_body": False}
        return {"type": "http.disconnect"} if self._receive is None else await self._receive()


def _is_stream(headers: list[tuple[bytes, bytes]]) -> bool:
    return any(name == b"content-type" and value.startswith(b"text/event-stream") for name, value in headers)


def _tell(scope: Scope, status: int, seconds: float) -> None:
    _log.info(
        "%s %s %s %.0f ms %s",
        scope.get("method", "GET"),
        _shown(scope["path"]),
        status,
        seconds * 1000,
        scope["e2a.request_id"],
    )


def _shown(path: str) -> str:
    """A path for the log: on one line, and without the token that some paths are."""
    if path.startswith("/u/"):
        return "/u/..."
    shown = path[:300]
    return shown if shown.isprintable() else "".join(char if char.isprintable() else "?" for char in shown)
