"""Which process of a home runs its listeners and workers: the one that holds a lock on a file.

The operating system releases the lock when the process ends, however it ends, so no timeout has to pass before
another takes over.
"""

from __future__ import annotations

from pathlib import Path

import anyio
from filelock import FileLock, Timeout

__all__ = ["HomeLease"]

POLL_SECONDS = 0.25


class HomeLease:
    """The lease of one home, `path` being its lock file. Holding it is a property of the process."""

    def __init__(self, path: Path) -> None:
        self._lock = FileLock(path, thread_local=False)

    @property
    def held(self) -> bool:
        return self._lock.is_locked

    def try_acquire(self) -> bool:
        """Take the lease if no other process has it; true when this one holds it now."""
        if self.held:
            return True
        try:
            self._lock.acquire(blocking=False)
        except Timeout:
            return False
        return True

    async def acquire_when_free(self, poll: float = POLL_SECONDS) -> None:
        """Wait until the lease is free and take it; looks every `poll` seconds."""
        while not self.try_acquire():  # noqa: ASYNC110 - another process gives no event to wait for
            await anyio.sleep(poll)

    def release(self) -> None:
        self._lock.release()
