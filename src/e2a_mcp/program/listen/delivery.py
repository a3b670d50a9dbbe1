"""Hands events to a program until it takes them; what it does not take goes to a file, and nothing is lost."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path

from e2a_core.visible import one_line
from e2a_mcp.program.listen.source import FAILED, Ended, Event
from e2a_mcp.program.output import note

__all__ = ["WAITS_SECONDS", "Delivery", "NotTaken"]

WAITS_SECONDS: Sequence[float] = (0.5, 2, 10, 60)
"""Before each further attempt: a program on this machine that restarts is back by then."""


class NotTaken(Exception):
    """The program did not take the event; `final` if it never will."""

    def __init__(self, reason: str, *, final: bool = False) -> None:
        super().__init__(reason)
        self.final = final


class Delivery:
    """Tries `attempt`, which raises `NotTaken`, and again after each of `waits`.

    The events that are not taken are appended to the file `dead`, one envelope a line, and count as dealt with.
    """

    def __init__(
        self,
        attempt: Callable[[Event], Awaitable[None]],
        dead: Path,
        waits: Sequence[float] = WAITS_SECONDS,
    ) -> None:
        self._attempt = attempt
        self._dead = dead
        self._waits = waits

    async def deliver(self, event: Event) -> bool:
        """Whether the program took it. Raises `Ended` if it can be kept nowhere."""
        for wait in (*self._waits, None):
            try:
                await self._attempt(event)
                return True
            except NotTaken as problem:
                reason, final = one_line(str(problem)), problem.final
            if wait is None or final:
                break
            note(f"{event.id} was not taken ({reason}); again in {wait:g} s")
            await asyncio.sleep(wait)
        self._bury(event)
        note(f"{event.id} was not taken ({reason}) and lies in {self._dead}")
        return False

    def _bury(self, event: Event) -> None:
        """On the disk before the event is acknowledged; for the owner of the file alone."""
        line = json.dumps(event.envelope) + "\n"
        try:
            self._dead.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            opened = os.open(self._dead, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
            with os.fdopen(opened, "w", encoding="utf-8") as file:
                file.write(line)
                file.flush()
                os.fsync(file.fileno())
        except OSError as problem:
            raise Ended(
                f"{event.id} was not taken, and {self._dead} cannot be written: {problem}", FAILED
            ) from None
