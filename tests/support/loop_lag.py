"""How long an event loop keeps everyone waiting while a home takes in and reads one message."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import time
from types import TracebackType
from typing import BinaryIO, Self

__all__ = ["LoopLag", "bring"]

TICK_SECONDS = 0.001
REPLY_SECONDS = 60.0


class LoopLag:
    """A context manager that ticks on the loop; `worst` is the longest pause between two ticks, in seconds.

    Counts the shorter of elapsed time and the processor time of the process, so that the other programs of a busy
    machine do not count.
    """

    def __init__(self) -> None:
        self.worst = 0.0
        self._ticker: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        self._ticker = asyncio.create_task(self._tick())
        await asyncio.sleep(TICK_SECONDS)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None
    ) -> None:
        assert self._ticker is not None
        await asyncio.sleep(2 * TICK_SECONDS)
        self._ticker.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self._ticker

    async def _tick(self) -> None:
        while True:
            elapsed, used = time.perf_counter(), time.process_time()
            await asyncio.sleep(TICK_SECONDS)
            pause = min(time.perf_counter() - elapsed, time.process_time() - used)
            self.worst = max(self.worst, pause)


async def bring(address: tuple[str, int], content: bytes, *, mail_from: str, recipient: str) -> int:
    """The reply code to `content`, which a thread sends, so that sending does not count as a pause of the loop."""
    stuffed = (b"\r\n" + content).replace(b"\r\n.", b"\r\n..")[2:]
    wire = stuffed + (b"" if stuffed.endswith(b"\r\n") else b"\r\n") + b".\r\n"
    return await asyncio.to_thread(_send, address, wire, mail_from, recipient)


def _send(address: tuple[str, int], wire: bytes, mail_from: str, recipient: str) -> int:
    commands = (
        b"EHLO client.example.org",
        b"MAIL FROM:<%s>" % mail_from.encode(),
        b"RCPT TO:<%s>" % recipient.encode(),
    )
    with socket.create_connection(address, REPLY_SECONDS) as connection, connection.makefile("rb") as replies:
        _reply(replies)
        for command in (*commands, b"DATA"):
            connection.sendall(command + b"\r\n")
            _reply(replies)
        connection.sendall(wire)
        return _reply(replies)


def _reply(replies: BinaryIO) -> int:
    while True:
        line = replies.readline()
        if line[3:4] != b"-":
            return int(line[:3])
