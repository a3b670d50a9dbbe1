"""Who wants to know of commits, and the task that looks for other processes' commits while anybody does."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

__all__ = ["CommitListeners"]


class CommitListeners:
    """Calls every listener after a commit.

    `follow` makes the coroutine that calls `notify` for other processes' commits. It runs only while there is a
    listener: a database nobody listens to costs nothing.
    """

    def __init__(self, follow: Callable[[], Coroutine[Any, Any, None]]) -> None:
        self._follow = follow
        self._listeners: dict[object, Callable[[], None]] = {}
        self._task: asyncio.Task[None] | None = None

    def add(self, listener: Callable[[], None]) -> Callable[[], None]:
        """Register; the result unregisters and may be called more than once."""
        key = object()
        self._listeners[key] = listener
        if self._task is None:
            self._task = asyncio.create_task(self._follow(), name="follow other processes' commits")

        def remove() -> None:
            self._listeners.pop(key, None)
            if not self._listeners and self._task is not None:
                self._task.cancel()
                self._task = None

        return remove

    def notify(self) -> None:
        for listener in tuple(self._listeners.values()):
            listener()

    async def close(self) -> None:
        """Forget every listener and wait until the following task has ended."""
        self._listeners.clear()
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            await asyncio.wait([task])
