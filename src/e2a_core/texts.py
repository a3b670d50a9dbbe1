"""Checks and cleans text: from callers what the databases cannot store, for readers what hides in other text."""

from __future__ import annotations

import re

from e2a_core.errors import InvalidRequest

__all__ = ["is_storable", "one_line", "require_storable", "visible_text"]

_FILLERS = "\u115f\u1160\u2800\u3164\uffa0"
"""Letters and symbols without a shape. `isprintable` is True for them."""

_HIDDEN_MARKS = re.compile("[\u034f\u17b4\u17b5\u180b-\u180d\u180f\ufe00-\ufe0f\U000e0100-\U000e01ef]+")
"""The combining marks of Default_Ignorable_Code_Point (Unicode 16, section 5.21), which `isprintable` passes too.

A run of variation selectors can carry a whole message that only a model reads.
"""

_JOINERS = re.compile("[\u200c\u200d]")
_STRAY_JOINERS = re.compile(
    "(?<![^\0-\x7f\u200c\u200d])[\u200c\u200d]+|[\u200c\u200d]+(?![^\0-\x7f\u200c\u200d])"
)
"""Joiners belong between two letters of Persian or Hindi, or two emoji, one at a time."""

_KEPT = "\t\u200c\u200d"
_BLANKS = str.maketrans(dict.fromkeys(_FILLERS, " "))


def is_storable(text: str) -> bool:
    """Returns True if `text` contains neither NUL, which PostgreSQL refuses, nor lone surrogates."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return "\x00" not in text


def require_storable(text: str, location: str) -> str:
    """Returns `text`. Raises `InvalidRequest` naming `location` if it cannot be stored."""
    if not is_storable(text):
        raise InvalidRequest("must not contain NUL or lone surrogates", location=location)
    return text


_ALIKE = "\\w\u0080-\u058f\u10a0-\u10ff\u13a0-\u13ff\u1d00-\u1fff\u2c60-\u2c7f\ua640-\ua7ff"
"""Letters that can be taken for ASCII: Latin, Greek, Cyrillic, Armenian, Georgian, Cherokee and their extensions."""
_DOMAIN = re.compile(f"(?<=@)[{_ALIKE}.-]{{3,253}}|(?<=://)[{_ALIKE}.-]{{3,253}}", re.ASCII)


def one_line(text: str) -> str:
    """Returns `text` as one line in which nothing hides: control, bidirectional and invisible characters are spaces."""
    line = _with_a_labels(_without_marks(text))
    # `isprintable` is also False for format characters, which include invisible and bidirectional ones.
    return line if line.isprintable() else "".join(c if c.isprintable() else " " for c in line)


def visible_text(text: str) -> str:
    """Returns `text` without control and invisible characters; line ends become LF."""
    lines = _with_a_labels(_without_marks(text)).replace("\r\n", "\n").replace("\r", "\n").split("\n")
    return "\n".join(line if line.isprintable() else _strip(line) for line in lines)


def _with_a_labels(text: str) -> str:
    """Writes the A-label behind each domain of an address or URL that has letters beyond ASCII (RFC 5890, 2.3.2.1).

    A letter of another script may look like one of ASCII; the A-label does not.
    """
    if text.isascii() or ("@" not in text and "://" not in text):
        return text
    return _DOMAIN.sub(_with_a_label, text)


def _with_a_label(match: re.Match[str]) -> str:
    domain = match[0].rstrip(".-")
    if domain.isascii():
        return match[0]
    # Few texts name such a domain, and the tables of IDNA take long to load.
    from e2a_core.mail.domains import to_ascii_domain

    ascii_form = to_ascii_domain(domain)
    return match[0] if ascii_form is None else f"{domain} [{ascii_form}]{match[0][len(domain) :]}"


def _without_marks(text: str) -> str:
    return text if text.isascii() else _HIDDEN_MARKS.sub("", text).translate(_BLANKS)


def _strip(line: str) -> str:
    """Turns every blank into a space, and drops format, tag and private-use characters."""
    seen = "".join(map(_seen, line))
    return _STRAY_JOINERS.sub("", seen) if _JOINERS.search(seen) else seen


def _seen(character: str) -> str:
    if character.isprintable() or character in _KEPT:
        return character
    return " " if character.isspace() else ""
