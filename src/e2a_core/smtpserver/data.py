"""Mail data on the wire: where it ends, what it must not contain, and dot transparency.

A message ends at CRLF.CRLF and nowhere else. A server that also ends it at, say, LF.CRLF lets whoever writes the
body smuggle a second message past the first server's checks; one that merely stores the stray octet hands the same
trap to the next server. So a CR or LF outside CRLF is an error that ends the session (RFC 5321 section 2.3.8).
"""

from __future__ import annotations

__all__ = ["BareNewline", "DataScanner", "unstuff"]

_END = b"\r\n.\r\n"
_EMPTY = b".\r\n"


class BareNewline(Exception):
    """A CR or LF that is not part of CRLF."""


class DataScanner:
    """Follows one message through a buffer that grows at its end and may be trimmed at its front.

    Every octet is looked at a constant number of times, however finely the peer cuts the stream.
    """

    __slots__ = ("_at_start", "_checked")

    def __init__(self) -> None:
        self._checked = 0
        self._at_start = True

    def scan(self, buffer: bytearray) -> int | None:
        """The index just past the terminator, or None while it has not come.

        Raises BareNewline as soon as one is certain; octets behind the terminator are not looked at.
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
        """Drop what is known to be neither the terminator nor its beginning; returns how many octets that was."""
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


def unstuff(buffer: bytearray, end: int) -> bytes:
    """The message in `buffer` up to `end`, as DataScanner found it, without terminator and stuffed dots.

    RFC 5321 section 4.5.2: the first dot of a line that has more than the dot is deleted.
    """
    with memoryview(buffer) as view:
        content = bytes(view[: end - len(_EMPTY)])
    if content.startswith(b"."):
        content = content[1:]
    return content.replace(b"\r\n.", b"\r\n") if b"\r\n." in content else content
