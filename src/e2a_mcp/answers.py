"""How an answer travels within a session: as plain JSON, or as an event stream if something comes before it.

The transport answers every request of a session with an event stream. Clients limit the size of one event, so a long
answer must not travel in one.
"""

from __future__ import annotations

from dataclasses import dataclass

from mcp.server.streamable_http import check_accept_headers
from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import Request
from starlette.types import Message, Scope, Send

from e2a_mcp.replay import Replays

__all__ = [
    "BOTH_TYPES",
    "Accepted",
    "VERSION_HEADER",
    "PlainAnswer",
    "Primed",
    "Resumed",
    "accepted",
    "with_header",
]

BOTH_TYPES = "application/json, text/event-stream"
VERSION_HEADER = "mcp-protocol-version"


@dataclass(frozen=True, slots=True)
class Accepted:
    """The media types that a client takes."""

    json: bool
    stream: bool


def accepted(scope: Scope) -> Accepted:
    """Returns what the client takes; without an `Accept` header that is anything (RFC 9110 section 12.5.1)."""
    request = Request(scope)
    return Accepted(*(check_accept_headers(request) if "accept" in request.headers else (True, True)))


def with_header(scope: Scope, name: str, value: str | None) -> Scope:
    """Returns the scope with one header replaced, or removed."""
    key = name.encode()
    rest = [item for item in scope["headers"] if item[0] != key]
    return {**scope, "headers": rest if value is None else [*rest, (key, value.encode())]}


class PlainAnswer:
    """Sends an event stream as JSON if the first message on it is the answer.

    Otherwise it is a stream from its first message on, or from the first comment that keeps an idle one alive.
    """

    def __init__(self, send: Send, replays: Replays) -> None:
        self._send = send
        self._replays = replays
        self._held: list[Message] = []
        self._decided = False
        self._answered = False

    async def __call__(self, message: Message) -> None:
        if self._answered:
            return
        if self._decided:
            await self._send(message)
            return
        self._held.append(message)
        start, body = self._held[0], message.get("body", b"")
        if Headers(raw=start["headers"]).get("content-type", "").startswith("text/event-stream"):
            event_id, data = _parsed(body)
            if self._replays.answer(event_id):
                self._answered = True
                self._replays.forget(event_id)
                await self._answer(start, data)
                return
            if not data and not body.startswith(b":") and (message is start or message.get("more_body")):
                return  # the head, or an event without data, which only tells an id
        self._decided = True
        for held in self._held:
            await self._send(held)
        self._held.clear()

    async def _answer(self, start: Message, data: bytes) -> None:
        headers = MutableHeaders(raw=[*start["headers"]])
        headers["content-type"] = "application/json"
        headers["content-length"] = str(len(data))
        del headers["x-accel-buffering"]
        await self._send({**start, "headers": headers.raw})
        await self._send({"type": "http.response.body", "body": data, "more_body": False})


class Primed:
    """Begins a stream with an event that has an id but no data, so that the client can resume it from there."""

    def __init__(self, send: Send, event_id: str) -> None:
        self._send = send
        self._first = f"id: {event_id}\r\ndata: \r\n\r\n".encode()

    async def __call__(self, message: Message) -> None:
        await self._send(message)
        if message["type"] == "http.response.start" and message["status"] == 200:
            await self._send({"type": "http.response.body", "body": self._first, "more_body": True})


class Resumed:
    """Ends a resumed stream with the answer to its request, which the transport leaves open."""

    def __init__(self, send: Send, replays: Replays) -> None:
        self._send = send
        self._replays = replays
        self._ended = False

    async def __call__(self, message: Message) -> None:
        if not self._ended:
            self._ended = self._replays.answer(_parsed(message.get("body", b""))[0])
            await self._send({**message, "more_body": False} if self._ended else message)


def _parsed(event: bytes) -> tuple[str, bytes]:
    """The id and the data of one event (HTML standard, section 9.2.6)."""
    event_id, data = b"", []
    for line in event.splitlines():
        name, _, value = line.partition(b":")
        value = value.removeprefix(b" ")
        if name == b"id":
            event_id = value
        elif name == b"data":
            data.append(value)
    return event_id.decode(), b"\n".join(data)
