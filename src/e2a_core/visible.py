"""Makes visible what a sender can hide in text that people and models read (Unicode Technical Report 36)."""

from __future__ import annotations

import re

__all__ = ["one_line", "sentence", "visible", "visible_text", "written_out"]

_INVISIBLE = (
    "\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b\u200e\u200f\u202a-\u202e\u2060-\u206f\u2800\u3164"
    "\ufeff\uffa0\ufff9-\ufffb\U000e0000-\U000e0fff"
)
"""Characters that show nothing or change the order of others (Default_Ignorable_Code_Point, Unicode 16, section 5.21).

Some of them count as printable, such as U+034F, so `isprintable` does not tell.
"""
_INVISIBLE_RUN = re.compile(f"[{_INVISIBLE}](?:[ \u00a0\u200c\u200d]*[{_INVISIBLE}])*")
_SELECTORS = re.compile("[\ufe00-\ufe0f]{2,}|(?<=[\0-\x7f])[\ufe00-\ufe0f](?!\u20e3)|^[\ufe00-\ufe0f]")
"""A variation selector belongs behind an emoji, one at a time; a run of them can carry a message only a model reads."""
_JOINER_BESIDE_ASCII = re.compile("(?<=[ -~])[\u200c\u200d]+|[\u200c\u200d]+(?=[!-~])|[\u200c\u200d]{2,}")
"""Joiners belong into Persian, Hindi and emoji; beside plain letters they only hide."""
_HIDING = re.compile(f"[{_INVISIBLE}\u200c\u200d\ufe00-\ufe0f]")
_RIGHT_TO_LEFT = re.compile("[\u0590-\u08ff\ufb1d-\ufdff\ufe70-\ufefc]")
_DIRECTION_MARKS = "\u200e\u200f\u061c"
_KEPT = f"\u200c\u200d{_DIRECTION_MARKS}"
"""Not printable, and part of what people write."""

_ALIKE = "\\w\u0080-\u058f\u10a0-\u10ff\u13a0-\u13ff\u1d00-\u1fff\u2c60-\u2c7f\ua640-\ua7ff"
"""Letters that can be taken for ASCII: Latin, Greek, Cyrillic, Armenian, Georgian, Cherokee and their extensions."""
_DOMAIN = re.compile(f"(?<=@)[{_ALIKE}.-]{{3,253}}|(?<=://)[{_ALIKE}.-]{{3,253}}", re.ASCII)


def visible(text: str) -> str:
    """Returns `text` with its invisible characters written out, and A-labels beside misleading domains."""
    if text.isascii():
        return text
    text = written_out(text)
    return _DOMAIN.sub(_with_a_label, text) if "@" in text or "://" in text else text


def written_out(text: str) -> str:
    """Returns `text` with its invisible characters written out, as `[U+202E]`; an address in it can still be used.

    A run of invisible characters is written once, with its length. Direction marks stay in right-to-left text.
    """
    if not text.isascii() and _HIDING.search(text):
        marks = _DIRECTION_MARKS if _RIGHT_TO_LEFT.search(text) else ""
        text = _INVISIBLE_RUN.sub(lambda match: _named(match[0], marks), text)
        text = _JOINER_BESIDE_ASCII.sub(lambda match: _named(match[0], ""), text)
        text = _SELECTORS.sub(lambda match: _named(match[0], ""), text)
    return text


def one_line(text: str) -> str:
    """Returns `text` as one line in which nothing hides; control characters are spaces."""
    if text.isascii() and text.isprintable():
        return text
    line = visible(text)
    return line if line.isprintable() else "".join(c if c.isprintable() or c in _KEPT else " " for c in line)


def visible_text(text: str) -> str:
    """Returns `text` without control characters and with nothing hidden; line ends become LF."""
    lines = visible(text).replace("\r\n", "\n").replace("\r", "\n").split("\n")
    return "\n".join(line if line.isprintable() else "".join(map(_seen, line)) for line in lines)


def sentence(text: str) -> str:
    """Returns what we say, such as a finding, as a sentence; an address at its beginning stays as it is written."""
    if not text:
        return ""
    begin = text[:1] if "@" in text.partition(" ")[0] else text[:1].upper()
    return f"{begin}{text[1:].rstrip('.')}."


def _seen(character: str) -> str:
    if character.isprintable() or character in _KEPT or character == "\t":
        return character
    return " " if character.isspace() else ""


def _named(run: str, kept: str) -> str:
    """The first invisible character of the run by its number, and how many there are."""
    if not run.strip(kept):
        return run
    count = len(run.replace(" ", "").replace("\u00a0", ""))
    return f"[U+{ord(run[0]):04X}{f' x{count}' if count > 1 else ''}]"


def _with_a_label(match: re.Match[str]) -> str:
    """The domain with its A-label (RFC 5890 section 2.3.2.1), which does not look like another."""
    domain = match[0].rstrip(".-")
    if domain.isascii():
        return match[0]
    # Few texts name such a domain, and the tables of IDNA take long to load.
    from e2a_core.mail.domains import to_ascii_domain

    ascii_form = to_ascii_domain(domain)
    end = match.start() + len(domain)
    if ascii_form is None or match.string.startswith(f" [{ascii_form}]", end):
        return match[0]
    return f"{domain} [{ascii_form}]{match.string[end : match.end()]}"
