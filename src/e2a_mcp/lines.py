"""Standard input as a stream of messages; what is no message is answered at once, so that no host waits for it."""

from __future__ import annotations

import logging
import os
from collections.abc import AsyncIterator
from typing import Protocol, cast

import anyio
from mcp.shared.message import SessionMessage

from e2a_mcp.messages import faults_in

__all__ = ["MessageLines", "standard_input"]

_log = logging.getLogger(__name__)


class Answers(Protocol):
    async def send(self, item: SessionMessage, /) -> None: ...


class MessageLines:
    """The lines of `file` that hold a message, for the transport to read; others get their error on `answers`."""

    def __init__(self, file: anyio.AsyncFile[bytes]) -> None:
        self._file = file
        self.answers: Answers | None = None
        self.ended = anyio.Event()

    def as_text_file(self) -> anyio.AsyncFile[str]:
        """Itself: the transport only iterates over what it reads."""
        return cast("anyio.AsyncFile[str]", self)

    async def __aiter__(self) -> AsyncIterator[str]:
        async for line in self._file:
            if line.isspace():
                continue
            faults = faults_in(line)
            for fault in faults:
                _log.warning("standard input: %s", fault.message)
                if self.answers is not None:
                    await self.answers.send(SessionMessage(fault.answer()))
            if not faults:
                yield line.decode()
        self.ended.set()


def standard_input() -> anyio.AsyncFile[bytes]:
    """Returns standard input for the protocol alone; what else reads descriptor 0 from now on finds its end."""
    private = os.dup(0)
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)
    # A thread may still read when the rest is closed, so the descriptor stays open.
    return anyio.wrap_file(os.fdopen(private, "rb", closefd=False))
