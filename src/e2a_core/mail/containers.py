"""Opens what holds mail without being a multipart: S/MIME signatures around their content, and winmail.dat.

`opened` returns MIME entities, as octets. It never raises: what it cannot read holds nothing.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Callable
from dataclasses import dataclass

from e2a_core.mail import tnef
from e2a_core.mail.der import Element, children, elements, octet_string
from e2a_core.mail.headers import decode_base64

__all__ = ["CONTAINER_KINDS", "SMIME_TYPES", "Contents", "is_enveloped", "opened"]

MAX_INFLATED_BYTES = 10 * 1024 * 1024
"""Compressed content that is longer is not opened: 10 MB of zeros take 10 kB."""

CONTAINER_KINDS = frozenset({"smime", "tnef"})
SMIME_TYPES = frozenset({"application/pkcs7-mime", "application/x-pkcs7-mime"})
_TNEF_TYPES = frozenset({"application/ms-tnef", "application/vnd.ms-tnef"})

_SIGNED_DATA = bytes.fromhex("2a864886f70d010702")
_ENVELOPED = frozenset(
    {
        bytes.fromhex("2a864886f70d010703"),  # enveloped-data, RFC 5652 section 6
        bytes.fromhex("2a864886f70d010706"),  # encrypted-data, RFC 5652 section 8
        bytes.fromhex("2a864886f70d0109100117"),  # authenticated and enveloped data, RFC 5083
    }
)
_COMPRESSED_DATA = bytes.fromhex("2a864886f70d0109100109")
_CONTEXT_0 = 0xA0
_NOT_PEM = re.compile(rb"-----[^\n]*-----|\s+")


@dataclass(frozen=True, slots=True)
class Contents:
    """What is inside a container; `kind` is `smime` or `tnef`, or "" if nothing is.

    `complete` says that the entities are all that it holds, unless `hides_letter`: then its letter is not among them.
    `omitted` has a sentence for each cap that left some out.
    """

    kind: str = ""
    entities: tuple[bytes, ...] = ()
    complete: bool = False
    hides_letter: bool = False
    omitted: tuple[str, ...] = ()


def opened(content_type: str, filename: str, content: Callable[[], bytes]) -> Contents:
    """What is inside a leaf; `content` reads its octets."""
    name = filename.lower()
    if content_type in SMIME_TYPES or (
        content_type == "application/octet-stream" and name.endswith((".p7m", ".p7z"))
    ):
        inside = _cms_content(content())
        return Contents() if inside is None else Contents("smime", (inside,), complete=True)
    if content_type in _TNEF_TYPES or name == "winmail.dat":
        found = tnef.read(content())
        kind = "tnef" if found.entities else ""
        return Contents(kind, tuple(found.entities), found.complete, found.hides_letter, tuple(found.omitted))
    return Contents()


def is_enveloped(data: bytes) -> bool:
    """Whether this is CMS content that only the holder of a key can read (RFC 5652 section 6, RFC 5083)."""
    info = _content_info(data)
    return info is not None and info[0] in _ENVELOPED


def _cms_content(data: bytes) -> bytes | None:
    """The content of signed data (RFC 5652 section 5) or compressed data (RFC 3274); None if there is none.

    Both have a version, a field of algorithms, and then the type of the content and the content.
    """
    info = _content_info(data)
    if info is None or info[0] not in (_SIGNED_DATA, _COMPRESSED_DATA):
        return None
    kind, body = info
    for element in children(body):
        members = [item for item in children(element) if element.tag == 0x30]
        if len(members) >= 2 and members[0].tag == 0x06 and members[1].tag == _CONTEXT_0:
            content = octet_string(members[1])
            return content if kind == _SIGNED_DATA or content is None else _inflate(content)
    return None


def _content_info(data: bytes) -> tuple[bytes, Element] | None:
    """The type and the content of a ContentInfo (RFC 5652 section 3)."""
    if data.lstrip().startswith(b"-----BEGIN"):
        data = _binary(data)
    outer = next(elements(data, 0, len(data)), None)
    if outer is None or outer.tag != 0x30:
        return None
    members = list(children(outer))
    if len(members) < 2 or members[0].tag != 0x06 or members[1].tag != _CONTEXT_0:
        return None
    content = next(children(members[1]), None)
    return None if content is None else (members[0].octets, content)


def _binary(pem: bytes) -> bytes:
    return decode_base64(_NOT_PEM.sub(b"", pem))


def _inflate(data: bytes) -> bytes | None:
    """The decompressed content; None if it is damaged or longer than the cap."""
    inflater = zlib.decompressobj()
    try:
        content = inflater.decompress(data, MAX_INFLATED_BYTES)
    except zlib.error:
        return None
    return content if inflater.eof else None
