"""The header section of a message or MIME part (RFC 5322 section 2.2), split without judging it.

Nothing here raises on any octets. Lines that are no field are skipped, so that a stray line cannot hide the fields
below it; a section without a single field is no header section and the whole input is body.
"""

from __future__ import annotations

import binascii
import re
from collections.abc import Iterator

from e2a_core.mail.charsets import clean_line, decode_bytes

__all__ = [
    "MAX_HEADER_BYTES",
    "MAX_HEADER_FIELDS",
    "Headers",
    "decode_words",
    "decode_base64",
    "header_section_end",
    "is_header_text",
    "parse_headers",
]

MAX_HEADER_FIELDS = 1000
"""Real mail stays below 200; more is an attempt to make parsing expensive."""
MAX_HEADER_BYTES = 256 * 1024
"""Large mail servers refuse header sections above 64 to 128 KiB."""

# RFC 5322 2.2: printable ASCII but colon; blanks before the colon are obsolete syntax (4.5) and still read.
_FIELD = re.compile(rb"([!-9;-~]+)[ \t]*:([^\n]*(?:\n[ \t][^\n]*)*)(?:\n|\Z)")
_ENCODED_WORD = re.compile(r"=\?([^?\s*]*)(?:\*[^?\s]*)?\?([bBqQ])\?([^?]*)\?=")
_ENCODED_RUN = re.compile(r"=\?[^?\s]+\?[bBqQ]\?[^?]*+\?=(?:[ \t\r\n]*+=\?[^?\s]+\?[bBqQ]\?[^?]*+\?=)*+")
_EMPTY_LINE = re.compile(rb"\n\r?\n")
_NOT_BASE64 = re.compile(rb"[^A-Za-z0-9+/]")


class Headers:
    """Fields in the order of the message, looked up by case-insensitive name.

    `complete` is False when a cap cut the section short: whatever must hold for *all* fields, such as "exactly one
    From", cannot be told then. `body_offset` is where the body starts in the octets that were parsed.
    """

    __slots__ = ("_by_name", "_fields", "body_offset", "complete")

    def __init__(self, fields: list[tuple[str, str]], body_offset: int, complete: bool = True) -> None:
        self._fields = fields
        self.body_offset = body_offset
        self.complete = complete
        by_name: dict[str, list[str]] = {}
        for name, value in fields:
            by_name.setdefault(name.lower(), []).append(value)
        self._by_name = by_name

    def __len__(self) -> int:
        return len(self._fields)

    def __iter__(self) -> Iterator[tuple[str, str]]:
        """(name as written, unfolded value with encoded words as they are)."""
        return iter(self._fields)

    def __contains__(self, name: str) -> bool:
        return name.lower() in self._by_name

    def get(self, name: str, default: str = "") -> str:
        """The first field of that name, unfolded, encoded words untouched."""
        values = self._by_name.get(name.lower())
        return values[0] if values else default

    def get_all(self, name: str) -> list[str]:
        """Every field of that name, topmost first."""
        return list(self._by_name.get(name.lower(), ()))

    def decoded(self, name: str) -> str:
        """The first field of that name for reading: RFC 2047 decoded, on one line."""
        return decode_words(self.get(name))

    def decoded_items(self) -> tuple[tuple[str, str], ...]:
        return tuple((name, decode_words(value)) for name, value in self._fields)


def parse_headers(
    raw: bytes, start: int = 0, end: int | None = None, *, max_fields: int = MAX_HEADER_FIELDS
) -> Headers:
    """Split the header section of `raw[start:end]`; the cheap first step of everything else."""
    limit = len(raw) if end is None else end
    cap = min(limit, start + MAX_HEADER_BYTES)
    fields: list[tuple[str, str]] = []
    complete = True
    position = start
    for field in _field_matches(raw, start, limit):
        if len(fields) >= max_fields or field.end() > cap:
            complete = False
            break
        fields.append((field[1].decode("ascii"), _unfold(field[2])))
        position = field.end()
    if not fields and complete:
        return Headers([], _blank_line_end(raw, start, limit, default=start))
    return Headers(fields, _body_start(raw, position, limit), complete)


def _field_matches(raw: bytes, start: int, limit: int) -> Iterator[re.Match[bytes]]:
    """Name and value of each field up to the empty line."""
    position = start
    while position < limit:
        match = _FIELD.match(raw, position, limit)
        if match is not None:
            yield match
            position = match.end()
        elif raw.startswith((b"\n", b"\r\n"), position):
            return
        else:
            newline = raw.find(b"\n", position, limit)
            position = limit if newline < 0 else newline + 1


def header_section_end(raw: bytes) -> int:
    """Where the header section of a message ends: at its first empty line, or with the octets."""
    if raw.startswith((b"\n", b"\r\n")):
        return 0
    match = _EMPTY_LINE.search(raw)
    return match.start() + 1 if match else len(raw)


def is_header_text(text: str) -> bool:
    """Whether `text` comes out of an unstructured field as it went in.

    Readers drop what is not printable, blanks at the ends and between words all but one, and decode what looks like
    an encoded word (RFC 2047).
    """
    return text.isprintable() and text == " ".join(text.split()) and "=?" not in text


def decode_words(value: str) -> str:
    """RFC 2047 encoded words to text on one line.

    Adjacent words in one charset are joined as octets first, because senders split characters between them.
    """
    if "=?" in value:
        value = _ENCODED_RUN.sub(_decode_run, value)
    return clean_line(value)


def _decode_run(match: re.Match[str]) -> str:
    pieces: list[tuple[str, bytearray]] = []
    for word in _ENCODED_WORD.finditer(match[0]):
        charset, encoding, payload = word[1].lower(), word[2], word[3].encode("utf-8", "replace")
        data = decode_base64(payload) if encoding in "bB" else binascii.a2b_qp(payload, header=True)
        if pieces and pieces[-1][0] == charset:
            pieces[-1][1].extend(data)
        else:
            pieces.append((charset, bytearray(data)))
    return "".join(decode_bytes(bytes(data), charset) for charset, data in pieces)


def decode_base64(data: bytes) -> bytes:
    """Base64 as found in mail: foreign octets ignored, text after the padding ignored, missing padding supplied."""
    try:
        return binascii.a2b_base64(data)
    except binascii.Error:
        kept = _NOT_BASE64.sub(b"", data)
        kept = kept[: len(kept) - 1] if len(kept) % 4 == 1 else kept
        return binascii.a2b_base64(kept + b"=" * (-len(kept) % 4))


def _unfold(value: bytes) -> str:
    if b"\n" in value or b"\r" in value:
        value = value.replace(b"\r\n", b"").replace(b"\n", b"").replace(b"\r", b" ")
    return decode_bytes(value).strip(" \t")


def _body_start(raw: bytes, position: int, limit: int) -> int:
    """After the empty line that ends the section; a cut section may have any number of lines before it."""
    if raw.startswith(b"\r\n", position):
        return min(position + 2, limit)
    if raw.startswith(b"\n", position):
        return min(position + 1, limit)
    return _blank_line_end(raw, position, limit, default=limit)


def _blank_line_end(raw: bytes, position: int, limit: int, *, default: int) -> int:
    """A section that begins with its empty line has no fields; anything else is searched for the first empty line."""
    if raw.startswith(b"\r\n", position):
        return min(position + 2, limit)
    if raw.startswith(b"\n", position):
        return min(position + 1, limit)
    if default == position:
        return position
    match = _EMPTY_LINE.search(raw, position, limit)
    return match.end() if match else default
