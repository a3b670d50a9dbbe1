"""Which parts of a message are its body, and that body as text (RFC 2046, 3676, 8621 section 4.1.4)."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from e2a_core.mail.html import html_to_text
from e2a_core.mail.mime import Part
from e2a_core.mail.quoting import split_quoted, tidy

__all__ = [
    "MAX_FULL_TEXT_BYTES",
    "MAX_HTML_BYTES",
    "MAX_TEXT_BYTES",
    "Body",
    "WholeText",
    "read_body",
    "truncate_utf8",
]

MAX_TEXT_BYTES = 16_384
"""Text returned by one read of a message; sized for a model's context."""
MAX_HTML_BYTES = 1024 * 1024
"""HTML returned by one read of a message."""
MAX_FULL_TEXT_BYTES = 256 * 1024
"""Text indexed for search; longer than any ordinary message."""
MAX_SOURCE_BYTES = 1024 * 1024
"""Octets decoded of the text parts; later octets would exceed every limit above."""
MAX_BODY_PARTS = 50
"""Text parts joined into one body."""

_FORWARD_SUBJECT = re.compile(
    r"\s*(?:\[[^\]]{1,40}\]\s*)?(?:fwd?|wg|tr|rv|enc|i|vs|vb|pd|转发|轉寄)\s*[:：]", re.IGNORECASE
)


@dataclass(frozen=True, slots=True)
class WholeText:
    """The new and the quoted part of the readable body, for reading in pages; together at most 256 KiB."""

    text: str
    quoted_text: str
    truncated: bool


@dataclass(frozen=True, slots=True)
class Body:
    """The body of a message. `text` is its new part, `quoted_text` the quoted part, `full_text` both."""

    text: str
    quoted_text: str
    html: str | None
    truncated: bool
    full_text: str
    whole: WholeText


def read_body(raw: bytes, leaves: Sequence[Part], subject: str) -> Body:
    """The body of the message with these MIME leaves: its plain text, or text derived from its HTML."""
    plain, html_parts = _shown(leaves, "text/plain"), _shown(leaves, "text/html")
    # A text part with a file name is the body only if the message has no other text.
    letters = [part for part in plain if not part.filename] or ([] if html_parts else plain[:1])
    html_part = next((part for part in html_parts if not part.filename), None)
    if html_part is None and html_parts and not letters:
        html_part = html_parts[0]
    html = truncate_utf8(html_part.text(raw, MAX_HTML_BYTES), MAX_HTML_BYTES)[0] if html_part else None
    full = tidy(_plain_text(raw, letters))
    if not full.strip() and html:
        full = tidy(html_to_text(html))
    full_text, cut = truncate_utf8(full, MAX_FULL_TEXT_BYTES)
    new, quoted = split_quoted(full_text, forwarded=bool(_FORWARD_SUBJECT.match(subject)))
    text, truncated = truncate_utf8(new, MAX_TEXT_BYTES)
    quoted_text, _ = truncate_utf8(quoted, MAX_TEXT_BYTES)
    return Body(text, quoted_text, html, truncated, full_text, WholeText(new, quoted, cut))


def truncate_utf8(text: str, limit: int) -> tuple[str, bool]:
    """`text` cut at a character boundary to at most `limit` octets of UTF-8, and whether it was cut."""
    if len(text) * 4 <= limit:
        return text, False
    data = text.encode("utf-8", "replace")
    if len(data) <= limit:
        return text, False
    return data[:limit].decode("utf-8", "ignore"), True


def _shown(leaves: Sequence[Part], content_type: str) -> list[Part]:
    return [
        leaf
        for leaf in leaves
        if leaf.content_type == content_type and not leaf.disposition.startswith("attachment")
    ]


def _plain_text(raw: bytes, parts: list[Part]) -> str:
    """The first plain part joined with its siblings: Apple Mail splits a body around inline images.

    Siblings in a multipart/alternative are not joined, since they repeat the same content.
    """
    pieces: list[str] = []
    size = 0
    for leaf in _beside_first(parts):
        if size >= MAX_SOURCE_BYTES:
            break
        text = leaf.text(raw, MAX_SOURCE_BYTES - size)
        size += len(text)
        if leaf.parameters.get("format", "").lower() == "flowed":
            text = _unflow(text, delete_space=leaf.parameters.get("delsp", "").lower() == "yes")
        pieces.append(text.strip("\r\n"))
    return "\n\n".join(piece for piece in pieces if piece.strip())


def _beside_first(parts: list[Part]) -> list[Part]:
    """The first part and the later parts in the same multipart/mixed."""
    if not parts:
        return []
    around = [container for container in parts[0].containers if container[0] == "mixed"]
    return [
        parts[0],
        *(part for part in parts[1:MAX_BODY_PARTS] if part.containers and part.containers[-1] in around),
    ]


def _unflow(text: str, *, delete_space: bool) -> str:
    """Join flowed lines (RFC 3676): a line ending in a space continues on the next line of the same quote depth.

    The signature separator `-- ` is never joined.
    """
    result: list[str] = []
    paragraph, depth, flowing = "", 0, False
    for line in text.replace("\r\n", "\n").split("\n"):
        content = line.lstrip(">")
        quotes = len(line) - len(content)
        content = content.removeprefix(" ")
        if flowing and (quotes != depth or content == "-- "):
            result.append(_with_quotes(depth, paragraph))
            paragraph, flowing = "", False
        depth = quotes
        soft = content.endswith(" ") and content != "-- "
        paragraph += content[:-1] if soft and delete_space else content
        flowing = soft
        if not soft:
            result.append(_with_quotes(depth, paragraph))
            paragraph = ""
    if flowing:
        result.append(_with_quotes(depth, paragraph))
    return "\n".join(result)


def _with_quotes(depth: int, paragraph: str) -> str:
    return f"{'>' * depth} {paragraph}" if depth else paragraph
