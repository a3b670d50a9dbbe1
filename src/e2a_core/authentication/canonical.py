"""A message in the forms DKIM and ARC sign (RFC 6376, section 3.4). Signer and verifiers share this module.

Every step is linear in the size of the message, whatever it contains.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Literal, TypeAlias, cast

__all__ = [
    "Canonicalization",
    "HeaderField",
    "SignedMessage",
    "TagListError",
    "canonical_body",
    "canonical_field",
    "parse_canonicalization",
    "parse_tags",
    "unfold",
    "without_signature",
]

Canonicalization: TypeAlias = Literal["simple", "relaxed"]

_FIELD_END = re.compile(rb"\r\n(?![ \t])")
_TAG_NAME = re.compile(rb"[A-Za-z][A-Za-z0-9_]*\Z")
_SIGNATURE_VALUE = re.compile(rb"((?:\A|;)[ \t\r\n]*b[ \t\r\n]*=)[^;]*")
_WSP = b" \t"
_FWS = b" \t\r\n"


class TagListError(Exception):
    """A tag=value list (RFC 6376, section 3.2) that cannot be read."""


@dataclass(frozen=True, slots=True)
class HeaderField:
    """A header field: its name in lower case and its octets as received, without the final CRLF."""

    name: bytes
    raw: bytes

    @property
    def value(self) -> bytes:
        """What follows the colon."""
        return self.raw.partition(b":")[2]


@dataclass(slots=True)
class SignedMessage:
    """A message cut for signing: the fields from top to bottom, and the body."""

    fields: list[HeaderField]
    body: bytes
    _by_name: dict[bytes, list[HeaderField]] = field(default_factory=dict)
    _body_hashes: dict[Canonicalization, bytes] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for item in self.fields:
            self._by_name.setdefault(item.name, []).append(item)

    @classmethod
    def parse(cls, raw: bytes) -> SignedMessage:
        """Cut `raw`, whose lines end in CRLF. A line without a colon belongs to no field and can be signed by none."""
        header, _, body = (b"", b"", raw[2:]) if raw.startswith(b"\r\n") else raw.partition(b"\r\n\r\n")
        fields = []
        for line in _FIELD_END.split(header):
            name, colon, _ = line.partition(b":")
            if colon:
                fields.append(HeaderField(name.rstrip(_WSP).lower(), line))
        return cls(fields, body)

    def named(self, name: bytes) -> Sequence[HeaderField]:
        """The fields called `name` (lower case), top first."""
        return self._by_name.get(name, ())

    def body_hash(self, form: Canonicalization) -> bytes:
        """SHA-256 of the canonical body; computed once, however many signatures cover it."""
        digest = self._body_hashes.get(form)
        if digest is None:
            digest = self._body_hashes[form] = hashlib.sha256(canonical_body(self.body, form)).digest()
        return digest

    def signed_octets(self, names: Iterable[bytes], signature: HeaderField, form: Canonicalization) -> bytes:
        """What a signature field signs: the fields `names` in order, then itself with an empty b= (section 3.7).

        A name repeated takes the next field of that name from the bottom up; one that is used up or absent adds
        nothing (section 5.4.2).
        """
        used: dict[bytes, int] = {}
        parts = []
        for name in names:
            candidates = self._by_name.get(name, ())
            position = used.get(name, 0) + 1
            if position <= len(candidates):
                used[name] = position
                parts.append(canonical_field(candidates[-position], form) + b"\r\n")
        parts.append(canonical_field(without_signature(signature), form))
        return b"".join(parts)


def canonical_field(item: HeaderField, form: Canonicalization) -> bytes:
    """The field without its final CRLF, unchanged or relaxed (sections 3.4.1, 3.4.2)."""
    if form == "simple":
        return item.raw
    return item.name + b":" + _single_spaced(unfold(item.value)).strip(_WSP)


def canonical_body(body: bytes, form: Canonicalization) -> bytes:
    """The body to hash (sections 3.4.3, 3.4.4): no empty lines at the end; relaxed, white space is reduced too."""
    if form == "relaxed":
        body = _single_spaced(body).replace(b" \r\n", b"\r\n")
        if body.endswith(b" "):
            body = body[:-1]
    end = len(body)
    # Blank lines go in large steps, so that megabytes of them are no work.
    for count in (4096, 64, 1):
        blank = b"\r\n" * count
        while body.endswith(blank, 0, end):
            end -= len(blank)
    if end == 0 and form == "relaxed":
        return b""
    return body[:end] + b"\r\n"


def without_signature(item: HeaderField) -> HeaderField:
    """The signature field with the value of its b= tag removed and nothing else touched."""
    name, colon, value = item.raw.partition(b":")
    return HeaderField(item.name, name + colon + _SIGNATURE_VALUE.sub(rb"\1", value, count=1))


def parse_tags(text: bytes) -> dict[str, str]:
    """The tag=value list as a dictionary, white space around names and values removed.

    Raises `TagListError` for what is not such a list, or names a tag twice. Octets outside ASCII survive as UTF-8.
    """
    tags: dict[str, str] = {}
    specifications = text.split(b";")
    if not specifications[-1].strip(_FWS):
        specifications.pop()
    for specification in specifications:
        name, equals, value = specification.partition(b"=")
        name = name.strip(_FWS)
        if not equals or not _TAG_NAME.match(name):
            raise TagListError("not a list of tag=value")
        key = name.decode("ascii")
        if key in tags:
            raise TagListError(f"tag {key}= appears twice")
        tags[key] = value.strip(_FWS).decode("utf-8", "replace")
    return tags


def unfold(value: bytes) -> bytes:
    """`value` with its line breaks removed."""
    return value.replace(b"\r\n", b"") if b"\r\n" in value else value


def _single_spaced(text: bytes) -> bytes:
    """Every run of spaces and tabs as one space; each pass halves the longest run."""
    if b"\t" in text:
        text = text.replace(b"\t", b" ")
    while b"  " in text:
        text = text.replace(b"  ", b" ")
    return text


def parse_canonicalization(text: str) -> tuple[Canonicalization, Canonicalization]:
    """Header and body form of a c= tag (section 3.5). Raises `TagListError` for a form that does not exist."""
    header, slash, body = text.partition("/")
    forms = (header, body if slash else "simple")
    if not {*forms} <= {"simple", "relaxed"}:
        raise TagListError(f"unknown canonicalization {text}")
    return cast("tuple[Canonicalization, Canonicalization]", forms)
