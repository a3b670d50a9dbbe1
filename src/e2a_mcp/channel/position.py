"""How far a channel has read an inbox, kept in a file of the home, and which process of the home reads it.

Several sessions may have a channel on one inbox. The owner's words go to one of them, the first that came; when it
ends, the next goes on where it was.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
from collections.abc import Sequence
from datetime import datetime, timedelta
from pathlib import Path

from e2a_core.clock import rfc3339
from e2a_core.store.lease import HomeLease

__all__ = ["Position"]

REMEMBERED = 1000
"""Ids and fingerprints of the owner's messages that were brought in or decided something, and must not a second time.

Others are not remembered: by sending much they could make the owner's words be forgotten, and so be said again.
"""
OVERLAP = timedelta(minutes=2)
"""Looked at twice: two messages may be stored in another order than they were dated."""

_log = logging.getLogger(__name__)


class Position:
    """The position of one inbox of one deployment below `folder`; `started` is where a first channel begins."""

    def __init__(self, folder: Path, deployment: str, inbox: str, started: datetime) -> None:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        name = hashlib.sha256(f"{deployment}\n{inbox}".encode()).hexdigest()[:32]
        self._path = folder / f"{name}.json"
        self._lease = HomeLease(folder / f"{name}.lock")
        self._newest = started
        self._seen: dict[str, None] = {}
        self._resumed = False

    @property
    def held(self) -> bool:
        """Whether this process reads the inbox."""
        return self._lease.held

    @property
    def since(self) -> str:
        """The instant from which mail has to be looked at, inclusive."""
        return rfc3339(self._newest - OVERLAP if self._resumed else self._newest)

    async def acquire(self) -> None:
        """Waits until no other process reads the inbox, and goes on where the last one was."""
        await self._lease.acquire_when_free()
        try:
            kept = json.loads(self._path.read_bytes())
            self._newest = datetime.fromisoformat(kept["newest"])
            self._seen = dict.fromkeys(map(str, kept["seen"]))
            self._resumed = True
        except FileNotFoundError:
            self._keep()
        except (OSError, ValueError, KeyError, TypeError) as problem:
            _log.warning(
                "the position of the channel in %s is not readable, it begins anew: %s", self._path, problem
            )

    def has_seen(self, known: str) -> bool:
        return known in self._seen

    def saw(self, created_at: datetime, known: Sequence[str] = ()) -> None:
        """Keeps that mail up to this instant was looked at, and by what a message of the owner is `known`."""
        self._seen |= dict.fromkeys(known)
        while len(self._seen) > REMEMBERED:
            del self._seen[next(iter(self._seen))]
        self._newest = max(self._newest, created_at)
        self._keep()

    def release(self) -> None:
        self._lease.release()

    def _keep(self) -> None:
        content = json.dumps({"newest": self._newest.isoformat(), "seen": list(self._seen)})
        written = self._path.with_suffix(".new")
        try:
            descriptor = os.open(written, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
            with os.fdopen(descriptor, "w") as file:
                file.write(content)
            written.replace(self._path)
        except OSError as problem:
            _log.error("the position of the channel could not be kept: %s", problem)
