"""Tells the turns under way in this process that something was written for their webhook."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Iterator
from contextlib import contextmanager

__all__ = ["Bells"]


class Bells:
    """One bell for each webhook that is being worked on here.

    What another process writes rings none: the webhook's job, which that write asks for again, finds it.
    """

    def __init__(self) -> None:
        self._hung: dict[str, asyncio.Event] = {}

    @property
    def count(self) -> int:
        """How many webhooks are being worked on."""
        return len(self._hung)

    @contextmanager
    def of(self, webhook_id: str) -> Iterator[asyncio.Event]:
        """The bell of a webhook, for the time of the block."""
        bell = self._hung[webhook_id] = asyncio.Event()
        try:
            yield bell
        finally:
            if self._hung.get(webhook_id) is bell:
                del self._hung[webhook_id]

    def ring(self, webhook_ids: Collection[str]) -> None:
        for id in webhook_ids:
            if (bell := self._hung.get(id)) is not None:
                bell.set()
