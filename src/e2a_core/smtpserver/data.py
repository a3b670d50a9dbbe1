"""Finds the end of mail data, rejects bare CR and LF, and removes dot stuffing.

A message ends only at CRLF.CRLF. A server that also accepts, for example, LF.CRLF allows SMTP smuggling: the author
of a body can insert a second message that bypasses the first server's checks. A server that stores bare CR or LF
exposes the next server to the same attack. So a CR or LF outside CRLF ends the session (RFC 5321 section 2.3.8).
"""

from __future__ import annotations

from collections.abc import Iterator

__all__ = ["BareNewline", "DataScanner", "unstuff"]

PIECE_OCTETS = 256 * 1024
"""Takes a few milliseconds even if every line is stuffed."""

_END = b"\r\n.\r\n"
_EMPTY = b".\r\n"


class BareNewline(Exception):
    """A CR or LF that is not part of CRLF."""


class DataScanner:
    """Scans for the end of one message in a buffer that grows at its end and may be trimmed at its start.

    Examines every octet a constant number of times, even if the peer sends single octets.
    """

    __slots__ = ("_at_start", "_checked")

    def __init__(self) -> None:
        self._checked = 0
        self._at_start = True

    def scan(self, buffer: bytearray) -> int | None:
        """The index just after the terminator, or None if it has not arrived yet.

        Raises BareNewline for a bare CR or LF before the terminator. Ignores octets after the terminator.
        """
        if self._at_start:
            if len(buffer) < len(_EMPTY):
                self._refuse_bare(buffer, len(buffer))
                return None
            if buffer.startswith(_EMPTY):
                return len(_EMPTY)
            self._at_start = False
        found = buffer.find(_END, max(0, self._checked - len(_END) + 1))
        self._refuse_bare(buffer, len(buffer) if found < 0 else found + len(_END))
        return None if found < 0 else found + len(_END)

    def trim(self, buffer: bytearray) -> int:
        """Drop octets that cannot be part of the terminator; returns their number."""
        surplus = max(0, self._checked - len(_END) + 1)
        del buffer[:surplus]
        self._checked -= surplus
        return surplus

    def _refuse_bare(self, buffer: bytearray, stop: int) -> None:
        if stop and buffer[stop - 1] == 0x0D:
            # Whether this CR is bare depends on the next octet.
            stop -= 1
        start = self._checked
        pairs = buffer.count(b"\r\n", start, stop)
        if buffer.count(b"\n", start, stop) != pairs or buffer.count(b"\r", start, stop) != pairs:
            raise BareNewline
        self._checked = stop


def unstuff(buffer: bytearray, end: int) -> Iterator[bytes]:
    """The message in `buffer` up to `end` (from DataScanner), without the terminator and without dot stuffing.

    Removes the first dot of each line that begins with one (RFC 5321 section 4.5.2). Yields whole lines in pieces, so
    that the caller can do other work between them; the buffer may grow meanwhile.
    """
    end -= len(_EMPTY)
    start = 0
    while start < end:
        stop = buffer.find(b"\n", start + PIECE_OCTETS, end) + 1 or end
        with memoryview(buffer) as view:
            piece = bytes(view[start:stop])
        if piece.startswith(b"."):
            piece = piece[1:]
        yield piece.replace(b"\r\n.", b"\r\n") if b"\r\n." in piece else piece
        start = stop
