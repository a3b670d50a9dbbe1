"""Splits the header section of a message or MIME part into fields (RFC 5322 section 2.2).

Accepts any octets without raising. The section ends at its first empty line. If that line is missing, it ends at the
first line that can be no field, as other readers do, unless fields that the section still lacks follow: then the line
is stray, and skipping it keeps it from hiding them. Input without any field is all body.
"""

from __future__ import annotations

import binascii
import re
import string
from collections.abc import Collection, Iterator

from e2a_core.mail.charsets import clean_line, decode_bytes, is_plain_ascii, named_charset

__all__ = [
    "MAX_HEADER_BYTES",
    "MAX_HEADER_FIELDS",
    "MAX_HEADER_LINES",
    "Headers",
    "decode_base64",
    "decode_quoted_printable",
    "decode_words",
    "header_section_end",
    "is_header_text",
    "parse_headers",
]

MAX_HEADER_FIELDS = 1000
"""Ordinary mail has fewer than 200 fields; the cap bounds the cost of parsing."""
MAX_HEADER_BYTES = 256 * 1024
"""Large mail servers refuse header sections above 64 to 128 KiB."""
MAX_HEADER_LINES = 10_000
"""A list of some thousand recipients takes one line for each."""

_FIELD = re.compile(rb"(?!<)([!-9;-~]++)[ \t]*+:(?!//)([^\n]*+(?:\n[ \t][^\n]*+)*+)(?:\n|\Z)")
"""RFC 5322 section 2.2; blanks before the colon are obsolete syntax (section 4.5) and accepted.

A line of HTML or a URL can have the same form, but no field begins like them.
"""
_EXPECTED = re.compile(
    rb"^(from|to|subject|date|message-id|mime-version|content-type|content-transfer-encoding|received)[ \t]*+:(?!//)",
    re.IGNORECASE | re.MULTILINE,
)
"""Fields of nearly every message. One that the section still lacks shows that it goes on below a stray line."""
_ENCODED_WORD = re.compile(r"=\?([^?\s*]*)(?:\*[^?\s]*)?\?([bBqQ])\?([^?]*)\?=")
_ENCODED_RUN = re.compile(r"=\?[^?\s]+\?[bBqQ]\?[^?]*+\?=(?:[ \t\r\n]*+=\?[^?\s]+\?[bBqQ]\?[^?]*+\?=)*+")
_SOFT_BREAK_BLANKS = re.compile(rb"=[ \t]++(?=\r?\n)")
_PIECE_OCTETS = 256 * 1024
"""Octets decoded in one step; a thread that decodes holds up the event loop for that long."""
_NOT_BASE64 = bytes(set(range(256)) - set(string.ascii_letters.encode() + string.digits.encode() + b"+/"))


class Headers:
    """The fields of a header section in order, with look-up by case-insensitive name.

    `oversized` is True if a cap cut the section short. `complete` is False then, and also if a second From may stand
    below a missing empty line: conditions on all fields, such as "exactly one From", cannot be decided. `body_offset`
    is the offset of the body in the parsed octets.
    """

    __slots__ = ("_by_name", "_fields", "body_offset", "complete", "oversized")

    def __init__(
        self,
        fields: list[tuple[str, str]],
        body_offset: int,
        *,
        oversized: bool = False,
        doubtful: bool = False,
    ) -> None:
        self._fields = fields
        self.body_offset = body_offset
        self.oversized = oversized
        self.complete = not (oversized or doubtful)
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

    def has_any(self, names: Collection[str]) -> bool:
        """Whether there is a field of one of `names`, which are in lower case."""
        return not self._by_name.keys().isdisjoint(names)

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
    fields: list[tuple[str, bytes]] = []
    position = resumed = start
    lines = MAX_HEADER_LINES
    while position < cap:
        match = _FIELD.match(raw, position, cap)
        if match is not None:
            lines -= 1 + match[2].count(b"\n")
            if len(fields) >= max_fields or lines < 0 or (match.end() == cap < limit):
                return Headers(_decoded(fields, raw), _body_after_cut(raw, position, limit), oversized=True)
            fields.append((match[1].decode("ascii"), match[2]))
            position = match.end()
            continue
        if raw.startswith((b"\n", b"\r\n"), position):
            return Headers(_decoded(fields, raw), raw.index(b"\n", position) + 1)
        if position >= resumed:
            resumed = _expected_below(raw, position, cap, fields)
            if resumed < 0:
                doubtful = _from_below(raw, position, cap)
                return Headers(_decoded(fields, raw), position, doubtful=doubtful)
        position = _next_line(raw, position, cap)
    if position < limit:
        return Headers(_decoded(fields, raw), _body_after_cut(raw, position, limit), oversized=True)
    return Headers(_decoded(fields, raw), limit if fields else start)


