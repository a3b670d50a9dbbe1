"""Domain names as mail uses them: one spelling to compare and look up, the A-label."""

from __future__ import annotations

import re
from functools import lru_cache

__all__ = ["MAX_DOMAIN_OCTETS", "is_valid_domain", "to_ascii_domain"]

MAX_DOMAIN_OCTETS = 253
"""RFC 1035 2.3.4: 255 octets on the wire are 253 characters without the root's dot."""
REMEMBERED_DOMAINS = 4096
"""A message names the same few domains again and again."""

# Underscores are no host names, yet mail domains under such names exist and resolve.
_LABEL = r"[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?"
_ASCII_DOMAIN = re.compile(rf"(?:{_LABEL}\.)*(?!\d+\Z){_LABEL}\Z")


def to_ascii_domain(domain: str) -> str | None:
    """`domain` lower-cased with IDNA A-labels and without a final dot; None if it is no domain name.

    Address literals, empty labels, labels over 63 and names over 253 octets are no domain names.
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
    # Its tables take longer to load than all of this package; only mail with such a domain needs them.
    import idna

    try:
        return idna.encode(name, uts46=True).decode("ascii")
    except (idna.IDNAError, UnicodeError):
        return None
