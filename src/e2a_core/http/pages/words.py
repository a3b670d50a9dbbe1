"""Times, sizes and counts as a person reads them."""

from __future__ import annotations

from datetime import datetime, timedelta

from e2a_core.visible import one_line, visible_text

__all__ = ["ago", "count_words", "cut", "full_time", "line", "lines", "short_address", "size_words", "until"]

MAX_LINE_CHARS = 600
"""Of one line of a page; the whole is in its source."""

_UNITS = (("d", timedelta(days=1)), ("h", timedelta(hours=1)), ("min", timedelta(minutes=1)))
_NEARLY = 0.95
"""Of a unit, that counts as one: a minute after a hold of 7 days began, 7 days are left and not 6."""


def ago(instant: datetime, now: datetime) -> str:
    """`4 min`, `3 h`, `2 d`, or the date of what is older than a month."""
    past = now - instant
    if past > timedelta(days=30):
        return instant.strftime("%-d %b %Y")
    return _span(past) or "now"


def until(instant: datetime, now: datetime) -> str:
    """`in 56 min`, or `now` for what is over."""
    left = instant - now
    unit = next((unit for _, unit in _UNITS if left >= unit * _NEARLY), timedelta())
    span = _span(left + unit * (1 - _NEARLY))
    return f"in {span}" if span else "now"


def full_time(instant: datetime) -> str:
    return instant.strftime("%a, %-d %b %Y %H:%M:%S UTC")


def line(text: str) -> str:
    """A stranger's words as one line of bounded length in which nothing hides."""
    shown = one_line(text[:MAX_LINE_CHARS])
    return shown if len(text) <= MAX_LINE_CHARS else f"{shown}…"


def lines(text: str) -> str:
    """A text without control characters and with nothing hidden."""
    return visible_text(text)


def size_words(octets: int) -> str:
    for unit, size in (("MB", 1_000_000), ("kB", 1_000)):
        if octets >= size:
            number = octets / size
            return f"{number:.1f} {unit}" if number < 10 else f"{number:.0f} {unit}"
    return f"{octets} bytes"


def count_words(number: int, one: str, many: str = "") -> str:
    """`1 file`, `3 files`."""
    return f"{number:,} {one if number == 1 else many or one + 's'}"


def short_address(address: str) -> str:
    """`billing@` of an agent's address: the account's own domain goes without saying."""
    local, at, _ = address.rpartition("@")
    return f"{local}{at}" if at else address


def _span(span: timedelta) -> str:
    for name, unit in _UNITS:
        if span >= unit:
            return f"{span // unit} {name}"
    return ""


def cut(text: str, octets: int) -> tuple[str, bool]:
    """The beginning of a text that takes at most `octets` in a page, and whether it is all of it."""
    if len(text) * _MOST_OCTETS <= octets:
        return text, True
    used = 0
    for place, character in enumerate(text):
        used += _ESCAPED.get(character) or len(character.encode("utf-8", "replace"))
        if used > octets:
            return text[:place], False
    return text, True


_ESCAPED = {"&": 5, "<": 4, ">": 4, '"': 5, "'": 5}
_MOST_OCTETS = 5