def _expected_below(raw: bytes, position: int, cap: int, fields: list[tuple[str, bytes]]) -> int:
    """The offset of an expected field above the next empty line that `fields` lacks; -1 if there is none.

    Each call that finds one adds a name to the section, so all calls together stay linear.
    """
    present = {name.lower() for name, _ in fields}
    stop = _empty_line_after(raw, position, cap)
    found = _EXPECTED.finditer(raw, position, stop)
    return next((match.start() for match in found if match[1].decode("ascii").lower() not in present), -1)


def _from_below(raw: bytes, position: int, cap: int) -> bool:
    stop = _empty_line_after(raw, position, cap)
    return any(match[1].lower() == b"from" for match in _EXPECTED.finditer(raw, position, stop))


def _empty_line_after(raw: bytes, position: int, cap: int) -> int:
    with_return = raw.find(b"\n\r\n", position, cap)
    plain = raw.find(b"\n\n", position, cap if with_return < 0 else with_return + 1)
    found = with_return if plain < 0 else plain
    return cap if found < 0 else found + 1


def _next_line(raw: bytes, position: int, limit: int) -> int:
    newline = raw.find(b"\n", position, limit)
    return limit if newline < 0 else newline + 1


def _body_after_cut(raw: bytes, position: int, limit: int) -> int:
    """The offset after the next empty line; searched with `find`, which is fast in megabytes of further fields."""
    found = [at + len(line) for line in (b"\n\n", b"\n\r\n") if (at := raw.find(line, position, limit)) >= 0]
    return min(found, default=limit)


def header_section_end(raw: bytes) -> int:
    """The offset of the first empty line of `raw`, at most `MAX_HEADER_BYTES`: no reader finds fields below it."""
    if raw.startswith((b"\n", b"\r\n")):
        return 0
    cap = min(len(raw), MAX_HEADER_BYTES)
    return _empty_line_after(raw, 0, cap)


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
        kept = data.translate(None, _NOT_BASE64)
        kept = kept[: len(kept) - 1] if len(kept) % 4 == 1 else kept
        return binascii.a2b_base64(kept + b"=" * (-len(kept) % 4))


def decode_quoted_printable(data: bytes) -> bytes:
    """Decode quoted-printable tolerantly: ignores blanks that a relay put after a soft line break."""
    pieces, start = [], 0
    while start < len(data):
        stop = _cut(data, start)
        piece = data[start:stop]
        if b"= " in piece or b"=\t" in piece:
            piece = _SOFT_BREAK_BLANKS.sub(b"=", piece)
        pieces.append(binascii.a2b_qp(piece))
        start = stop
    return b"".join(pieces)


def _cut(data: bytes, start: int) -> int:
    """The end of the piece that begins at `start`: after a line, or before an escape in a line of megabytes."""
    limit = start + 2 * _PIECE_OCTETS
    if limit >= len(data):
        return len(data)
    stop = data.rfind(b"\n", start, limit) + 1
    if stop:
        return stop
    escape = data.find(b"=", limit - 2, limit)
    return limit if escape < 0 else escape


def _decoded(fields: list[tuple[str, bytes]], message: bytes) -> list[tuple[str, str]]:
    unfolded = [(name, _unfold(value)) for name, value in fields]
    if is_plain_ascii(b"".join([value for _, value in unfolded])):
        return [(name, value.decode("ascii").strip(" \t")) for name, value in unfolded]
    other = None if all(map(_is_utf8, unfolded)) else named_charset(message)
    return [(name, decode_bytes(value, other=other).strip(" \t")) for name, value in unfolded]


def _is_utf8(field: tuple[str, bytes]) -> bool:
    if field[1].isascii():
        return True
    try:
        field[1].decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True


def _unfold(value: bytes) -> bytes:
    if b"\n" in value or b"\r" in value:
        return value.replace(b"\r\n", b"").replace(b"\n", b"").replace(b"\r", b" ")
    return value
