"""What a session has received and not yet used.

asyncio's StreamReader cannot look ahead or give octets back, which finding the end of a message among pipelined
commands needs; this buffer can, and bounds what a peer may make it hold.
"""

from __future__ import annotations

import asyncio

from e2a_core.smtpserver.data import BareNewline

__all__ = ["ConnectionClosed", "LineTooLong", "SessionInput"]

# Commands waiting while one is worked on; a whole pipelined group of 100 recipients is a tenth of it.
_HIGH_WATER_OCTETS = 64 * 1024


class ConnectionClosed(Exception):
    """The peer will send nothing more."""


class LineTooLong(Exception):
    """A command line over the limit; it has been discarded."""


class SessionInput:
    """The octets of one connection, in order. `buffer` may be shortened at its front by the reader of it."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.buffer = bytearray()
        self._loop = loop
        self._transport: asyncio.ReadTransport | None = None
        self._waiter: asyncio.Future[None] | None = None
        self._paused = False
        self._eof = False
        self._discarding = False
        self._skipping_line = False

    def attach(self, transport: asyncio.ReadTransport) -> None:
        """Control the flow of `transport` from now on."""
        self._resume()
        self._transport = transport

    def feed(self, data: bytes) -> None:
        if self._discarding:
            return
        self.buffer += data
        if self._waiter is not None:
            self._wake()
        elif len(self.buffer) > _HIGH_WATER_OCTETS and not self._paused and self._transport is not None:
            self._transport.pause_reading()
            self._paused = True

    def feed_eof(self) -> None:
        self._eof = True
        self._wake()

    def clear(self) -> None:
        """Forget everything received so far."""
        self.buffer.clear()
        self._skipping_line = False

    def take_line(self, limit: int) -> bytes | None:
        """The next line without its CRLF, or None when it has not come whole.

        Raises LineTooLong for one of more than `limit` octets, CRLF included, and BareNewline for one that ends in
        LF alone. Both have consumed the line.
        """
        end = self.buffer.find(b"\n") + 1
        if not end:
            if len(self.buffer) > limit:
                self._skipping_line = True
                # A CR kept back may turn out to be the first half of the line's end.
                del self.buffer[: -1 if self.buffer.endswith(b"\r") else None]
            return None
        line = bytes(self.buffer[:end])
        del self.buffer[:end]
        if self._skipping_line or end > limit:
            self._skipping_line = False
            raise LineTooLong
        if not line.endswith(b"\r\n"):
            raise BareNewline
        return line[:-2]

    async def more(self) -> None:
        """Wait until something is added to the buffer.

        Raises ConnectionClosed when nothing more can come, or what `interrupt` was given.
        """
        if self._eof:
            raise ConnectionClosed
        self._resume()
        self._waiter = self._loop.create_future()
        try:
            await self._waiter
        finally:
            self._waiter = None
        if self._eof and not self.buffer:
            raise ConnectionClosed

    def interrupt(self, reason: Exception) -> bool:
        """Raise `reason` in whoever waits in `more`; False if nobody does."""
        if self._waiter is None or self._waiter.done():
            return False
        self._waiter.set_exception(reason)
        return True

    async def discard(self, seconds: float) -> None:
        """Throw everything away that comes until the peer stops sending, for at most `seconds`."""
        self._discarding = True
        self.clear()
        try:
            async with asyncio.timeout(seconds):
                await self.more()
        except (ConnectionClosed, TimeoutError):
            pass

    def _resume(self) -> None:
        if self._paused and self._transport is not None:
            self._transport.resume_reading()
            self._paused = False

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)
