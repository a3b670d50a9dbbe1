"""Identifiers of the API: a prefix naming the kind, and lower-case hex.

`Ids` makes random ids from an injected source of bytes. The functions below it derive ids that must be the same
each time the same thing happens.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from threading import Lock

__all__ = ["Ids", "event_id", "protection_event_id"]


POOL_BYTES = 4096
"""Bytes read from the operating system at once, because a system call per id would dominate its cost."""


class _Pool:
    """Random bytes of the operating system. Hands out each byte once; thread-safe and safe after a fork."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._owner = 0
        self._bytes = b""
        self._used = 0

    def __call__(self, size: int) -> bytes:
        with self._lock:
            if self._used + size > len(self._bytes) or self._owner != os.getpid():
                self._owner, self._used = os.getpid(), 0
                self._bytes = os.urandom(max(POOL_BYTES, size))
            start, self._used = self._used, self._used + size
            return self._bytes[start : self._used]


class Ids:
    """Makes random identifiers. `random_bytes(n)` must be cryptographically secure."""

    def __init__(self, random_bytes: Callable[[int], bytes] | None = None) -> None:
        self._random_bytes = random_bytes or _Pool()

    def new(self, prefix: str, size: int = 16) -> str:
        """Returns `prefix`, an underscore and `size` random bytes in hex. An empty prefix gives the hex alone."""
        text = self._random_bytes(size).hex()
        return f"{prefix}_{text}" if prefix else text

    def user(self) -> str:
        return self.new("")

    def message(self) -> str:
        return self.new("msg")

    def conversation(self) -> str:
        return self.new("conv")

    def thread(self) -> str:
        return self.new("thrd")

    def event(self) -> str:
        return self.new("evt")

    def api_key(self) -> str:
        return self.new("apk")

    def job(self) -> str:
        return self.new("job")

    def template(self) -> str:
        return self.new("tmpl")

    def transition(self) -> str:
        return self.new("mlt")

    def webhook(self) -> str:
        return self.new("wh")

    def delivery(self) -> str:
        return self.new("whd")

    def delegation(self) -> str:
        return self.new("dlg")

    def request(self) -> str:
        return self.new("req", 12)

    def secret(self, size: int = 32) -> str:
        """Returns `size` random bytes in hex, for keys and secrets."""
        return self._random_bytes(size).hex()

    def bytes(self, size: int) -> bytes:
        return self._random_bytes(size)


def event_id(message_id: str, event_type: str) -> str:
    """Returns the id of the event of `event_type` for `message_id`; there is at most one."""
    return f"evt_{_digest(message_id, event_type)}"


def protection_event_id(message_id: str, source: str, reason: str, detector: str) -> str:
    """Returns the id of an audit row of the screening of `message_id`."""
    return f"scr_{_digest(message_id, source, reason, detector)}"


def _digest(*parts: str) -> str:
    return hashlib.sha256("|".join(parts).encode()).hexdigest()[:32]
