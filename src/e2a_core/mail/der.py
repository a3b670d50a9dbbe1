"""Reads the elements of BER and DER (ITU-T X.690), as far as finding the content of a CMS structure needs.

Nothing is copied before it is asked for, and no input makes it raise or take more than linear time.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

__all__ = ["Element", "children", "elements", "octet_string"]

MAX_ELEMENTS = 100_000
"""Elements passed to find the end of one without a length. A signature over 25 MB in chunks of 1 KiB has 25,000."""
MAX_CHILDREN = 64
"""Elements read of one structure. The content of signed data is the third of at most six."""

_CONSTRUCTED = 0x20
_OCTET_STRING = 0x04
_END_OF_CONTENTS = 0


class Element(NamedTuple):
    """One element. Its content is `data[start:end]`; `after` is where the next element begins."""

    data: bytes
    tag: int
    start: int
    end: int
    after: int

    @property
    def octets(self) -> bytes:
        return self.data[self.start : self.end]


class _Head(NamedTuple):
    tag: int
    start: int
    end: int | None
    """None for the indefinite form, in which the content ends at a marker (X.690 section 8.1.3.6)."""


def elements(data: bytes, start: int, end: int) -> Iterator[Element]:
    """The elements in `data[start:end]`, up to the first that is damaged."""
    for _ in range(MAX_CHILDREN):
        head = _head(data, start, end)
        if head is None or head.tag == _END_OF_CONTENTS:
            return
        stop = head.end
        after = stop
        if stop is None:
            stop = _end_of_contents(data, head.start, end)
            after = min(stop + 2, end)
        assert after is not None
        yield Element(data, head.tag, head.start, stop, after)
        start = after


def children(element: Element) -> Iterator[Element]:
    """The elements in a constructed element; none in a primitive one."""
    if element.tag & _CONSTRUCTED:
        yield from elements(element.data, element.start, element.end)


def octet_string(element: Element) -> bytes | None:
    """The octets of the OCTET STRING in `element`, its pieces joined (X.690 section 8.7); None without one."""
    data, position = element.data, element.start
    pieces: list[bytes] = []
    found = False
    while position < element.end:
        head = _head(data, position, element.end)
        if head is None:
            break
        if head.tag & ~_CONSTRUCTED == _OCTET_STRING:
            found = True
            if not head.tag & _CONSTRUCTED:
                assert head.end is not None
                pieces.append(data[head.start : head.end])
        inside = head.tag & _CONSTRUCTED or head.end is None
        position = head.start if inside else head.end or element.end
    return b"".join(pieces) if found else None


def _end_of_contents(data: bytes, position: int, limit: int) -> int:
    """Where the marker stands that ends content of indefinite length; `limit` if it is missing."""
    depth = 1
    for _ in range(MAX_ELEMENTS):
        head = _head(data, position, limit)
        if head is None:
            return limit
        if head.tag == _END_OF_CONTENTS and head.start == head.end:
            depth -= 1
            if not depth:
                return position
        if head.end is None:
            depth += 1
        position = head.start if head.end is None else head.end
    return limit


def _head(data: bytes, position: int, limit: int) -> _Head | None:
    """Tag and length of the element at `position`; an element that goes beyond `limit` ends there."""
    if position + 2 > limit:
        return None
    tag, length = data[position], data[position + 1]
    position += 2
    if tag & 0x1F == 0x1F:  # Tags above 30 do not occur in CMS.
        return None
    if length == 0x80:
        return _Head(tag, position, None) if tag & _CONSTRUCTED else None
    if length > 0x80:
        size = length & 0x7F
        if size > 8 or position + size > limit:
            return None
        length = int.from_bytes(data[position : position + size], "big")
        position += size
    return _Head(tag, position, min(position + length, limit))
