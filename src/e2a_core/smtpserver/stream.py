"""The input buffer of a session.

Finding the end of a message among pipelined commands requires looking ahead, which asyncio's StreamReader does not
support. This buffer supports it and pauses reading when it is full.
"""

from __future__ import annotations

import asyncio

from e2a_core.smtpserver.data import BareNewline

__all__ = ["ConnectionClosed", "LineTooLong", "SessionInput"]

_HIGH_WATER_OCTETS = 64 * 1024
"""Input buffered during a command before reading pauses; ten times a pipelined group of 100 recipients."""


class ConnectionClosed(Exception):
    """The peer has closed the connection, or at least its sending side."""


class LineTooLong(Exception):
    """A command line exceeded the limit and was discarded."""


class SessionInput:
    """The octets received on one connection. The consumer removes octets from the start of `buffer`."""

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
        """Control the flow of `transport`, instead of any transport attached before."""
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
        """Discard all buffered input."""
        self.buffer.clear()
        self._skipping_line = False

    def take_line(self, limit: int) -> bytes | None:
        """The next line without its CRLF, or None if it has not arrived completely.

        Raises LineTooLong if the line has more than `limit` octets including CRLF, and BareNewline if it ends in LF
        alone; in both cases the line is consumed.
        """
        end = self.buffer.find(b"\n") + 1
        if not end:
            if len(self.buffer) > limit:
                self._skipping_line = True
                # Keeps a final CR, which may be the first half of CRLF.
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
        """Wait for more input.

        Raises ConnectionClosed if no more can arrive, or the exception passed to `interrupt`.
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
        """Raise `reason` in the call waiting in `more`. Returns False if no call is waiting."""
        if self._waiter is None or self._waiter.done():
            return False
        self._waiter.set_exception(reason)
        return True

    async def discard(self, seconds: float) -> None:
        """Discard all input until the peer stops sending, for at most `seconds`."""
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
