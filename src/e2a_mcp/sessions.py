"""Whose sessions are open, so that one credential cannot take the places of the others."""

from __future__ import annotations

import itertools
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from e2a_core.clock import Clock

__all__ = ["AllInUse", "SessionBook"]


class AllInUse(Exception):
    """A credential has as many sessions as it may, and a request is being served in each."""


@dataclass(slots=True)
class _Session:
    credential: str
    used: float
    requests: int = 0


class SessionBook:
    """At most `each` sessions of one credential, least recently used first.

    One that no request has used for `idle_seconds` is taken for ended: the transport ends it then.
    """

    def __init__(self, clock: Clock, *, each: int, idle_seconds: float) -> None:
        self._clock = clock
        self._each = each
        self._idle_seconds = idle_seconds
        self._open: OrderedDict[str, _Session] = OrderedDict()
        self._openings = itertools.count()

    def superfluous(self, credential: str) -> str | None:
        """The session to end before another is opened, None while there is room. Raises `AllInUse`."""
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
        """Holds a place while a session is opened: many may be asked for at once."""
        place = f"opening {next(self._openings)}"
        self._open[place] = _Session(credential, self._clock.monotonic(), requests=1)
        try:
            yield
        finally:
            del self._open[place]

    def opened(self, name: str, credential: str) -> None:
        self._open[name] = _Session(credential, self._clock.monotonic())

    def ended(self, name: str, credential: str) -> None:
        if self._of(name, credential) is not None:
            del self._open[name]

    @contextmanager
    def in_use(self, name: str, credential: str) -> Iterator[None]:
        """While a request is served in this session, if it is one of the credential's."""
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
