"""Counts the open sessions of each credential, so that one credential cannot use up all of them."""

from __future__ import annotations

import itertools
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from e2a_core.clock import Clock
from e2a_mcp.replay import History

__all__ = ["AllInUse", "SessionBook"]


class AllInUse(Exception):
    """A credential has reached its limit of sessions, and every one of them is serving a request."""


@dataclass(slots=True)
class _Session:
    credential: str
    used: float
    requests: int = 0
    history: History = field(default_factory=History)


class SessionBook:
    """Tracks the sessions of each credential, at most `each`, least recently used first.

    A session that no request has used for `idle_seconds` counts as ended, because the transport ends it then.
    """

    def __init__(self, clock: Clock, *, each: int, idle_seconds: float) -> None:
        self._clock = clock
        self._each = each
        self._idle_seconds = idle_seconds
        self._open: OrderedDict[str, _Session] = OrderedDict()
        self._openings = itertools.count()

    def superfluous(self, credential: str) -> str | None:
        """Returns the session to end before another one is opened, or None while there is room.

        Raises `AllInUse` when there is no room and every session is in use.
        """
        self._forget_idle()
        mine = [name for name, session in self._open.items() if session.credential == credential]
        if len(mine) < self._each:
            return None
        for name in mine:
            if not self._open[name].requests:
                return name
        raise AllInUse

    @contextmanager
    def opening(self, credential: str) -> Iterator[None]:
        """Counts a session that is being opened, so that concurrent requests cannot exceed the limit."""
        place = f"opening {next(self._openings)}"
        self._open[place] = _Session(credential, self._clock.monotonic(), requests=1)
        try:
            yield
        finally:
            del self._open[place]

    def opened(self, name: str, credential: str, history: History) -> None:
        self._open[name] = _Session(credential, self._clock.monotonic(), history=history)

    def history(self, name: str, credential: str) -> History | None:
        """Returns what the session was sent, or None if the credential has no such session."""
        session = self._of(name, credential)
        return None if session is None else session.history

    def ended(self, name: str, credential: str) -> None:
        if self._of(name, credential) is not None:
            del self._open[name]

    @contextmanager
    def in_use(self, name: str, credential: str) -> Iterator[None]:
        """Marks a session of the credential as in use while a request is served in it."""
        session = self._of(name, credential)
        if session is None:
            yield
            return
        session.requests += 1
        try:
            yield
        finally:
            session.requests -= 1
            session.used = self._clock.monotonic()
            if name in self._open:
                self._open.move_to_end(name)

    def _of(self, name: str, credential: str) -> _Session | None:
        session = self._open.get(name)
        return session if session is not None and session.credential == credential else None

    def _forget_idle(self) -> None:
        since = self._clock.monotonic() - self._idle_seconds
        idle = [name for name, it in self._open.items() if it.used < since and not it.requests]
        for name in idle:
            del self._open[name]
