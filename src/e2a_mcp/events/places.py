"""How many requests of one credential may be held open at once."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

from e2a_mcp.events.errors import Dialect, exhausted

__all__ = ["MAX_HELD", "MAX_HELD_EACH", "Places"]

MAX_HELD_EACH = 50
"""Streams and waiting polls of one credential: a host has one for each subscription."""
MAX_HELD = 5_000
"""Those of one process."""


class Places:
    """Counts what is held open."""

    def __init__(self) -> None:
        self._held: Counter[str] = Counter()

    @contextmanager
    def of(self, credential: str, dialect: Dialect) -> Iterator[None]:
        """Holds a place of the credential. Raises ResourceExhausted when there is none."""
        if self._held[credential] >= MAX_HELD_EACH:
            raise exhausted(dialect, MAX_HELD_EACH)
        if self._held.total() >= MAX_HELD:
            raise exhausted(dialect, MAX_HELD)
        self._held[credential] += 1
        try:
            yield
        finally:
            self._held[credential] -= 1
            self._held += Counter()  # drops the entries at zero
