"""Normalises domain names for comparison and look-up: lower-case A-labels without a final dot."""

from __future__ import annotations

import re
from functools import lru_cache

import dns.exception
import dns.name

__all__ = [
    "MAX_LABEL_OCTETS",
    "MAX_NAME_OCTETS",
    "address_domain",
    "is_below",
    "normalize_domain",
    "printable",
]

MAX_LABEL_OCTETS = 63
"""RFC 1035, section 2.3.4."""
MAX_NAME_OCTETS = 253
"""255 octets on the wire (RFC 1035, section 2.3.4) leave 253 in text without the final dot."""
REMEMBERED_DOMAINS = 4096
"""Entries of the cache: the checks of one message ask for the same few domains ten times (`python -m bench intake`)."""

_LABEL = rf"[a-z0-9_-]{{1,{MAX_LABEL_OCTETS}}}"
"""Host names have no underscores, but DKIM selectors and some bounce domains do."""
_NAME = re.compile(rf"(?!-){_LABEL}(?:\.{_LABEL})*\Z")
_UNPRINTABLE = re.compile(r"[^\x20-\x7e]")


def normalize_domain(text: str) -> str | None:
    """`text` as lower-case A-labels (RFC 5890) without a final dot.

    Returns None if it is not a domain name: address literals, dotted quads, empty or overlong labels, overlong names.
    """
    return _remembered(text) if len(text) <= MAX_NAME_OCTETS else _normalize(text)


def _normalize(text: str) -> str | None:
    name = text.strip().lower().removesuffix(".")
    if not name.isascii():
        try:
            labels = re.split("[.\u3002\uff0e\uff61]", name)
            name = ".".join(dns.name.IDNA_2008_UTS_46.encode(label).decode("ascii") for label in labels)
        except (dns.exception.DNSException, UnicodeError):
            return None
    if len(name) > MAX_NAME_OCTETS or not _NAME.match(name) or name.rpartition(".")[2].isdigit():
        return None
    return name


_remembered = lru_cache(maxsize=REMEMBERED_DOMAINS)(_normalize)


def address_domain(address: str) -> str | None:
    """The normalised domain of a mail address without angle brackets; None if it has no valid domain."""
    _, at, domain = address.rpartition("@")
    return normalize_domain(domain) if at else None


def is_below(name: str, ancestor: str) -> bool:
    """Whether `name` equals `ancestor` or is a subdomain of it; both must be normalised."""
    return name == ancestor or name.endswith("." + ancestor)


def printable(text: str, limit: int = 200) -> str:
    """`text` cut to `limit` characters, with `?` for all but printable ASCII; for diagnostics and headers."""
    short = _UNPRINTABLE.sub("?", text)
    return short if len(short) <= limit else short[: limit - 3] + "..."
