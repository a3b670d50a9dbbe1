"""Reads address fields as mail clients do: one faulty entry never hides the others.

For display and for answers only. Authentication uses `addresses.header_addresses`, which reads a field as a whole or
not at all, so that a wrong author is never taken from it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from e2a_core.errors import InvalidRecipient
from e2a_core.mail.addresses import MAX_FIELD_CHARS, Address, header_addresses, parse_address
from e2a_core.mail.headers import Headers, decode_words

__all__ = ["MAX_UNREADABLE", "Mailboxes", "field_mailboxes", "read_mailboxes"]

MAX_UNREADABLE = 20
"""Entries listed because they could not be read; further ones are counted."""
MAX_ENTRY_CHARS = 2000
"""A longer entry is not searched for an address: names and addresses are far shorter."""
MAX_SHOWN_CHARS = 200

_UNQUOTED = (
    r"(?P<angle><[^<>]*>)|(?P<comment>\([^()]*\))|(?P<separator>[,;])|(?P<word>[^\"<>(),;]+)|(?P<stray>.)"
)
_PIECE = re.compile(rf'(?P<quoted>"(?:[^"\\]|\\.)*+")|{_UNQUOTED}', re.DOTALL)
_PIECE_WITHOUT_QUOTES = re.compile(_UNQUOTED, re.DOTALL)
"""Used after a quote that nothing closes; to try each further one would take quadratic time."""
_HIDES_MAILBOX = re.compile(r"<[^<>\s]{1,320}@[^<>\s]{1,320}>?\s*[,;]")
"""A quote or parenthesis that was never closed seems to reach into the next entry."""
_ANGLE = re.compile(r"<([^<>]*@[^<>]*)(?:>|\Z)")
_BARE = re.compile(r"""[^\s<>"'(),;:\[\]@\\]+@[^\s<>"'(),;:@\\]+""")
_AROUND_ADDRESS = " \t\r\n'\"<>"
_AROUND_NAME = " \t\r\n\"'<>()[]:,;"
_GROUP = re.compile(r"[^:@<>\"]{1,200}:\s*")


@dataclass(slots=True)
class Mailboxes:
    """What address fields hold: `found` in order, and the entries that are no address, shortened.

    `unreadable_count` counts those beyond `MAX_UNREADABLE` too.
    """

    found: list[Address] = field(default_factory=list)
    unreadable: list[str] = field(default_factory=list)
    unreadable_count: int = 0

    @property
    def addresses(self) -> list[str]:
        return [mailbox.addr_spec for mailbox in self.found]

    def skip(self, entry: str) -> None:
        """Notes an entry that could not be read, unless it is empty or says that recipients are not disclosed."""
        shown = decode_words(entry).strip()
        if not any(map(str.isalnum, shown)) or "undisclosed" in shown.lower():
            return
        self.unreadable_count += 1
        if len(self.unreadable) < MAX_UNREADABLE:
            self.unreadable.append(shown[:MAX_SHOWN_CHARS])


def field_mailboxes(headers: Headers, name: str) -> Mailboxes:
    """The mailboxes of all fields of that name."""
    result = Mailboxes()
    for value in headers.get_all(name):
        _read_into(result, value)
    return result


def read_mailboxes(value: str) -> Mailboxes:
    """The mailboxes of one field value, whose encoded words are still encoded."""
    result = Mailboxes()
    _read_into(result, value)
    return result


def _read_into(result: Mailboxes, value: str) -> None:
    if len(value) > MAX_FIELD_CHARS:
        result.skip(f"{value[MAX_FIELD_CHARS:][:MAX_SHOWN_CHARS]} (the rest of a field that is too long)")
        value = value[:MAX_FIELD_CHARS]
    strict = header_addresses(value)
    if strict:
        result.found += strict
        return
    name_before = ""
    for entry, ends_with_comma in _entries(value):
        found = _in_entry(entry)
        if len(found) == 1 and name_before and "<" in entry:
            # A name with a comma and without quotes: `Lee, Ann <ann@example.org>`.
            found = [_named(found[0], f"{name_before}, {found[0].display_name}")]
        elif name_before:
            result.skip(name_before)
        result.found += found
        name_before = "" if found else entry.strip()
        if name_before and ("@" in name_before or not ends_with_comma):
            result.skip(name_before)
            name_before = ""
    if name_before:
        result.skip(name_before)


def _entries(value: str) -> Iterator[tuple[str, bool]]:
    """The entries between commas and semicolons, each with True if a comma ends it."""
    entry: list[str] = []
    position, piece = 0, _PIECE
    while match := piece.match(value, position):
        kind, text = match.lastgroup, match[0]
        if kind in {"quoted", "comment"} and _HIDES_MAILBOX.search(text):
            text = text[0]
        if text == '"':
            piece = _PIECE_WITHOUT_QUOTES
        position += len(text)
        if kind == "separator":
            yield "".join(entry), text == ","
            entry = []
        else:
            entry.append(text)
    yield "".join(entry), False


def _in_entry(entry: str) -> list[Address]:
    """The mailboxes in one entry: normally one; several if separators are missing; none if it is no address."""
    if len(entry) > MAX_ENTRY_CHARS:
        return []
    entry = entry.strip()
    if strict := header_addresses(entry):
        return strict
    if "@" not in entry and "=?" in entry:
        entry = decode_words(entry)
    angles = [(match, address) for match in _ANGLE.finditer(entry) if (address := _bare(match[1]))]
    if angles:
        match, address = angles[-1]
        return [_named(address, decode_words(f"{entry[: match.start()]} {entry[match.end() :]}"))]
    words = [(match, address) for match in _BARE.finditer(entry) if (address := _bare(match[0]))]
    if len(words) != 1:
        return [address for _, address in words]
    match, address = words[0]
    before = _GROUP.sub("", entry[: match.start()], count=1)
    return [_named(address, decode_words(f"{before} {entry[match.end() :]}"))]


def _bare(text: str) -> Address | None:
    text = "".join(text.split()).strip(_AROUND_ADDRESS)
    if text.lower().startswith("mailto:"):
        text = text[len("mailto:") :].partition("?")[0]
    try:
        address = parse_address(text.rstrip(".>"))
    except InvalidRecipient:
        return None
    return address if not address.display_name else None


def _named(address: Address, name: str) -> Address:
    return Address(" ".join(name.split()).strip(_AROUND_NAME), address.local, address.domain)
