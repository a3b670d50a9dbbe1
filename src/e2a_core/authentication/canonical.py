"""Canonical forms of a message for DKIM and ARC (RFC 6376, section 3.4), shared by the signer and the verifiers.

Every step takes time linear in the size of the message.
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

MAX_HEADER_OCTETS = 256 * 1024
"""The largest header section that the SMTP server takes; nothing longer is split into fields."""
MAX_TAGS = 100
"""Tags read from one list; signatures and keys have about a dozen."""
_PIECE_OCTETS = 256 * 1024
"""Octets changed in one step; a thread that works holds up the event loop for that long."""

_FIELD_END = re.compile(rb"\r\n(?![ \t])")
_FIELD = re.compile(rb"(?!<)([!-9;-~]++)[ \t]*+:(?!//)")
"""The beginning of a header field, as `mail.headers` reads it."""
_TAG_NAME = re.compile(rb"[A-Za-z][A-Za-z0-9_]*\Z")
_SIGNATURE_VALUE = re.compile(rb"((?:\A|;)[ \t\r\n]*b[ \t\r\n]*=)[^;]*")
_WSP = b" \t"
_FWS = b" \t\r\n"


class TagListError(Exception):
    """The text is not a valid tag=value list (RFC 6376, section 3.2)."""


@dataclass(frozen=True, slots=True)
class HeaderField:
    """A header field: its lower-case name, and its octets as received without the final CRLF."""

    name: bytes
    raw: bytes

    @property
    def value(self) -> bytes:
        """The octets after the colon."""
        return self.raw.partition(b":")[2]


@dataclass(slots=True)
class SignedMessage:
    """A message split for signing: the header fields from top to bottom, and the body.

    A header section is `well_formed` if it has only fields and ends with an empty line. Readers differ on where the
    body of any other begins, so that a signature over it does not cover what they show.
    """

    fields: list[HeaderField]
    body: bytes
    well_formed: bool = True
    _by_name: dict[bytes, list[HeaderField]] = field(default_factory=dict)
    _body_hashes: dict[Canonicalization, bytes] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for item in self.fields:
            self._by_name.setdefault(item.name, []).append(item)

    @classmethod
    def parse(cls, raw: bytes) -> SignedMessage:
        """Split `raw`, whose lines end in CRLF."""
        if raw.startswith(b"\r\n"):
            return cls([], raw[2:])
        end = raw.find(b"\r\n\r\n", 0, MAX_HEADER_OCTETS)
        header, body = (raw[:end], raw[end + 4 :]) if end >= 0 else (raw[:MAX_HEADER_OCTETS], b"")
        fields, well_formed = [], end >= 0
        for line in _FIELD_END.split(header):
            match = _FIELD.match(line)
            if match:
                fields.append(HeaderField(match[1].lower(), line))
            else:
                well_formed = False
        return cls(fields, body, well_formed)

    def named(self, name: bytes) -> Sequence[HeaderField]:
        """The fields with the lower-case name `name`, topmost first."""
        return self._by_name.get(name, ())

    def body_hash(self, form: Canonicalization) -> bytes:
        """SHA-256 of the canonical body, computed once for all signatures."""
        digest = self._body_hashes.get(form)
        if digest is None:
            digest = self._body_hashes[form] = hashlib.sha256(canonical_body(self.body, form)).digest()
        return digest

    def hash_body(self) -> None:
        """Compute in advance the body hashes that the signatures of the message ask for."""
        for name in (b"dkim-signature", b"arc-message-signature"):
            for item in self.named(name):
                try:
                    tags = parse_tags(item.value)
                    default = "simple/simple" if name == b"dkim-signature" else "relaxed/relaxed"
                    self.body_hash(parse_canonicalization(tags.get("c", default))[1])
                except TagListError:
                    continue

    def signed_octets(self, names: Iterable[bytes], signature: HeaderField, form: Canonicalization) -> bytes:
        """The octets that `signature` covers: the fields `names` in order, then itself with an empty b= (section 3.7).

        A repeated name selects the next field of that name from the bottom up; a name without a further field adds
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
    """The field without its final CRLF, unchanged or relaxed (sections 3.4.1 and 3.4.2)."""
    if form == "simple":
        return item.raw
    return item.name + b":" + _single_spaced(unfold(item.value)).strip(_WSP)


def canonical_body(body: bytes, form: Canonicalization) -> bytes:
    """The body to hash, without empty lines at its end; relaxed also reduces white space (sections 3.4.3 and 3.4.4)."""
    if form == "relaxed":
        body = _single_spaced(body).replace(b" \r\n", b"\r\n")
        if body.endswith(b" "):
            body = body[:-1]
    end = len(body)
    # Large steps first, so that megabytes of blank lines are removed quickly.
    for count in (4096, 64, 1):
        blank = b"\r\n" * count
        while body.endswith(blank, 0, end):
            end -= len(blank)
    if end == 0 and form == "relaxed":
        return b""
    return body[:end] + b"\r\n"


def without_signature(item: HeaderField) -> HeaderField:
    """The signature field with the value of its b= tag removed."""
    name, colon, value = item.raw.partition(b":")
    return HeaderField(item.name, name + colon + _SIGNATURE_VALUE.sub(rb"\1", value, count=1))


def parse_tags(text: bytes) -> dict[str, str]:
    """Parse a tag=value list into a dictionary, without white space around names and values.

    Values are decoded as UTF-8. Raises `TagListError` if the text is not such a list or repeats a tag.
    """
    tags: dict[str, str] = {}
    specifications = text.split(b";", MAX_TAGS)
    if len(specifications) > MAX_TAGS:
        raise TagListError("longer than any list of tags")
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
    """Replace every run of spaces and tabs by one space; each pass halves the longest run."""
    if len(text) > _PIECE_OCTETS:
        pieces = range(0, len(text), _PIECE_OCTETS)
        text = b"".join(_single_spaced(text[start : start + _PIECE_OCTETS]) for start in pieces)
    if b"\t" in text:
        text = text.replace(b"\t", b" ")
    while b"  " in text:
        text = text.replace(b"  ", b" ")
    return text


def parse_canonicalization(text: str) -> tuple[Canonicalization, Canonicalization]:
    """The header form and body form of a c= tag (section 3.5). Raises `TagListError` for an unknown form."""
    header, slash, body = text.partition("/")
    forms = (header, body if slash else "simple")
    if not {*forms} <= {"simple", "relaxed"}:
        raise TagListError(f"unknown canonicalization {text}")
    return cast("tuple[Canonicalization, Canonicalization]", forms)
