"""Normalises mail domain names to A-labels, the form used to compare them and look them up."""

from __future__ import annotations

import re
from functools import lru_cache

__all__ = ["MAX_DOMAIN_OCTETS", "is_valid_domain", "to_ascii_domain"]

MAX_DOMAIN_OCTETS = 253
"""RFC 1035 section 2.3.4: 255 octets on the wire are 253 characters without the final dot."""
REMEMBERED_DOMAINS = 4096
"""Entries of the cache: one message repeats the same few domains."""

_LABEL = r"[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?"
"""Host names have no underscores, but mail domains with underscores exist and resolve."""
_ASCII_DOMAIN = re.compile(rf"(?:{_LABEL}\.)*(?!\d+\Z){_LABEL}\Z")


def to_ascii_domain(domain: str) -> str | None:
    """`domain` in lower case, as A-labels (IDNA), without a final dot.

    Returns None for anything that is not a domain name: address literals, empty labels, labels over 63 octets, names
    over 253 octets.
    """
    return _ascii_domain(domain) if len(domain) <= MAX_DOMAIN_OCTETS + 1 else None


@lru_cache(maxsize=REMEMBERED_DOMAINS)
def _ascii_domain(domain: str) -> str | None:
    name = domain.removesuffix(".")
    if not name.isascii():
        encoded = _idna(name)
        if encoded is None:
            return None
        name = encoded
    name = name.lower()
    if len(name) > MAX_DOMAIN_OCTETS or not _ASCII_DOMAIN.match(name):
        return None
    return name


def is_valid_domain(domain: str) -> bool:
    return to_ascii_domain(domain) is not None


def _idna(name: str) -> str | None:
    # Loading its tables takes longer than importing this package, and few messages need them.
    import idna

    try:
        return idna.encode(name, uts46=True).decode("ascii")
    except (idna.IDNAError, UnicodeError):
        return None
