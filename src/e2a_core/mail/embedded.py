"""Reads the messages attached to a message, and those attached to them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from e2a_core.mail.attachments import Attachment, attachment_parts
from e2a_core.mail.body import read_body, truncate_utf8
from e2a_core.mail.headers import Headers, parse_headers
from e2a_core.mail.mime import mime_leaves
from e2a_core.mail.selection import select

__all__ = ["EmbeddedMessage", "embedded_messages"]

MAX_NESTED = 50
"""Embedded messages listed in the result; the others remain available as attachments."""
MAX_NESTED_LEVELS = 3
"""Messages in messages that are read; the next level is named as an attachment of the last."""
MAX_NESTED_TEXT_BYTES = 64 * 1024
"""Text of all embedded messages together."""


@dataclass(frozen=True, slots=True)
class EmbeddedMessage:
    """An embedded message. `index` is its attachment index.

    `text` is its body, with the messages embedded in it below; `truncated` says that there is more.
    """

    index: int
    headers: Headers
    text: str
    truncated: bool


def embedded_messages(raw: bytes, attachments: Sequence[Attachment]) -> list[EmbeddedMessage]:
    """The messages among the attachments of `raw`."""
    reader = _Reader()
    found = []
    for item in attachments:
        if item.part.is_message and reader.messages > 0:
            content = item.part.content(raw)
            headers = parse_headers(content)
            text, truncated = reader.read(content, headers)
            found.append(EmbeddedMessage(item.index, headers, text, truncated))
    return found


class _Reader:
    """Counts down what is left of each limit, which all embedded messages share."""

    def __init__(self) -> None:
        self.messages = MAX_NESTED
        self._octets = MAX_NESTED_TEXT_BYTES

    def read(self, content: bytes, headers: Headers) -> tuple[str, bool]:
        """The text of a message and of those in it, and whether something was left out."""
        pieces = list(self._pieces(content, headers, 1))
        text, cut = truncate_utf8("\n\n".join(piece for piece, _ in pieces if piece), self._octets)
        self._octets -= len(text.encode("utf-8", "replace"))
        return text, cut or any(truncated for _, truncated in pieces)

    def _pieces(self, content: bytes, headers: Headers, level: int) -> Iterator[tuple[str, bool]]:
        self.messages -= 1
        leaves = mime_leaves(content, headers)
        selection = select(leaves)
        body = read_body(content, selection, headers.decoded("subject"))
        yield body.full_text, body.whole.truncated or bool(leaves.omitted)
        for item in attachment_parts(leaves, selection):
            if not item.part.is_message:
                continue
            if level >= MAX_NESTED_LEVELS or self.messages <= 0:
                yield "", True
                return
            inner = item.part.content(content)
            inner_headers = parse_headers(inner)
            yield f"[attached message: {inner_headers.decoded('subject')}]", False
            yield from self._pieces(inner, inner_headers, level + 1)
