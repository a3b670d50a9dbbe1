"""Where a listener hears of mail: the events, how listening ends, and the pauses before trying again."""

from __future__ import annotations

import asyncio
import json
import random
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

from e2a_core.errors import E2AError
from e2a_core.visible import one_line
from e2a_mcp.program.output import note
from e2a_mcp.program.statuses import CREDENTIALS, FAILED, PERMANENT, status_of

__all__ = [
    "CREDENTIALS",
    "FAILED",
    "PERMANENT",
    "Ended",
    "Event",
    "Source",
    "patiently",
    "pauses",
    "status_of",
]

FIRST_PAUSE_SECONDS = 1.0
LONGEST_PAUSE_SECONDS = 30.0
JITTER = 0.5
"""Each pause is up to this part shorter: what a restart disconnects together does not come back together."""

RECEIVED = "email.received"

Result = TypeVar("Result")


class Ended(Exception):
    """Listening ended for good; `status` is the exit status."""

    def __init__(self, message: str, status: int) -> None:
        super().__init__(message)
        self.status = status


@dataclass(frozen=True, slots=True)
class Event:
    """One event as the deployment told it; `body` has the octets of its envelope."""

    id: str
    type: str
    data: dict[str, Any]
    envelope: dict[str, Any]
    body: bytes

    @classmethod
    def read(cls, frame: str | bytes) -> Event | None:
        """The event in a frame, or None if there is none: a client skips what it does not know."""
        body = frame.encode("utf-8", "replace") if isinstance(frame, str) else frame
        try:
            envelope = json.loads(body)
        except (ValueError, RecursionError):
            return None
        if not isinstance(envelope, dict):
            return None
        id, type, data = (envelope.get(name) for name in ("id", "type", "data"))
        if not (isinstance(id, str) and id and isinstance(type, str) and isinstance(data, dict)):
            return None
        return cls(id, type, data, envelope, body)

    @property
    def arrival(self) -> str | None:
        """The id of the message that arrived; None if the event tells something else."""
        message_id = self.data.get("message_id")
        return message_id if self.type == RECEIVED and isinstance(message_id, str) else None


class Source(Protocol):
    def events(self) -> AsyncIterator[Event]:
        """Yields unread mail that is not acknowledged, then what arrives; an event may come twice. Raises `Ended`."""

    async def acknowledge(self, event: Event) -> None:
        """Says that this event and those before it are dealt with."""


def pauses() -> Iterator[float]:
    """The seconds before each further attempt, without end."""
    longest = FIRST_PAUSE_SECONDS
    while True:
        yield longest * (1 - JITTER * random.random())
        longest = min(longest * 2, LONGEST_PAUSE_SECONDS)


async def patiently(call: Callable[[], Awaitable[Result]]) -> Result:
    """What `call` returns, tried again while it raises what may pass. Raises `E2AError` for what does not."""
    waits = pauses()
    while True:
        try:
            return await call()
        except E2AError as problem:
            if not problem.retryable:
                raise
            pause = next(waits)
            note(f"{one_line(problem.message)}; trying again in {pause:.1f} s")
        await asyncio.sleep(pause)
