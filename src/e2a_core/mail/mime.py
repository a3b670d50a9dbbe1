"""Lists the leaves of the MIME tree (RFC 2045, 2046) in document order.

A part refers to a range of the raw octets; content is copied only on request. Containers that are not multiparts
(`containers`) are opened too, and their parts refer to the octets found inside. Caps on depth, parts and boundary
candidates bound the work to a few passes over the octets; `Leaves.omitted` tells what a cap left out.
"""

from __future__ import annotations

import binascii
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import overload

from e2a_core.mail.charsets import decode_bytes, named_charset
from e2a_core.mail.containers import CONTAINER_KINDS, opened
from e2a_core.mail.headers import Headers, decode_base64, decode_quoted_printable, parse_headers
from e2a_core.mail.parameters import parse_parameters

__all__ = ["MAX_DEPTH", "MAX_PARTS", "Leaves", "Part", "mime_leaves"]

MAX_DEPTH = 32
"""Nested multiparts; ordinary mail has fewer than 8 levels."""
MAX_PARTS = 1000
"""Parts read from one message; ordinary mail has fewer than 50."""
MAX_BOUNDARY_CANDIDATES = 20_000
"""Lines examined that begin like a delimiter."""
MAX_OPENED = 8
"""Signed or compressed contents opened; each is a copy, and one in another is rare."""
MAX_PART_FIELDS = 100
"""Header fields read from one part; ordinary parts have about five."""
SAMPLE_OCTETS = 64 * 1024
"""Octets that show whether a body is base64."""
MAX_BOUNDARY_CHARS = 200
"""RFC 2046 section 5.1.1 allows 70; some senders exceed it."""

_MEDIA_TYPE = re.compile(r"[a-z0-9!#$&^_.+-]+/[a-z0-9!#$&^_.+-]+\Z")
_COMMENT = re.compile(r"\([^()]*+\)")
_NOT_ALPHANUMERIC = re.compile(r"[^a-z0-9]+")
_ENCODINGS = {
    "base64": "base64", "b64": "base64", "xbase64": "base64",
    "quotedprintable": "quoted-printable", "qp": "quoted-printable", "quotedprintible": "quoted-printable",
    "uuencode": "uuencode", "xuuencode": "uuencode", "uue": "uuencode", "xuue": "uuencode", "uuencoded": "uuencode",
}  # fmt: skip
"""What senders write for an encoding, without blanks and punctuation."""
_UNENCODED = frozenset({"", "7bit", "8bit", "binary"})


@dataclass(frozen=True, slots=True)
class Part:
    """A leaf of the MIME tree. `raw[start:end]` is its encoded body, where `raw` is `within` unless that is None.

    `containers` are the enclosing multipart subtypes, outermost first, each with a number unique in the message.
    `unpacked` says that everything inside this leaf follows as parts of their own, `hides_letter` that a letter in it
    does not.
    """

    headers: Headers
    content_type: str
    parameters: dict[str, str]
    disposition: str
    filename: str
    content_id: str | None
    start: int
    end: int
    containers: tuple[tuple[str, int], ...]
    within: bytes | None = None
    unpacked: bool = False
    hides_letter: bool = False

    @property
    def is_message(self) -> bool:
        if self.content_type == "application/octet-stream":
            return self.filename.lower().endswith(".eml")
        return self.content_type in {"message/rfc822", "message/global"}

    @property
    def is_text_of_winmail(self) -> bool:
        """Whether this is the letter in a winmail.dat, which repeats the text beside it if there is some."""
        nameless_text = self.content_type.startswith("text/") and not self.filename
        return nameless_text and any(kind == "tnef" for kind, _ in self.containers)

    def is_inside(self, other: Part) -> bool:
        """Whether the part was found inside `other`, the last leaf before it that is outside."""
        level = len(other.containers)
        return (
            len(self.containers) > level
            and self.containers[:level] == other.containers
            and self.containers[level][0] in CONTAINER_KINDS
        )

    def content(self, raw: bytes) -> bytes:
        """The body with its transfer encoding decoded; a body with an unknown encoding is returned unchanged."""
        return self._decode(self._encoded(raw), self._encoding())

    def _decode(self, body: bytes, encoding: str) -> bytes:
        if encoding == "base64":
            return decode_base64(body)
        if encoding == "quoted-printable":
            return decode_quoted_printable(body)
        return _decode_uu(body) if encoding == "uuencode" else body

    def _encoded(self, raw: bytes) -> bytes:
        return (raw if self.within is None else self.within)[self.start : self.end]

    def _encoding(self) -> str:
        return _transfer_encoding(self.headers)

    def text(self, raw: bytes, limit: int | None = None) -> str:
        """The body as text, from at most `limit` decoded octets.

        Plain text wrongly labelled as base64, which some programs send, is returned as it is.
        """
        body, encoding = self._encoded(raw), self._encoding()
        data = self._decode(body, encoding)
        if encoding == "base64" and _only_claims_base64(body[:SAMPLE_OCTETS], data[:SAMPLE_OCTETS]):
            data = body
        data = data if limit is None else data[:limit]
        label = self.parameters.get("charset")
        other = None if label or data.isascii() else named_charset(raw)
        return decode_bytes(data, label, html=self.content_type == "text/html", other=other)


