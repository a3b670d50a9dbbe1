"""Splits the header section of a message or MIME part into fields (RFC 5322 section 2.2).

Accepts any octets without raising. Skips lines that are not fields, so that a stray line cannot hide the fields below
it. Input without any field is all body.
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
"""Ordinary mail has fewer than 200 fields; the cap bounds the cost of parsing."""
MAX_HEADER_BYTES = 256 * 1024
"""Large mail servers refuse header sections above 64 to 128 KiB."""

_FIELD = re.compile(rb"([!-9;-~]+)[ \t]*:([^\n]*(?:\n[ \t][^\n]*)*)(?:\n|\Z)")
"""RFC 5322 section 2.2; blanks before the colon are obsolete syntax (section 4.5) and accepted."""
_ENCODED_WORD = re.compile(r"=\?([^?\s*]*)(?:\*[^?\s]*)?\?([bBqQ])\?([^?]*)\?=")
_ENCODED_RUN = re.compile(r"=\?[^?\s]+\?[bBqQ]\?[^?]*+\?=(?:[ \t\r\n]*+=\?[^?\s]+\?[bBqQ]\?[^?]*+\?=)*+")
_EMPTY_LINE = re.compile(rb"\n\r?\n")
_NOT_BASE64 = re.compile(rb"[^A-Za-z0-9+/]")


class Headers:
    """The fields of a header section in order, with look-up by case-insensitive name.

    `complete` is False if a cap cut the section short; conditions on all fields, such as "exactly one From", cannot
    be decided then. `body_offset` is the offset of the body in the parsed octets.
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
        """Yields (name as written, unfolded value); encoded words stay encoded."""
        return iter(self._fields)

    def __contains__(self, name: str) -> bool:
        return name.lower() in self._by_name

    def get(self, name: str, default: str = "") -> str:
        """The value of the topmost field of that name, unfolded; encoded words stay encoded."""
        values = self._by_name.get(name.lower())
        return values[0] if values else default

    def get_all(self, name: str) -> list[str]:
        """The values of all fields of that name, topmost first."""
        return list(self._by_name.get(name.lower(), ()))

    def decoded(self, name: str) -> str:
        """The value of the topmost field of that name, RFC 2047 decoded, on one line."""
        return decode_words(self.get(name))

    def decoded_items(self) -> tuple[tuple[str, str], ...]:
        return tuple((name, decode_words(value)) for name, value in self._fields)


def parse_headers(
    raw: bytes, start: int = 0, end: int | None = None, *, max_fields: int = MAX_HEADER_FIELDS
) -> Headers:
    """Split the header section of `raw[start:end]` into fields."""
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
    """The offset at which the header section of a message ends: its first empty line, or the end of `raw`."""
    if raw.startswith((b"\n", b"\r\n")):
        return 0
    match = _EMPTY_LINE.search(raw)
    return match.start() + 1 if match else len(raw)


def is_header_text(text: str) -> bool:
    """Whether an unstructured field carries `text` unchanged.

    Readers drop unprintable characters, trim and collapse blanks, and decode anything that looks like an encoded word
    (RFC 2047).
    """
    return text.isprintable() and text == " ".join(text.split()) and "=?" not in text


def decode_words(value: str) -> str:
    """Decode RFC 2047 encoded words; returns text on one line.

    Joins the octets of adjacent words in one charset before decoding, because senders split characters between words.
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
    """Decode base64 tolerantly: ignores foreign octets and text after the padding, and adds missing padding."""
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
    """The offset after the empty line that ends the section; after a cut, more header lines may come before it."""
    if raw.startswith(b"\r\n", position):
        return min(position + 2, limit)
    if raw.startswith(b"\n", position):
        return min(position + 1, limit)
    return _blank_line_end(raw, position, limit, default=limit)


def _blank_line_end(raw: bytes, position: int, limit: int, *, default: int) -> int:
    """The offset after the first empty line from `position`; `default` if there is none.

    Without fields (`default` equals `position`) only an empty line directly at `position` counts.
    """
    if raw.startswith(b"\r\n", position):
        return min(position + 2, limit)
    if raw.startswith(b"\n", position):
        return min(position + 1, limit)
    if default == position:
        return position
    match = _EMPTY_LINE.search(raw, position, limit)
    return match.end() if match else default
