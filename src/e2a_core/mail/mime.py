"""Lists the leaves of the MIME tree (RFC 2045, 2046) in document order.

A part refers to a range of the raw octets; content is copied only on request. Caps on depth, parts and boundary
candidates bound the work to a few passes over the octets.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from e2a_core.mail.charsets import decode_bytes
from e2a_core.mail.headers import Headers, decode_base64, decode_quoted_printable, parse_headers
from e2a_core.mail.parameters import parse_parameters

__all__ = ["MAX_DEPTH", "MAX_PARTS", "Part", "mime_leaves"]

MAX_DEPTH = 32
"""Nested multiparts; ordinary mail has fewer than 8 levels."""
MAX_PARTS = 1000
"""Parts read from one message; later parts are ignored."""
MAX_BOUNDARY_CANDIDATES = 20_000
"""Lines examined that begin like a delimiter."""
MAX_PART_FIELDS = 100
"""Header fields read from one part; ordinary parts have about five."""
SAMPLE_OCTETS = 64 * 1024
"""Octets that show whether a body is base64."""
MAX_BOUNDARY_CHARS = 200
"""RFC 2046 section 5.1.1 allows 70; some senders exceed it."""

_MEDIA_TYPE = re.compile(r"[a-z0-9!#$&^_.+-]+/[a-z0-9!#$&^_.+-]+\Z")


@dataclass(frozen=True, slots=True)
class Part:
    """A leaf of the MIME tree. `raw[start:end]` is its encoded body.

    `containers` are the enclosing multipart subtypes, outermost first, each with a number unique in the message.
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

    @property
    def is_message(self) -> bool:
        return self.content_type in {"message/rfc822", "message/global"}

    def content(self, raw: bytes) -> bytes:
        """The body with its transfer encoding decoded; a body with an unknown encoding is returned unchanged."""
        body = raw[self.start : self.end]
        encoding = self._encoding()
        if encoding == "base64":
            return decode_base64(body)
        if encoding == "quoted-printable":
            return decode_quoted_printable(body)
        return body

    def _encoding(self) -> str:
        return self.headers.get("content-transfer-encoding").partition(";")[0].strip().lower()

    def text(self, raw: bytes, limit: int | None = None) -> str:
        """The body as text, from at most `limit` decoded octets.

        Plain text wrongly labelled as base64, which some programs send, is returned as it is.
        """
        body, data = raw[self.start : self.end], self.content(raw)
        if self._encoding() == "base64" and _only_claims_base64(body[:SAMPLE_OCTETS], data[:SAMPLE_OCTETS]):
            data = body
        return decode_bytes(data if limit is None else data[:limit], self.parameters.get("charset"))


_NOT_BASE64 = re.compile(rb"[^A-Za-z0-9+/=\s]")
_NOT_TEXT = re.compile(rb"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")


def _only_claims_base64(body: bytes, decoded: bytes) -> bool:
    return bool(_NOT_BASE64.search(body) and _NOT_TEXT.search(decoded) and not _NOT_TEXT.search(body))


class _Budget:
    __slots__ = ("candidates", "parts")

    def __init__(self) -> None:
        self.parts = MAX_PARTS
        self.candidates = MAX_BOUNDARY_CANDIDATES


def mime_leaves(raw: bytes, headers: Headers) -> list[Part]:
    """The leaves of the message `raw` with the header section `headers`; always at least one.

    An embedded message is a leaf; parse its content to reach its parts.
    """
    leaves: list[Part] = []
    _collect(raw, headers, len(raw), (), "text/plain", _Budget(), leaves)
    if not leaves:
        leaves.append(_leaf(headers, "text/plain", {}, len(raw), ()))
    return leaves


def _collect(
    raw: bytes,
    headers: Headers,
    end: int,
    containers: tuple[tuple[str, int], ...],
    default_type: str,
    budget: _Budget,
    leaves: list[Part],
) -> None:
    budget.parts -= 1
    content_type, parameters = _media_type(headers, default_type)
    if content_type.startswith("multipart/"):
        if len(containers) >= MAX_DEPTH:
            return
        spans = _body_parts(raw, headers.body_offset, end, parameters.get("boundary", ""), budget)
        if spans:
            inside = (*containers, (content_type[10:], budget.parts))
            default = "message/rfc822" if content_type == "multipart/digest" else "text/plain"
            for start, stop in spans:
                if budget.parts <= 0:
                    return
                part_headers = parse_headers(raw, start, stop, max_fields=MAX_PART_FIELDS)
                _collect(raw, part_headers, stop, inside, default, budget, leaves)
            return
        # A multipart without delimiters has no parts, so its content is shown as text.
        content_type, parameters = "text/plain", {}
    leaves.append(_leaf(headers, content_type, parameters, end, containers))


def _leaf(
    headers: Headers,
    content_type: str,
    parameters: dict[str, str],
    end: int,
    containers: tuple[tuple[str, int], ...],
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


def _body_parts(raw: bytes, start: int, end: int, boundary: str, budget: _Budget) -> list[tuple[int, int]]:
    """(start, end) of each body part between the delimiter lines (RFC 2046 section 5.1.1).

    A last part without a closing delimiter extends to `end`.
    """
    boundary = boundary.rstrip()
    if not boundary or len(boundary) > MAX_BOUNDARY_CHARS:
        return []
    delimiter = b"--" + boundary.encode("utf-8", "replace")
    spans: list[tuple[int, int]] = []
    opened: int | None = None
    position = _next_line_starting(raw, delimiter, start, end)
    while position >= 0:
        if budget.candidates <= 0 or len(spans) >= budget.parts:
            return spans
        budget.candidates -= 1
        newline = raw.find(b"\n", position, end)
        line_end = end if newline < 0 else newline + 1
        rest = raw[position + len(delimiter) : line_end].rstrip(b" \t\r\n")
        if rest in (b"", b"--"):
            if opened is not None:
                spans.append((opened, _before_line_end(raw, opened, position)))
            opened = line_end
            if rest:
                return spans
        position = _next_line_starting(raw, delimiter, line_end, end)
    if opened is not None and opened < end:
        spans.append((opened, end))
    return spans


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
