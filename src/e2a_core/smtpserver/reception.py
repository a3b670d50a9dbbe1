"""Receives the data of one message within limits of size, time and memory."""

from __future__ import annotations

import asyncio
import logging
from types import TracebackType
from typing import Self

from e2a_core.smtpserver.connection import HangUp, SmtpConnection
from e2a_core.smtpserver.data import BareNewline, DataScanner, unstuff

__all__ = ["DataRefused", "IncomingMessage"]

_TOO_BIG = "552 5.3.4 message exceeds the size limit"
_NO_ROOM = "452 4.3.1 too much mail is arriving at once, try again later"
_SMUGGLING = "550 5.6.11 bare CR or LF in the message (RFC 5321 section 2.3.8)"

_log = logging.getLogger(__name__)


class DataRefused(Exception):
    """The message was read to its end and discarded; `reply` gives the reason."""

    def __init__(self, reply: str) -> None:
        super().__init__(reply)
        self.reply = reply


class IncomingMessage:
    """The message that follows the reply 354. A context manager: its memory is counted until the block ends."""

    def __init__(self, connection: SmtpConnection) -> None:
        self._connection = connection
        self._limits = connection.limits
        self._memory = connection.context.memory
        self._held = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None
    ) -> None:
        self._hold(0)

    async def read(self) -> bytes:
        """Read the message; returns its content without terminator and dot stuffing.

        Raises DataRefused if the message is too big or memory is short, HangUp if it contains a bare CR or LF or
        exceeds the limit for discarding, and ConnectionClosed if the peer disconnects.
        """
        connection, buffer = self._connection, self._connection.input.buffer
        scanner = DataScanner()
        latest = connection.loop.time() + self._limits.data_total_seconds
        refusal: str | None = None
        discarded = 0
        while (end := self._scan(scanner, buffer)) is None:
            if refusal is None:
                self._hold(len(buffer))
                refusal = self._excess()
            if refusal is not None:
                self._hold(0)
                discarded += scanner.trim(buffer)
                if discarded > self._limits.discard_octets:
                    self._count(refusal)
                    raise HangUp(refusal)
            connection.deadline.set(min(self._limits.data_seconds, latest - connection.loop.time()))
            await connection.input.more()
        content = b"" if refusal else await _unstuffed(buffer, end)
        del buffer[:end]
        if len(content) > self._limits.message_octets:
            refusal = _TOO_BIG
        if refusal is not None:
            self._count(refusal)
            raise DataRefused(refusal)
        self._hold(len(content))
        return content

    def _scan(self, scanner: DataScanner, buffer: bytearray) -> int | None:
        try:
            return scanner.scan(buffer)
        except BareNewline:
            self._connection.counters.refused_smuggling += 1
            _log.warning("bare CR or LF in message data from %s", self._connection.peer.ip)
            raise HangUp(_SMUGGLING) from None

    def _excess(self) -> str | None:
        if self._held > self._limits.raw_octets:
            return _TOO_BIG
        return _NO_ROOM if self._memory.exhausted else None

    def _count(self, refusal: str) -> None:
        counters = self._connection.counters
        if refusal == _TOO_BIG:
            counters.refused_size += 1
        else:
            counters.tempfail += 1

    def _hold(self, octets: int) -> None:
        self._memory.hold(octets - self._held)
        self._held = octets


async def _unstuffed(buffer: bytearray, end: int) -> bytes:
    pieces: list[bytes] = []
    for piece in unstuff(buffer, end):
        if pieces:
            await asyncio.sleep(0)
        pieces.append(piece)
    return b"".join(pieces)