_NOT_BASE64 = re.compile(rb"[^A-Za-z0-9+/=\s]")
_LINE = re.compile(rb"[^\r\n]*(?:\r\n?|\n)|[^\r\n]+")
_NOT_TEXT = re.compile(rb"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")


def _only_claims_base64(body: bytes, decoded: bytes) -> bool:
    return bool(_NOT_BASE64.search(body) and _NOT_TEXT.search(decoded) and not _NOT_TEXT.search(body))


def _transfer_encoding(headers: Headers) -> str:
    """The encoding that the field means, whatever its quotes, comments and punctuation (RFC 2045 section 6.1)."""
    if headers.get("content-transfer-encoding").lower() in _UNENCODED:
        return ""
    value = _COMMENT.sub("", headers.decoded("content-transfer-encoding")).partition(";")[0].lower()
    return _ENCODINGS.get(_NOT_ALPHANUMERIC.sub("", value), "")


def _decode_uu(body: bytes) -> bytes:
    """The file between `begin` and `end`; a line that is not uuencoded ends it.

    Takes one line at a time, because a list of all lines of a body with short ones is many times its size.
    """
    start = next((found.end() for found in _LINE.finditer(body) if found[0].startswith(b"begin ")), 0)
    data = bytearray()
    for found in _LINE.finditer(body, start):
        line = found[0].rstrip(b"\r\n")
        if not line or line.strip() == b"end":
            break
        try:
            data += binascii.a2b_uu(line)
        except binascii.Error:
            # Some encoders leave out or add trailing blanks; the first character has the count of octets.
            octets = (line[0] - 32) & 63
            try:
                data += binascii.a2b_uu(line[: 1 + (octets * 4 + 2) // 3].ljust(1 + (octets + 2) // 3 * 4))
            except binascii.Error:
                break
    return bytes(data)


@dataclass(frozen=True, slots=True)
class Leaves(Sequence[Part]):
    """The leaves of a message in document order. `omitted` has a sentence for each cap that left something out.

    `complete` is False if octets of the message are in none of the leaves.
    """

    parts: tuple[Part, ...]
    omitted: tuple[str, ...] = ()
    complete: bool = True

    @overload
    def __getitem__(self, index: int) -> Part: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[Part]: ...
    def __getitem__(self, index: int | slice) -> Part | Sequence[Part]:
        return self.parts[index]

    def __len__(self) -> int:
        return len(self.parts)

    def __iter__(self) -> Iterator[Part]:
        return iter(self.parts)


def mime_leaves(raw: bytes, headers: Headers) -> Leaves:
    """The leaves of the message `raw` with the header section `headers`; always at least one.

    An embedded message is a leaf; parse its content to reach its parts. What is too deep is one leaf, unread.
    """
    walk = _Walk()
    walk.collect(_Entity(raw, None, headers, len(raw), "text/plain"), ())
    if not walk.leaves:
        walk.leaves.append(_leaf(headers, "text/plain", {}, len(raw), ()))
    return Leaves(tuple(walk.leaves), tuple(walk.omitted), walk.complete)


@dataclass(frozen=True, slots=True)
class _Entity:
    """A header section with its body, which ends at `end` of `raw`; `within` is as in `Part`."""

    raw: bytes
    within: bytes | None
    headers: Headers
    end: int
    default_type: str


class _Walk:
    """Collects leaves; counts down what is left of each cap, so that all containers share it."""

    def __init__(self) -> None:
        self.leaves: list[Part] = []
        self.omitted: dict[str, None] = {}
        self.complete = True
        self._parts = MAX_PARTS
        self._candidates = MAX_BOUNDARY_CANDIDATES
        self._opened = MAX_OPENED

    def collect(self, entity: _Entity, containers: tuple[tuple[str, int], ...]) -> None:
        self._parts -= 1
        content_type, parameters = _media_type(entity.headers, entity.default_type)
        if content_type.startswith("multipart/"):
            if len(containers) >= MAX_DEPTH:
                self.omitted[f"parts nested deeper than {MAX_DEPTH} levels are one attachment"] = None
                content_type = "application/octet-stream"
            elif self._multipart(entity, content_type, parameters, containers):
                return
            else:
                # A multipart without delimiters has no parts, so its content is shown as text.
                content_type, parameters = "text/plain", {}
        leaf = _leaf(entity.headers, content_type, parameters, entity.end, containers, entity.within)
        self.leaves.append(leaf)
        if len(containers) < MAX_DEPTH:
            self._open(entity.raw, leaf)

    def _multipart(
        self,
        entity: _Entity,
        content_type: str,
        parameters: dict[str, str],
        containers: tuple[tuple[str, int], ...],
    ) -> bool:
        """Collect the parts of a multipart; False if it has none."""
        boundary = parameters.get("boundary", "")
        spans = self._spans(entity.raw, entity.headers.body_offset, entity.end, boundary)
        if not spans and _transfer_encoding(entity.headers):
            # RFC 2045 section 6.4 forbids to encode a multipart, but some gateways do.
            whole = _leaf(entity.headers, content_type, parameters, entity.end, (), entity.within)
            content = whole.content(entity.raw)
            entity = _Entity(content, content, entity.headers, len(content), entity.default_type)
            spans = self._spans(content, 0, len(content), boundary)
        inside = (*containers, (content_type[10:], self._parts))
        default = "message/rfc822" if content_type == "multipart/digest" else "text/plain"
        for start, stop in spans:
            if self._parts <= 0:
                self._omit_parts()
                break
            part_headers = parse_headers(entity.raw, start, stop, max_fields=MAX_PART_FIELDS)
            child, options = _media_type(part_headers, default)
            if child.startswith("multipart/") and options.get("boundary", "") == boundary:
                # Its parts follow as if they were ours, since it was given our boundary.
                inside = (*inside, (child[10:], self._parts))[:MAX_DEPTH]
                self._parts -= 1
                continue
            self.collect(_Entity(entity.raw, entity.within, part_headers, stop, default), inside)
        return bool(spans)

    def _open(self, raw: bytes, leaf: Part) -> None:
        """Collect what is inside a signature or a winmail.dat."""
        inside = opened(leaf.content_type, leaf.filename, lambda: leaf.content(raw))
        self.omitted |= dict.fromkeys(inside.omitted)
        if not inside.entities:
            return
        self._opened -= inside.kind == "smime"
        if self._opened < 0:
            self.omitted[f"signed or compressed parts after the first {MAX_OPENED} are not opened"] = None
            return
        place = len(self.leaves) - 1
        for content in inside.entities:
            if self._parts <= 0:
                self._omit_parts()
                return
            inner = parse_headers(content, max_fields=MAX_PART_FIELDS)
            containers = (*leaf.containers, (inside.kind, self._parts))
            self.collect(_Entity(content, content, inner, len(content), "text/plain"), containers)
        unpacked = inside.complete and self.complete
        self.leaves[place] = replace(leaf, unpacked=unpacked, hides_letter=inside.hides_letter)

    def _spans(self, raw: bytes, start: int, end: int, boundary: str) -> list[tuple[int, int]]:
        """(start, end) of each body part between the delimiter lines (RFC 2046 section 5.1.1).

        A last part without a closing delimiter extends to `end`.
        """
        boundary = boundary.rstrip()
        if not boundary or len(boundary) > MAX_BOUNDARY_CHARS:
            return []
        delimiter = b"--" + boundary.encode("utf-8", "replace")
        spans: list[tuple[int, int]] = []
        opened_at: int | None = None
        position = _next_line_starting(raw, delimiter, start, end)
        while position >= 0:
            if self._candidates <= 0 or len(spans) >= self._parts:
                self._omit_parts()
                return spans
            self._candidates -= 1
            newline = raw.find(b"\n", position, end)
            line_end = end if newline < 0 else newline + 1
            rest = raw[position + len(delimiter) : line_end].rstrip(b" \t\r\n")
            if rest in (b"", b"--"):
                if opened_at is not None:
                    spans.append((opened_at, _before_line_end(raw, opened_at, position)))
                # Parts may follow the closing delimiter of an inner multipart with the same boundary.
                opened_at = None if rest else line_end
            position = _next_line_starting(raw, delimiter, line_end, end)
        if opened_at is not None and opened_at < end:
            spans.append((opened_at, end))
        return spans

    def _omit_parts(self) -> None:
        self.omitted[f"parts after the first {MAX_PARTS} are not listed"] = None
        self.complete = False


def _leaf(
    headers: Headers,
    content_type: str,
    parameters: dict[str, str],
    end: int,
    containers: tuple[tuple[str, int], ...],
    within: bytes | None = None,
) -> Part:
    disposition, options = parse_parameters(headers.get("content-disposition"))
    filename = options.get("filename") or parameters.get("name", "")
    content_id = headers.decoded("content-id").strip("<> \t") or None
    start = min(headers.body_offset, end)
    return Part(
        headers,
        content_type,
        parameters,
        disposition,
        _base_name(filename),
        content_id,
        start,
        end,
        containers,
        within,
    )


def _media_type(headers: Headers, default: str) -> tuple[str, dict[str, str]]:
    """The media type and its parameters; a missing Content-Type means `default`, an unreadable one text/plain."""
    field = headers.get("content-type")
    if not field:
        return default, {}
    content_type, parameters = parse_parameters(field)
    if content_type == "text":
        content_type = "text/plain"
    return (content_type, parameters) if _MEDIA_TYPE.match(content_type) else ("text/plain", parameters)


def _base_name(filename: str) -> str:
    """The last path component, so that a sender cannot choose a directory."""
    return filename.replace("\\", "/").rpartition("/")[2].strip()


def _next_line_starting(raw: bytes, prefix: bytes, start: int, end: int) -> int:
    if raw.startswith(prefix, start, end):
        return start
    found = raw.find(b"\n" + prefix, start, end)
    return found + 1 if found >= 0 else -1


def _before_line_end(raw: bytes, start: int, position: int) -> int:
    """`position` without the line end before it, which belongs to the delimiter (RFC 2046 section 5.1.1)."""
    if position > start and raw[position - 1 : position] == b"\n":
        position -= 1
        if position > start and raw[position - 1 : position] == b"\r":
            position -= 1
    return position
