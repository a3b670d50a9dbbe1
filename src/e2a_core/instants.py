"""The one reader of instants that callers write: in the API, in tools and in commands.

| form | meaning |
|---|---|
| `2026-01-31T12:00:00Z`, `…+02:00`, `…+0200`, `…+02` | RFC 3339, and ISO 8601 with its shorter offsets |
| `2026-01-31 12:00`, `20260131T120000` | a blank for T, no seconds, the basic form; without an offset: UTC |
| `2026-01-31`, `today`, `yesterday`, `tomorrow` | the first moment of that day in UTC |
| `Sat, 31 Jan 2026 12:00:00 +0000` | the Date field of mail (RFC 5322 section 3.3) |
| `2d`, `1h30m`, `90 minutes`, `P1DT2H` | a span from now: back, or ahead where the future is meant |
| `2d ago`, `-2d`, `in 2d`, `+2d`, `now` | the same with its direction said |

Signed timestamps are stricter: see `clock.parse_rfc3339`.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime

from e2a_core.clock import parse_rfc3339

__all__ = ["EXPECTED", "read_instant", "retry_after"]

EXPECTED = (
    "must be an RFC 3339 time such as 2026-01-31T12:00:00Z, a date such as 2026-01-31, or a span such as 2d"
)

MAX_DELAY_DIGITS = 9
"""Of a number of seconds to wait: 31 years, and far more than anybody waits."""

_LONGEST = 64
"""Longer than any instant, and short enough that a refusal costs nothing."""

_TIME = re.compile(
    r"(?P<year>\d{4})(?P<dash>-?)(?P<month>\d\d)(?P=dash)(?P<day>\d\d)"
    r"(?:(?:[Tt]|\s+)(?P<hour>\d\d):?(?P<minute>\d\d)(?::?(?P<second>\d\d)(?:[.,](?P<fraction>\d+))?)?"
    # A plus that was not encoded in a query string arrives as a blank.
    r"(?:\s?(?P<zulu>[Zz]|UTC|GMT)|(?P<sign>[+\- ])(?P<hours>\d\d)(?::?(?P<minutes>\d\d))?)?)?",
    re.ASCII,
)
_DATE_FIELD = re.compile(r"(?:[A-Za-z]{3}, ?)?\d{1,2} [A-Za-z]{3} \d{4} \d\d?:\d\d.*", re.ASCII)
_SPAN = re.compile(r"(?P<before>in\s|[+-])?\s*(?P<parts>[\da-z\s]+?)(?P<after>\sago)?", re.ASCII)
_PART = re.compile(r"(\d{1,6})\s*([a-z]+)\s*", re.ASCII)
_ISO_SPAN = re.compile(r"p(?:(\d+)w)?(?:(\d+)d)?(?:t(?:(\d+)h)?(?:(\d+)m)?(?:(\d+)s)?)?", re.ASCII)
_SECONDS = {
    **dict.fromkeys(("s", "sec", "secs", "second", "seconds"), 1),
    **dict.fromkeys(("m", "min", "mins", "minute", "minutes"), 60),
    **dict.fromkeys(("h", "hr", "hrs", "hour", "hours"), 3_600),
    **dict.fromkeys(("d", "day", "days"), 86_400),
    **dict.fromkeys(("w", "week", "weeks"), 604_800),
}
_DAYS = {"yesterday": -1, "today": 0, "tomorrow": 1}


def read_instant(text: str, now: datetime | None, *, ahead: bool = False) -> datetime:
    """Returns the instant that `text` names, in UTC. `ahead`: a span without a direction lies in the future.

    Without `now` only absolute forms are read.

    Raises `ValueError`, whose message says what to write.
    """
    given = text.strip()
    if not given or len(given) > _LONGEST:
        raise ValueError(EXPECTED)
    if (time := _TIME.fullmatch(given)) is not None:
        return _existing(_normal(time))
    if _DATE_FIELD.fullmatch(given):
        return _of_date_field(given)
    if now is None:
        raise ValueError(EXPECTED)
    word = given.lower()
    if word == "now":
        return now
    if word in _DAYS:
        return now.replace(hour=0, minute=0, second=0, microsecond=0) + timedelta(days=_DAYS[word])
    return _moved(now, word, ahead=ahead)


def _normal(time: re.Match[str]) -> str:
    """Returns the RFC 3339 form of what was matched. What is absent is zero, and the offset UTC."""
    part = time.groupdict(default="")
    sign = part["sign"].replace(" ", "+")
    offset = f"{sign}{part['hours']}:{part['minutes'] or '00'}" if sign else "Z"
    fraction = f".{part['fraction']}" if part["fraction"] else ""
    clock = ":".join(part[name] or "00" for name in ("hour", "minute", "second"))
    return f"{part['year']}-{part['month']}-{part['day']}T{clock}{fraction}{offset}"


def _existing(text: str) -> datetime:
    try:
        return parse_rfc3339(text)
    except ValueError as problem:
        ours = str(problem).startswith("must")
        raise ValueError(str(problem) if ours else "must be a date and time that exist") from None


def _of_date_field(text: str) -> datetime:
    try:
        found = parsedate_to_datetime(text)
        return (found if found.tzinfo else found.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError):
        raise ValueError(EXPECTED) from None


def _moved(now: datetime, text: str, *, ahead: bool) -> datetime:
    span = _SPAN.fullmatch(text)
    seconds = _seconds(span["parts"].strip()) if span else None
    if span is None or seconds is None or (span["before"] and span["after"]):
        raise ValueError(EXPECTED)
    if span["before"]:
        ahead = span["before"] != "-"
    elif span["after"]:
        ahead = False
    try:
        return now + timedelta(seconds=seconds if ahead else -seconds)
    except OverflowError:
        raise ValueError("must lie in the years 1 to 9999") from None


def _seconds(text: str) -> int | None:
    """Returns the length of a span such as `1h30m` or `p1dt2h`, or None if it is none."""
    if text.startswith("p") and (iso := _ISO_SPAN.fullmatch(text)) and any(iso.groups()):
        units = (604_800, 86_400, 3_600, 60, 1)
        return sum(int(count or 0) * unit for count, unit in zip(iso.groups(), units, strict=True))
    parts = _PART.findall(text)
    if not parts or _PART.sub("", text) or any(unit not in _SECONDS for _, unit in parts):
        return None
    return sum(int(count) * _SECONDS[unit] for count, unit in parts)


def retry_after(text: str, now: datetime) -> timedelta | None:
    """How long `Retry-After` asks to wait: seconds, or the time until a date (RFC 9110 section 10.2.3).

    None if it asks for nothing, names a time that has passed, or cannot be read.
    """
    wanted = text.strip()
    if wanted.isascii() and wanted.isdigit():
        wait = timedelta(seconds=int(wanted[:MAX_DELAY_DIGITS]))
    else:
        try:
            date = parsedate_to_datetime(wanted)
        except (ValueError, OverflowError):
            return None
        wait = (date if date.tzinfo else date.replace(tzinfo=UTC)) - now
    return wait if wait > timedelta() else None
