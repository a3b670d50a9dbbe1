"""Parses `value; name=parameter` fields (RFC 2045 section 5.1, RFC 2183) with RFC 2231 continuations and charsets."""

from __future__ import annotations

import re
from itertools import islice
from urllib.parse import unquote_to_bytes

from e2a_core.mail.charsets import clean_line, decode_bytes
from e2a_core.mail.headers import decode_words

__all__ = ["MAX_FIELD_CHARS", "MAX_PARAMETERS", "parse_parameters"]

MAX_FIELD_CHARS = 16 * 1024
"""Longer fields are cut; the longest file names in ordinary mail need about 2 KiB."""

MAX_PARAMETERS = 100
"""Parameters read from one field; a long file name split into sections takes about a dozen."""

_PARAMETER = re.compile(r';\s*+([^\s=;"]++)\s*+=\s*+(?:"((?:[^"\\]|\\.)*+)(?:"|\Z)|([^;]*+))', re.DOTALL)
"""A quoted value without a closing quote extends to the end, which keeps the search linear."""
_SECTION = re.compile(r"(.+?)(?:\*(\d{1,3}))?(\*)?\Z")
_QUOTED_PAIR = re.compile(r"\\(.)", re.DOTALL)


def parse_parameters(field: str) -> tuple[str, dict[str, str]]:
    """The leading value in lower case without comments, and the decoded parameters by lower-case name.

    The first of duplicate parameters wins; RFC 2231 forms take precedence over plain ones.
    """
    field = field[:MAX_FIELD_CHARS]
    value = field.partition(";")[0].partition("(")[0].strip().lower()
    if ";" not in field:
        return value, {}
    plain: dict[str, str] = {}
    sections: dict[str, dict[int, tuple[bool, str]]] = {}
    for match in islice(_PARAMETER.finditer(field), MAX_PARAMETERS):
        text = match[3].strip() if match[2] is None else _QUOTED_PAIR.sub(r"\1", match[2])
        if match[2] is None and text.endswith(")") and " (" in text:
            text = text[: text.rindex(" (")].rstrip()
        name, number, extended = _section(match[1].lower())
        if number is None and not extended:
            # File names often contain encoded words although RFC 2047 forbids them here; a boundary may look like one.
            plain.setdefault(name, decode_words(text) if name in {"filename", "name"} else clean_line(text))
        else:
            sections.setdefault(name, {}).setdefault(number or 0, (extended, text))
    for name, parts in sections.items():
        plain[name] = _join(parts)
    return value, plain


def _section(name: str) -> tuple[str, int | None, bool]:
    match = _SECTION.match(name)
    if match is None:
        return name, None, False
    return match[1], int(match[2]) if match[2] else None, bool(match[3])


def _join(parts: dict[int, tuple[bool, str]]) -> str:
    """Join the sections in numerical order up to the first gap; section 0 names the charset (RFC 2231 section 4.1)."""
    charset: str | None = None
    data = bytearray()
    for number in range(len(parts)):
        if number not in parts:
            break
        extended, text = parts[number]
        if extended and number == 0 and text.count("'") >= 2:
            charset, _, text = text.split("'", 2)
        data += unquote_to_bytes(text) if extended else text.encode("utf-8", "replace")
    return clean_line(decode_bytes(bytes(data), charset))
