"""Writes header fields: encoded (RFC 2047, 2231), folded at 78 columns, with the final CRLF; one field per call.

Every value passes through `one_line` first, so a value cannot start another field.
"""

from __future__ import annotations

import re
from base64 import b64encode
from collections.abc import Iterable, Sequence
from typing import TypeVar
from urllib.parse import quote

from e2a_core.errors import InvalidRequest
from e2a_core.mail.addresses import Address
from e2a_core.mail.domains import to_ascii_domain

__all__ = ["address_field", "id_field", "one_line", "parameter", "structured_field", "text_field"]

_Unit = TypeVar("_Unit", str, bytes)

LINE_CHARS = 78
"""Recommended length of a line (RFC 5322 section 2.1.1)."""
MAX_WORD_CHARS = 900
"""A longer word could exceed the limit of 998 octets per line, so it is encoded, which makes it foldable."""
ENCODED_WORD_CHARS = 75
"""Maximum length of an encoded word (RFC 2047 section 2)."""
MIN_ENCODED_WORD_CHARS = 30
"""Room for one character of four octets in Q encoding, even after a long field name."""

_CONTROL = re.compile("[\x00-\x08\x0a-\x1f\x7f]")
_WORDS = re.compile(r"[ \t]*[^ \t]+")
_ATOMS = re.compile(r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+(?: [A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+)*\Z")
_Q_SAFE = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789!*+-/")
_TOKEN = re.compile(r"[A-Za-z0-9!#$&^_.+-]+\Z")
_ID = re.compile(r"<[!-;=?-~]{1,990}>\Z")


def one_line(value: str, location: str) -> str:
    """Returns `value`. Raises InvalidRequest naming `location` if it holds a line break or other control character."""
    if _CONTROL.search(value):
        raise InvalidRequest("must be one line without control characters", location=location)
    return value


def text_field(name: str, value: str, location: str) -> bytes:
    """An unstructured field such as Subject."""
    value = one_line(value, location).strip(" \t")
    plain = value.isascii() and "=?" not in value
    if plain and value and len(name) + len(value) <= LINE_CHARS - len(": "):
        return f"{name}: {value}\r\n".encode()
    words = _WORDS.findall(value)
    if plain and all(len(word) <= MAX_WORD_CHARS for word in words):
        return _fold(name, (f" {word}" if at == 0 else word for at, word in enumerate(words)))
    return _fold(name, (f" {word}" for word in _encoded_words(value, LINE_CHARS - len(name) - 2)))


def address_field(name: str, addresses: Sequence[Address], location: str) -> bytes:
    """A field of mailboxes. Outside display names, UTF-8 appears only in local parts that need it (RFC 6532)."""
    pieces: list[str] = []
    for at, address in enumerate(addresses):
        separator = "," if at < len(addresses) - 1 else ""
        spec = _addr_spec(address, location)
        shown = one_line(address.display_name, location).strip()
        if shown:
            pieces += [f" {piece}" for piece in _phrase(shown, LINE_CHARS - len(name) - 2)]
            spec = f"<{spec}>"
        pieces.append(f" {spec}{separator}")
    return _fold(name, pieces)


def id_field(name: str, ids: Iterable[str], location: str) -> bytes:
    """A field of message ids in angle brackets. Raises InvalidRequest naming `location` for anything else."""
    ids = list(ids)
    if not all(_ID.match(item) for item in ids):
        raise InvalidRequest("must be message ids such as <id@example.com>", location=location)
    return _fold(name, (f" {item}" for item in ids))


def structured_field(name: str, value: str, parameters: Iterable[str] = ()) -> bytes:
    """`name: value; parameter; ...` with parameters made by `parameter`."""
    parts = [value, *parameters]
    return _fold(name, (f" {part}{';' if at < len(parts) - 1 else ''}" for at, part in enumerate(parts)))


def parameter(name: str, value: str, location: str) -> list[str]:
    """`name=value`, quoted if necessary; long or non-ASCII values use RFC 2231 continuations."""
    one_line(value, location)
    room = LINE_CHARS - len(name) - 8
    if _TOKEN.match(value) and len(value) <= room:
        return [f"{name}={value}"]
    if value.isascii() and len(value) <= room and "\t" not in value and "=?" not in value:
        quoted = value.replace("\\", "\\\\").replace('"', '\\"')
        return [f'{name}="{quoted}"']
    units = [quote(char, safe="!#$&+-.^_`|~", errors="replace") for char in value]
    sections, current = [], "utf-8''"
    for unit in units:
        if len(current) + len(unit) > room:
            sections.append(current)
            current = ""
        current += unit
    sections.append(current)
    if len(sections) == 1:
        return [f"{name}*={sections[0]}"]
    return [f"{name}*{number}*={section}" for number, section in enumerate(sections)]


def _addr_spec(address: Address, location: str) -> str:
    domain = address.domain
    if address.local.isascii():
        domain = to_ascii_domain(domain) or domain
    spec = one_line(Address("", address.local, domain).addr_spec, location)
    if len(spec.encode("utf-8", "replace")) > MAX_WORD_CHARS or not (
        domain.isascii() or to_ascii_domain(domain)
    ):
        raise InvalidRequest("must be an address such as user@example.com", location=location)
    return spec


def _phrase(name: str, room: int) -> list[str]:
    if name.isascii() and "=?" not in name and len(name) <= room:
        if _ATOMS.match(name):
            return name.split(" ")
        quoted = '"' + name.replace("\\", "\\\\").replace('"', '\\"') + '"'
        if len(quoted) <= room and "\t" not in name:
            return [quoted]
    return _encoded_words(name, room)


def _encoded_words(text: str, room: int) -> list[str]:
    """RFC 2047 encoded words, each of whole characters; Q encoding if most of the text is ASCII, else B."""
    size = max(MIN_ENCODED_WORD_CHARS, min(ENCODED_WORD_CHARS, room)) - len("=?utf-8?q??=")
    data = text.encode("utf-8", "replace")
    escaped = [_q(char) for char in text]
    if sum(map(len, escaped)) <= (len(data) + 2) // 3 * 4:
        return [f"=?utf-8?q?{''.join(group)}?=" for group in _groups(escaped, size)]
    chars = [char.encode("utf-8", "replace") for char in text]
    return [
        f"=?utf-8?b?{b64encode(b''.join(group)).decode('ascii')}?=" for group in _groups(chars, size // 4 * 3)
    ]


def _q(char: str) -> str:
    if char in _Q_SAFE:
        return char
    return "_" if char == " " else "".join(f"={octet:02X}" for octet in char.encode("utf-8", "replace"))


def _groups(units: Sequence[_Unit], size: int) -> Iterable[list[_Unit]]:
    group: list[_Unit] = []
    length = 0
    for unit in units:
        if group and length + len(unit) > size:
            yield group
            group, length = [], 0
        group.append(unit)
        length += len(unit)
    if group:
        yield group


def _fold(name: str, pieces: Iterable[str]) -> bytes:
    """Join `pieces` into a folded field. Each piece starts with the blank at which a line may break."""
    lines: list[str] = []
    line = f"{name}:"
    for piece in pieces:
        if len(line) + len(piece) > LINE_CHARS and line.strip() != f"{name}:":
            lines.append(line)
            line = piece
        else:
            line += piece
    lines.append(line)
    return ("\r\n".join(lines) + "\r\n").encode("utf-8", "replace")
