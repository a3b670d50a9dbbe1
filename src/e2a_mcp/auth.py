"""Finds the engine session of the credential in an HTTP request."""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from dataclasses import dataclass

import anyio

from e2a_core.clock import Clock
from e2a_core.contract.engine import Engine, Session
from e2a_core.errors import Unauthorized

__all__ = ["CredentialCache"]

MAX_CREDENTIALS = 1_000


@dataclass(slots=True)
class _Entry:
    """`session` is None for a credential that was refused."""

    session: Session | None
    expires: float


class CredentialCache:
    """A cache of sessions by credential that drops the least recently used first.

    An answer of the engine is reused for `fresh_seconds`: a revoked key may work that long, and a wrong key is refused
    that long without asking again. 0 asks each time. Only a hash of the credential is kept. Concurrent requests with
    the same credential ask the engine once. A failure to answer, such as `Unavailable`, is not cached.
    """

    def __init__(self, engine: Engine, clock: Clock, *, fresh_seconds: float) -> None:
        self._engine = engine
        self._clock = clock
        self._fresh_seconds = fresh_seconds
        self._entries: OrderedDict[bytes, _Entry] = OrderedDict()
        self._asking: dict[bytes, anyio.Lock] = {}

    async def session(self, credential: str) -> Session:
        """Returns the session of `credential`.

        Raises `Unauthorized` when it is not valid, and another `E2AError` when the engine cannot answer.
        """
        if not self._fresh_seconds:
            return await self._engine.session(credential, door="mcp")
        key = hashlib.sha256(credential.encode()).digest()
        entry = self._fresh(key)
        if entry is None:
            entry = await self._ask(key, credential)
        if entry.session is None:
            raise Unauthorized
        return entry.session

    def _fresh(self, key: bytes) -> _Entry | None:
        entry = self._entries.get(key)
        if entry is None or entry.expires <= self._clock.monotonic():
            return None
        self._entries.move_to_end(key)
        return entry

    async def _ask(self, key: bytes, credential: str) -> _Entry:
        lock = self._asking.setdefault(key, anyio.Lock())
        try:
            async with lock:
                entry = self._fresh(key)
                if entry is None:
                    entry = await self._resolve(credential)
                    self._entries[key] = entry
                    self._entries.move_to_end(key)
                    while len(self._entries) > MAX_CREDENTIALS:
                        self._entries.popitem(last=False)
                return entry
        finally:
            if not lock.statistics().tasks_waiting:
                self._asking.pop(key, None)

    async def _resolve(self, credential: str) -> _Entry:
        session: Session | None
        try:
            session = await self._engine.session(credential, door="mcp")
        except Unauthorized:
            session = None
        return _Entry(session, self._clock.monotonic() + self._fresh_seconds)
