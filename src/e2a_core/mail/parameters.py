"""`value; name=parameter` fields (RFC 2045 section 5.1, RFC 2183) with RFC 2231 continuations and charsets."""

from __future__ import annotations

import re
from itertools import islice
from urllib.parse import unquote_to_bytes

from e2a_core.mail.charsets import clean_line, decode_bytes
from e2a_core.mail.headers import decode_words

__all__ = ["MAX_FIELD_CHARS", "MAX_PARAMETERS", "parse_parameters"]

MAX_FIELD_CHARS = 16 * 1024
"""A structured field beyond this is cut; the longest file names of real mail need about 2 KiB."""

MAX_PARAMETERS = 100
"""A file name in sections of a line each takes a dozen."""

# A quote that is never closed goes to the end: searched for from every quote, it would take quadratic time.
_PARAMETER = re.compile(r';\s*+([^\s=;"]++)\s*+=\s*+(?:"((?:[^"\\]|\\.)*+)(?:"|\Z)|([^;]*+))', re.DOTALL)
_SECTION = re.compile(r"(.+?)(?:\*(\d{1,3}))?(\*)?\Z")
_QUOTED_PAIR = re.compile(r"\\(.)", re.DOTALL)


def parse_parameters(field: str) -> tuple[str, dict[str, str]]:
    """The leading value in lower case, without comments, and the parameters by lower-case name, decoded.

    The first of two parameters of one name wins, and RFC 2231 forms win over plain ones.
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
            # Encoded words have no place in parameters, yet file names are full of them; a boundary may look like one.
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
    """RFC 2231 4.1: sections in the order of their numbers up to the first gap; the charset stands in section 0."""
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
