"""Reads files that are text already: plain text, HTML and whole messages."""

from __future__ import annotations

from collections.abc import Iterator

from e2a_core.documents.document import MAX_TEXT, DocumentText, Kind, Outcome
from e2a_core.mail.charsets import decode_bytes
from e2a_core.mail.html import html_to_text
from e2a_core.mail.parse import parse_message

__all__ = ["plain_text"]

_MAX_OCTETS = 4 * MAX_TEXT
"""A character takes at most four octets in the charsets of mail but UTF-7, which is not read."""


def plain_text(kind: Kind, data: bytes, charset: str | None) -> DocumentText:
    """The text of a file of a kind that is text. `charset` is what the sender declared."""
    if kind is Kind.MESSAGE:
        text, cut = "\n".join(_message(data)), False
    else:
        text, cut = decode_bytes(data[:_MAX_OCTETS], charset or ""), len(data) > _MAX_OCTETS
        text = html_to_text(text) if kind is Kind.HTML else text
    if not text.strip():
        return DocumentText(Outcome.EMPTY)
    return DocumentText(Outcome.TEXT, text[:MAX_TEXT], cut or len(text) > MAX_TEXT)


def _message(data: bytes) -> Iterator[str]:
    parsed = parse_message(data)
    for name in ("From", "To", "Cc", "Date", "Subject"):
        values = [value for field, value in parsed.headers if field.lower() == name.lower()]
        if values:
            yield f"{name}: {', '.join(values)}"
    yield ""
    yield parsed.full_text
    for item in parsed.attachments:
        yield f"[attachment {item.index}: {item.filename or 'unnamed'}, {item.size_bytes} bytes]"
