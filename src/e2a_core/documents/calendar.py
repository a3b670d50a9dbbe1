"""Reads iCalendar (RFC 5545): what, when, where and who of each entry. Runs in the worker process alone."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from datetime import date, datetime
from typing import Any

from icalendar import Calendar, Component

from e2a_core.documents.document import DocumentText
from e2a_core.documents.extract import limited

__all__ = ["calendar_text"]

_METHODS = {
    "REQUEST": "Invitation",
    "PUBLISH": "Calendar entry",
    "REPLY": "Answer to an invitation",
    "CANCEL": "Cancellation",
    "COUNTER": "Proposal of another time",
    "DECLINECOUNTER": "Refusal of another time",
    "ADD": "Further dates",
    "REFRESH": "Request for the present state",
}
"""What the methods of RFC 5546 section 1.4 mean to a reader."""

_ANSWERS = {
    "ACCEPTED": "accepted",
    "DECLINED": "declined",
    "TENTATIVE": "tentative",
    "NEEDS-ACTION": "has not answered",
    "DELEGATED": "delegated",
}
_ENTRIES = ("VEVENT", "VTODO", "VJOURNAL", "VFREEBUSY")
_MAX_PEOPLE = 50
_MAX_ENTRIES = 200
_BEGIN = re.compile(
    rb"^BEGIN:(?:" + "|".join(_ENTRIES).encode() + rb")[ \t]*\r?$", re.MULTILINE | re.IGNORECASE
)


def calendar_text(data: bytes) -> DocumentText:
    """The entries of a calendar file in the order of the file, each as lines of `name: value`."""
    begins = [match.start() for match in _BEGIN.finditer(data)]
    left_out = len(begins) - _MAX_ENTRIES
    if left_out > 0:
        # The library takes seconds for an export of years, of which a reader sees the first entries.
        data = data[: begins[_MAX_ENTRIES]] + b"END:VCALENDAR\r\n"
    calendars = Calendar.from_ical(data, multiple=True)
    lines = [line for calendar in calendars for line in _calendar(calendar)]
    if left_out > 0:
        lines.append(f"({left_out} more entries are left out)")
    found = limited("\n".join(lines))
    return replace(found, truncated=found.truncated or left_out > 0)


def _calendar(calendar: Component) -> Iterator[str]:
    method = str(calendar.get("METHOD", "")).upper()
    entries = [entry for entry in calendar.walk() if entry.name in _ENTRIES]
    for entry in entries:
        yield _METHODS.get(method, "Calendar entry") + (f" ({method})" if method else "")
        for name, value in _members(entry):
            if value:
                yield f"{name}: {value}"
        yield ""


def _members(entry: Component) -> Iterator[tuple[str, str]]:
    yield "What", _text(entry, "SUMMARY")
    yield "When", _when(entry)
    yield "Repeats", ", ".join(rule.to_ical().decode("utf-8", "replace") for rule in _all(entry, "RRULE"))
    yield "Due", _instant(entry.get("DUE"))
    yield "Where", _text(entry, "LOCATION")
    yield "Organizer", ", ".join(_person(person) for person in _all(entry, "ORGANIZER"))
    yield "Who", _people(_all(entry, "ATTENDEE"))
    yield "Status", _text(entry, "STATUS").lower()
    yield "Link", _text(entry, "URL") or _text(entry, "X-GOOGLE-CONFERENCE")
    yield "Comment", _text(entry, "COMMENT")
    yield "Description", _text(entry, "DESCRIPTION")
    yield "UID", _text(entry, "UID")


def _all(entry: Component, name: str) -> list[Any]:
    value = entry.get(name)
    return [] if value is None else value if isinstance(value, list) else [value]


def _text(entry: Component, name: str) -> str:
    return "; ".join(str(value).strip() for value in _all(entry, name))


def _when(entry: Component) -> str:
    begins, ends = _instant(entry.get("DTSTART")), _instant(entry.get("DTEND"))
    if not ends and "DURATION" in entry:
        length: Any = entry["DURATION"]
        return f"{begins} for {length.dt}".strip()
    return f"{begins} to {ends}" if ends else begins


def _instant(value: Any) -> str:
    """A date, or a date and time with its offset and the zone's name."""
    if value is None:
        return ""
    moment: date | datetime = value.dt
    zone = str(value.params.get("TZID", ""))
    if not isinstance(moment, datetime):
        return moment.isoformat()
    return f"{moment.isoformat(' ', 'minutes')} {zone}".strip()


def _people(people: list[Any]) -> str:
    named = [_person(person) for person in people[:_MAX_PEOPLE]]
    if len(people) > _MAX_PEOPLE:
        named.append(f"and {len(people) - _MAX_PEOPLE} more")
    return ", ".join(named)


def _person(person: Any) -> str:
    address = str(person)
    address = address[7:] if address.lower().startswith("mailto:") else address
    name = str(person.params.get("CN", "")).strip()
    answer = _ANSWERS.get(str(person.params.get("PARTSTAT", "")).upper(), "")
    shown = f"{name} <{address}>" if name and name != address else address
    return f"{shown} ({answer})" if answer else shown
