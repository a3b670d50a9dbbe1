"""Hears at once of what happens in an inbox, by observing its WebSocket where the deployment lets one."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from urllib.parse import quote

from e2a_core.remote.client import Deployment

__all__ = ["Bell", "Doorbells"]

ARRIVALS, EVENTS = "true", "events"
OBSERVE = "/v1/agents/{email}/ws?observe={what}"
"""Beside the listener of the inbox: a plain connection would take its place, and end it for good."""
_ARRIVALS = frozenset({"email.received"})
"""What every observer is told of."""
MAX_FRAME_OCTETS = 1 << 20
"""A frame holds the envelope of one message, which has no body."""
FIRST_PAUSE_SECONDS = 1.0
LONGEST_PAUSE_SECONDS = 60.0
"""Between attempts to connect. Mail is looked for meanwhile, so that nothing waits for it."""
OPEN_SECONDS = 10.0

_log = logging.getLogger(__name__)


@dataclass(eq=False)
class Bell:
    """Rings when an event of a type of `wanted` happened in one of the inboxes of a watch, or may have."""

    wanted: frozenset[str]
    rung: asyncio.Event = field(default_factory=asyncio.Event)
    doors: set[_Door] = field(default_factory=set)

    @property
    def reliable(self) -> bool:
        """Whether all that is wanted of each inbox is heard of at present."""
        arrivals = self.wanted <= _ARRIVALS
        return bool(self.doors) and all(door.open and (door.everything or arrivals) for door in self.doors)

    async def wait(self, seconds: float) -> None:
        """Until it rings, `seconds` at most."""
        try:
            async with asyncio.timeout(seconds):
                await self.rung.wait()
        except TimeoutError:
            return


@dataclass(eq=False)
class _Door:
    """The WebSocket of one inbox, which all watches of a credential share."""

    open: bool = False
    everything: bool = False
    bells: set[Bell] = field(default_factory=set)
    task: asyncio.Task[None] | None = None

    def ring(self, type: str | None = None) -> None:
        """Rings the bells of those who want an event, or without `type` all of them."""
        for bell in self.bells:
            if type is None or type in bell.wanted:
                bell.rung.set()


class Doorbells:
    """The WebSockets of one credential, each open while somebody waits for it."""

    def __init__(self, deployment: Deployment, credential: str) -> None:
        self._deployment = deployment
        self._headers = {"Authorization": f"Bearer {credential}"}
        self._doors: dict[str, _Door] = {}

    @asynccontextmanager
    async def bell(self, emails: Collection[str], types: Collection[str]) -> AsyncIterator[Bell]:
        """A bell for events of these inboxes; one that never rings where the deployment has no observers."""
        bell = Bell(frozenset(types))
        for email in emails:
            bell.doors.add(self._door(email, bell))
        try:
            yield bell
        finally:
            for email in emails:
                await self._leave(email, bell)

    def _door(self, email: str, bell: Bell) -> _Door:
        door = self._doors.setdefault(email, _Door())
        door.bells.add(bell)
        if door.task is None:
            door.task = asyncio.create_task(self._listen(email, door), name=f"doorbell of {email}")
        return door

    async def _leave(self, email: str, bell: Bell) -> None:
        door = self._doors.get(email)
        if door is None or bell not in door.bells:
            return
        door.bells.remove(bell)
        if not door.bells and door.task is not None:
            del self._doors[email]
            door.task.cancel()
            await asyncio.wait([door.task])

    async def _listen(self, email: str, door: _Door) -> None:
        """Connects again and again; every connection rings, for what came while there was none."""
        # Imported when needed: most processes never are clients of another deployment.
        from websockets.exceptions import WebSocketException

        from e2a_core.remote.direct import connect_directly

        observers = await self._deployment.description.observers()
        if not observers:
            return
        door.everything = EVENTS in observers
        url = self._url(email, EVENTS if door.everything else ARRIVALS)
        pause = FIRST_PAUSE_SECONDS
        while True:
            try:
                async with connect_directly(
                    url,
                    additional_headers=self._headers,
                    max_size=MAX_FRAME_OCTETS,
                    open_timeout=OPEN_SECONDS,
                    compression=None,
                ) as socket:
                    door.open, pause = True, FIRST_PAUSE_SECONDS
                    door.ring()
                    async for frame in socket:
                        door.ring(_type_of(frame))
            # ImportError: a proxy of the environment that needs one more library.
            except (OSError, ImportError, WebSocketException) as problem:
                _log.debug("the WebSocket of %s: %s", email, problem)
            finally:
                door.open = False
                door.ring()
            await asyncio.sleep(pause)
            pause = min(2 * pause, LONGEST_PAUSE_SECONDS)

    def _url(self, email: str, what: str) -> str:
        base = self._deployment.base_url.rstrip("/")
        return "ws" + base.removeprefix("http") + OBSERVE.format(email=quote(email, safe=""), what=what)


def _type_of(frame: str | bytes) -> str | None:
    """The type of the event in a frame; None if it cannot be read."""
    try:
        found = json.loads(frame)
    except (ValueError, RecursionError):
        return None
    type = found.get("type") if isinstance(found, dict) else None
    return type if isinstance(type, str) else None
