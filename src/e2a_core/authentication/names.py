"""Domain names in the one form in which they are compared and looked up: lower-case A-labels, no final dot."""

from __future__ import annotations

import re

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

# Underscores are not host names, yet DKIM selectors and some bounce domains carry them.
_LABEL = rf"[a-z0-9_-]{{1,{MAX_LABEL_OCTETS}}}"
_NAME = re.compile(rf"(?!-){_LABEL}(?:\.{_LABEL})*\Z")
_UNPRINTABLE = re.compile(r"[^\x20-\x7e]")


def normalize_domain(text: str) -> str | None:
    """`text` as lower-case A-labels without the final dot, or None when it is not a domain name.

    U-labels become A-labels (RFC 5890), so an internationalised name compares equal however it was written.
    Address literals, dotted quads, empty or overlong labels and overlong names are no domain names.
    """
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


def address_domain(address: str) -> str | None:
    """The normalised domain of a mail address without angle brackets, or None."""
    _, at, domain = address.rpartition("@")
    return normalize_domain(domain) if at else None


def is_below(name: str, ancestor: str) -> bool:
    """Whether `name` equals `ancestor` or is a subdomain of it; both normalised."""
    return name == ancestor or name.endswith("." + ancestor)


def printable(text: str, limit: int = 200) -> str:
    """`text` as at most `limit` printable ASCII characters, others replaced by `?`: for diagnostics and headers."""
    short = _UNPRINTABLE.sub("?", text)
    return short if len(short) <= limit else short[: limit - 3] + "..."
