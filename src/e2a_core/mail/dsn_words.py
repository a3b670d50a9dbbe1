"""Delivery reports without a machine-readable part: those of qmail, and of servers that name only the recipients."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from itertools import islice

from e2a_core.mail.mime import Part

__all__ = ["qsbmf_failures", "text_of", "words_about"]

MAX_TEXT_BYTES = 64 * 1024
"""Text of a notification in words; it is short unless a copy of the message follows."""
MAX_DIAGNOSTIC_CHARS = 400
"""Words kept about one recipient."""
MAX_PARAGRAPHS = 1000
"""Paragraphs read; each names one recipient, and there are never so many."""

_EMPTY_LINES = re.compile(r"\n(?:[ \t]*\n)+")
_QSBMF_START = "Hi. This is the"
_QSBMF_RECIPIENT = re.compile(r"<([^<>\n]{1,320})>:[ \t]*(?:\n(.*))?\Z", re.DOTALL)


def text_of(raw: bytes, leaves: Sequence[Part]) -> str:
    """The text of the first parts, with the text of a returned message if it follows in the same part."""
    parts = (leaf for leaf in leaves if leaf.content_type.startswith("text/"))
    return "\n".join(leaf.text(raw, MAX_TEXT_BYTES) for leaf in islice(parts, 3))


def words_about(addresses: Iterable[str], text: str) -> list[tuple[str, str]]:
    """Each address, with what the words below it in the text say about it."""
    lowered = text.lower()
    found = []
    for address in addresses:
        at = lowered.find(address.lower())
        start = at + len(address)
        words = " ".join(text[start : start + MAX_DIAGNOSTIC_CHARS].split()) if at >= 0 else ""
        found.append((address, words))
    return found


def qsbmf_failures(text: str) -> list[tuple[str, str]]:
    """The failed recipients of a bounce of qmail and its reasons; empty for other text.

    Its format is QSBMF (https://cr.yp.to/proto/qsbmf.txt): a first paragraph with fixed words, one for each recipient,
    and one that begins with a hyphen before the returned message.
    """
    text = text.replace("\r\n", "\n").lstrip()
    if not text.startswith(_QSBMF_START):
        return []
    found = []
    for paragraph in _EMPTY_LINES.split(text, MAX_PARAGRAPHS)[1 : MAX_PARAGRAPHS + 1]:
        if paragraph.startswith("-"):
            break
        if named := _QSBMF_RECIPIENT.match(paragraph):
            found.append((named[1].strip(), " ".join((named[2] or "")[:MAX_DIAGNOSTIC_CHARS].split())))
    return found
