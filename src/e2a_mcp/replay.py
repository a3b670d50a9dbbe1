"""Keeps what the sessions were sent, so that a client whose stream broke can resume it (`Last-Event-ID`).

Source: MCP 2025-11-25, "Resumability and Redelivery" of the streamable HTTP transport.
"""

from __future__ import annotations

import re
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from sys import getsizeof
from urllib.parse import quote, unquote

from mcp.server.streamable_http import GET_STREAM_KEY, EventCallback, EventMessage, EventStore
from mcp_types import (
    INTERNAL_ERROR,
    ErrorData,
    JSONRPCError,
    JSONRPCMessage,
    JSONRPCResponse,
    jsonrpc_message_adapter,
)

from e2a_core.clock import Clock

__all__ = ["MAX_BYTES", "MAX_BYTES_EACH", "MAX_EVENTS_EACH", "KEPT_SECONDS", "History", "Replays"]

MAX_EVENTS_EACH = 256
"""Events of one session. A wait reports progress every few seconds, so this is far more than a break lasts."""
MAX_BYTES_EACH = 8 * 1024 * 1024
"""Memory for one session: a long answer and many short ones."""
MAX_BYTES = 128 * 1024 * 1024
"""Memory for all sessions of the process."""
KEPT_SECONDS = 5 * 60
"""Clients resume within seconds. Who comes later asks again."""

_EVENT_ID = re.compile(r"(\d{1,18})\.([!-~]*)", re.ASCII)
_OVERHEAD = 512
"""Memory of an event beside its text, roughly."""


@dataclass(slots=True, eq=False)
class _Event:
    history: History
    stream: str
    text: str
    """The message in JSON, so that its memory is known; empty for an event without data."""
    is_answer: bool
    at: float

    @property
    def size(self) -> int:
        return _OVERHEAD + getsizeof(self.text)


@dataclass(slots=True, eq=False)
class History:
    """What one session was sent, by event number, and the streams whose answer is still to come."""

    events: OrderedDict[int, _Event] = field(default_factory=OrderedDict)
    size: int = 0
    running: set[str] = field(default_factory=set)


class Replays(EventStore):
    """The event store of all sessions. Each task acts for the session that it was started in with `of`.

    The transport passes no session: it names a stream by the id of its request, which other sessions use too.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._session: ContextVar[History] = ContextVar("session")
        self._kept: OrderedDict[int, _Event] = OrderedDict()
        self._size = 0
        self._last = 0

    @contextmanager
    def of(self, history: History) -> Iterator[None]:
        """Makes this and all tasks started meanwhile act for the session of `history`."""
        token = self._session.set(history)
        try:
            yield
        finally:
            self._session.reset(token)

    async def store_event(self, stream_id: str, message: JSONRPCMessage | None) -> str:
        """Keeps an event, dropping the oldest ones beyond a limit. Returns its id, which is unique in the process."""
        history = self._session.get()
        text = _json(message)
        if getsizeof(text) > MAX_BYTES_EACH - _OVERHEAD:
            text = _json(_too_large(message))
        is_answer = isinstance(message, JSONRPCResponse | JSONRPCError)
        event = _Event(history, stream_id, text, is_answer, self._clock.monotonic())
        if is_answer:
            history.running.discard(stream_id)
        elif stream_id != GET_STREAM_KEY:
            history.running.add(stream_id)
        self._last += 1
        self._kept[self._last] = history.events[self._last] = event
        history.size += event.size
        self._size += event.size
        self._shrink(history)
        return _id_of(self._last, stream_id)

    async def prime(self) -> str:
        """Returns the id of a new event without data on the stream that no request opened."""
        return await self.store_event(GET_STREAM_KEY, None)

    async def replay_events_after(self, last_event_id: str, send_callback: EventCallback) -> str | None:
        """Sends what followed the event on its stream. Returns the stream if more is to come on it."""
        history = self._session.get()
        number, stream = _parsed(last_event_id)
        while (following := self._following(history, number, stream)) is not None:
            number, event = following
            if event.text:
                message = jsonrpc_message_adapter.validate_json(event.text, by_name=False)
                await send_callback(EventMessage(message, _id_of(number, stream)))
            if event.is_answer:
                return None
        return stream

    def resumes(self, history: History, last_event_id: str) -> bool:
        """Returns True if the stream of this event can be resumed: its answer is to come, or is kept.

        The stream that no request opened goes on whatever was missed.
        """
        number, stream = _parsed(last_event_id)
        self._shrink(history)
        return stream in {GET_STREAM_KEY, *history.running} or any(
            event.is_answer and event.stream == stream
            for later, event in history.events.items()
            if later > number
        )

    def answer(self, event_id: str) -> bool:
        """Returns True if the event is the answer to its request."""
        event = self._kept.get(_parsed(event_id)[0])
        return event is not None and event.is_answer

    def forget(self, event_id: str) -> None:
        """Drops the event and those before it on its stream, which the client does not resume."""
        number, stream = _parsed(event_id)
        if (last := self._kept.get(number)) is not None:
            events = last.history.events
            for earlier in [it for it, event in events.items() if it <= number and event.stream == stream]:
                self._drop(earlier)

    def _following(self, history: History, number: int, stream: str) -> tuple[int, _Event] | None:
        return next(
            ((it, event) for it, event in history.events.items() if it > number and event.stream == stream),
            None,
        )

    def _shrink(self, history: History) -> None:
        while len(history.events) > MAX_EVENTS_EACH or history.size > MAX_BYTES_EACH:
            self._drop(next(iter(history.events)))
        expired = self._clock.monotonic() - KEPT_SECONDS
        while self._kept:
            oldest, event = next(iter(self._kept.items()))
            if self._size <= MAX_BYTES and event.at > expired:
                break
            self._drop(oldest)

    def _drop(self, number: int) -> None:
        event = self._kept.pop(number)
        del event.history.events[number]
        event.history.size -= event.size
        self._size -= event.size


def _id_of(number: int, stream: str) -> str:
    return f"{number}.{quote(stream, safe='')}"


def _parsed(event_id: str) -> tuple[int, str]:
    """The number and the stream of an event; those of no event if the id is none of ours."""
    found = _EVENT_ID.fullmatch(event_id)
    return (int(found[1]), unquote(found[2])) if found else (0, "")


def _json(message: JSONRPCMessage | None) -> str:
    """The message as the transport writes it."""
    return "" if message is None else message.model_dump_json(by_alias=True, exclude_unset=True)


def _too_large(message: JSONRPCMessage | None) -> JSONRPCMessage | None:
    """What stands in for an event that is too large to keep."""
    if not isinstance(message, JSONRPCResponse | JSONRPCError):
        return None
    lost = "the connection broke, and the answer is too large to be sent again: repeat the request"
    return JSONRPCError(jsonrpc="2.0", id=message.id, error=ErrorData(code=INTERNAL_ERROR, message=lost))
