"""Lists what is in winmail.dat, the Transport-Neutral Encapsulation of Outlook and Exchange (MS-OXTNEF).

Each file, and the letter where there is one, becomes a MIME entity. One pass over the octets; no input raises.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from urllib.parse import quote

from e2a_core.mail.charsets import decode_bytes

__all__ = ["Winmail", "read"]

MAX_ATTRIBUTES = 5000
"""Attributes read; a file has about five."""
MAX_FILES = 200
"""Files listed of one winmail.dat."""
MAX_PROPERTIES = 2000
"""Properties read of one file or of the message; Outlook writes about a hundred."""
MAX_VALUES = 1000
"""Values read of one property."""

_SIGNATURE = b"\x78\x9f\x3e\x22"
_HEAD_BYTES = 9
"""Level, identifier and length of an attribute, before its data and a checksum of two octets (section 2.1.3.2)."""
_MESSAGE, _ATTACHMENT = 1, 2

_ATT_MESSAGE_CLASS = 0x00078008
_ATT_BODY = 0x0002800C
_ATT_MESSAGE_PROPERTIES = 0x00069003
_ATT_OEM_CODEPAGE = 0x00069007
_ATT_RENDERING = 0x00069002
"""The first attribute of each file."""
_ATT_TITLE = 0x00018010
_ATT_DATA = 0x0006800F
_ATT_PROPERTIES = 0x00069005

_BODY, _BODY_RTF, _BODY_HTML, _CODEPAGE = 0x1000, 0x1009, 0x1013, 0x3FDE
_DATA, _LONG_NAME, _NAME, _DISPLAY_NAME = 0x3701, 0x3707, 0x3704, 0x3001
_MIME_TYPE, _CONTENT_ID = 0x370E, 0x3712
_OBJECT = 0x000D
_STRING, _UNICODE, _BINARY = 0x001E, 0x001F, 0x0102
_FIXED_BYTES = {
    0x0001: 0, 0x0002: 4, 0x0003: 4, 0x0004: 4, 0x0005: 8, 0x0006: 8, 0x0007: 8, 0x000A: 4, 0x000B: 4, 0x0014: 8,
    0x0040: 8, 0x0048: 16,
}  # fmt: skip
"""Octets of a value of a property type (MS-OXCDATA section 2.11.1), filled up to a multiple of four."""
_MULTIPLE = 0x1000


_LETTERS = frozenset({b"", b"ipm.note", b"ipm.microsoft mail.note"})
"""Classes of ordinary mail; meetings, tasks and contacts have properties that are not read."""


@dataclass(slots=True)
class Winmail:
    """The letter, if there is one, and the files, as MIME entities.

    `complete` says that they are all that is in it, unless `hides_letter`: then its letter is in RTF, which is not
    read. `omitted` has a sentence for each cap that left something out.
    """

    entities: list[bytes] = field(default_factory=list)
    complete: bool = True
    hides_letter: bool = False
    omitted: list[str] = field(default_factory=list)

    def omit(self, sentence: str) -> None:
        self.complete = False
        self.omitted.append(sentence)


@dataclass(slots=True)
class _File:
    title: bytes = b""
    data: bytes = b""
    properties: dict[int, tuple[int, bytes]] = field(default_factory=dict)


def read(data: bytes) -> Winmail:
    """What is in a winmail.dat; nothing if it is none."""
    found = Winmail()
    if not data.startswith(_SIGNATURE):
        return found
    body, charset = b"", "windows-1252"
    properties: dict[int, tuple[int, bytes]] = {}
    files: list[_File] = []
    for level, attribute, value in _attributes(data, found):
        if attribute == _ATT_RENDERING:
            if len(files) >= MAX_FILES:
                found.omit(f"files after the first {MAX_FILES} of winmail.dat are not listed")
                break
            files.append(_File())
        if level == _MESSAGE and attribute == _ATT_MESSAGE_CLASS:
            found.complete = found.complete and value.rstrip(b"\0").lower() in _LETTERS
        elif level == _MESSAGE and attribute == _ATT_OEM_CODEPAGE:
            charset = _charset(int.from_bytes(value[:4], "little"))
        elif level == _MESSAGE and attribute == _ATT_BODY:
            body = value.rstrip(b"\0")
        elif level == _MESSAGE and attribute == _ATT_MESSAGE_PROPERTIES:
            properties = _properties(value)
        elif level == _ATTACHMENT and files and attribute == _ATT_TITLE:
            files[-1].title = value.rstrip(b"\0")
        elif level == _ATTACHMENT and files and attribute == _ATT_DATA:
            files[-1].data = value
        elif level == _ATTACHMENT and files and attribute == _ATT_PROPERTIES:
            files[-1].properties = _properties(value)
    letter = list(_letter(properties, body, charset))
    found.hides_letter = _BODY_RTF in properties and not letter
    found.entities += [*letter, *(_file(item, charset) for item in files)]
    return found


def _letter(properties: dict[int, tuple[int, bytes]], body: bytes, charset: str) -> Iterator[bytes]:
    """Plain text if there is some, else HTML."""
    plain = _text(properties, _BODY, charset) or decode_bytes(body, charset)
    if plain.strip():
        yield b"Content-Type: text/plain; charset=utf-8\r\n\r\n" + plain.encode("utf-8", "replace")
    elif _BODY_HTML in properties:
        kind, html = properties[_BODY_HTML]
        codepage = int.from_bytes(properties.get(_CODEPAGE, (0, b""))[1][:4], "little")
        label = "utf-16le" if kind == _UNICODE else _charset(codepage) if codepage else charset
        yield f"Content-Type: text/html; charset={label}\r\n\r\n".encode("ascii") + html.rstrip(b"\0")


def _file(item: _File, charset: str) -> bytes:
    names = (_text(item.properties, tag, charset) for tag in (_LONG_NAME, _NAME, _DISPLAY_NAME))
    name = next(filter(None, names), "") or decode_bytes(item.title, charset)
    kind, stored = item.properties.get(_DATA, (0, b""))
    data = item.data or stored
    content_type = _text(item.properties, _MIME_TYPE, charset) or "application/octet-stream"
    if kind == _OBJECT:
        # An interface identifier of 16 octets stands before the object; an attached message is TNEF again.
        data = data[16:]
        if data.startswith(_SIGNATURE):
            content_type, name = "application/ms-tnef", f"{name or 'message'}.dat"
    head = [f"Content-Type: {_token(content_type)}"]
    head.append(f"Content-Disposition: attachment; filename*=utf-8''{quote(name, safe='')}")
    if content_id := _text(item.properties, _CONTENT_ID, charset):
        head.append(f"Content-ID: <{_token(content_id)}>")
    return "\r\n".join([*head, "", ""]).encode("ascii", "replace") + data


def _attributes(data: bytes, found: Winmail) -> Iterator[tuple[int, int, bytes]]:
    """(level, identifier, data) of each attribute; the last may be cut. Tells `found` what is missing."""
    position = len(_SIGNATURE) + 2
    for _ in range(MAX_ATTRIBUTES):
        if position + _HEAD_BYTES > len(data):
            found.complete = found.complete and position >= len(data)
            return
        level = data[position]
        attribute = int.from_bytes(data[position + 1 : position + 5], "little")
        length = int.from_bytes(data[position + 5 : position + _HEAD_BYTES], "little")
        position += _HEAD_BYTES
        if level not in (_MESSAGE, _ATTACHMENT):
            found.complete = False
            return
        found.complete = found.complete and position + length <= len(data)
        yield level, attribute, data[position : position + length]
        position += length + 2
    found.omit(f"the rest of winmail.dat after {MAX_ATTRIBUTES} attributes is not read")


def _properties(data: bytes) -> dict[int, tuple[int, bytes]]:
    """(type, first value) of each property by its identifier (section 2.1.3.4), up to the first that is damaged."""
    found: dict[int, tuple[int, bytes]] = {}
    position = 4
    for _ in range(min(int.from_bytes(data[:4], "little"), MAX_PROPERTIES)):
        kind = int.from_bytes(data[position : position + 2], "little")
        tag = int.from_bytes(data[position + 2 : position + 4], "little")
        position += 4
        if tag >= 0x8000:
            position = _after_name(data, position)
        value, position = _value(data, position, kind)
        if position > len(data) or value is None:
            break
        found[tag] = (kind & ~_MULTIPLE, value)
    return found


def _after_name(data: bytes, position: int) -> int:
    """The end of the name of a named property: an identifier of 16 octets, then a number or a text."""
    by_text = int.from_bytes(data[position + 16 : position + 20], "little") == 1
    position += 20
    if not by_text:
        return position + 4
    length = int.from_bytes(data[position : position + 4], "little")
    return position + 4 + _padded(length)


def _value(data: bytes, position: int, kind: int) -> tuple[bytes | None, int]:
    """The first value and the end of a property; None if its type is unknown."""
    base = kind & ~_MULTIPLE
    fixed = _FIXED_BYTES.get(base)
    if fixed is None and base not in (_STRING, _UNICODE, _BINARY, _OBJECT):
        return None, position
    count = 1
    if kind & _MULTIPLE or fixed is None:
        count = min(int.from_bytes(data[position : position + 4], "little"), MAX_VALUES)
        position += 4
    first: bytes | None = b"" if not count else None
    for _ in range(count):
        length = fixed
        if length is None:
            length = int.from_bytes(data[position : position + 4], "little")
            position += 4
        first = data[position : position + length] if first is None else first
        position += _padded(length)
        if position > len(data):
            break
    return first, position


def _text(properties: dict[int, tuple[int, bytes]], tag: int, charset: str) -> str:
    kind, value = properties.get(tag, (0, b""))
    if kind == _UNICODE:
        return value.decode("utf-16-le", "replace").rstrip("\0")
    return decode_bytes(value.rstrip(b"\0"), charset) if kind in (_STRING, _BINARY) else ""


def _padded(length: int) -> int:
    return (length + 3) & ~3


def _charset(codepage: int) -> str:
    """The label of a Windows code page."""
    return (
        "utf-8"
        if codepage == 65001
        else f"cp{codepage}"
        if codepage in (932, 936, 949, 950)
        else f"windows-{codepage}"
    )


def _token(text: str) -> str:
    return "".join(char for char in text if char.isprintable() and char not in " <>;\"'")
