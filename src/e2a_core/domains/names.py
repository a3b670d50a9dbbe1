"""Which names can be registered, and how a domain stands to another."""

from __future__ import annotations

import re

from e2a_core.errors import InvalidDomain

__all__ = ["BOUNCE_LABEL", "ancestors", "is_at_or_below", "parse_domain", "reserved_below"]

BOUNCE_LABEL = "bounce"
"""Mail to this subdomain of a registered domain is delivery feedback, never an inbox's."""
MAX_DOMAIN_CHARS = 1024
"""Longer texts are no domain in any spelling, and not worth the tables of IDNA."""

_LABEL = r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?"
_HOST = re.compile(rf"(?=.{{1,253}}\Z)(?:{_LABEL}\.)+(?!\d+\Z){_LABEL}\Z")


def parse_domain(text: str) -> str:
    """The domain a caller wants to register, in lower-case A-labels (RFC 5891 section 5, lookup).

    Raises `InvalidDomain` for what is no host name of two labels or more: an address literal, an empty label, a
    final dot.
    """
    name = text.strip()
    if not name.isascii() or "xn--" in name.lower():
        name = _to_ascii(name[: MAX_DOMAIN_CHARS + 1])
    name = name.lower()
    if not _HOST.match(name):
        raise InvalidDomain("must be a domain name such as example.com", location="body.domain")
    return name


def ancestors(domain: str) -> list[str]:
    """The domains above `domain`, the nearest first."""
    labels = domain.split(".")
    return [".".join(labels[start:]) for start in range(1, len(labels))]


def is_at_or_below(domain: str, above: str) -> bool:
    return domain == above or domain.endswith(f".{above}")


def reserved_below(domain: str, registered: str) -> bool:
    """Whether `domain` lies where the delivery feedback of `registered` goes."""
    return is_at_or_below(domain, f"{BOUNCE_LABEL}.{registered}")


def _to_ascii(name: str) -> str:
    # Its tables take long to load, and few names need them.
    import idna

    try:
        return idna.encode(name, uts46=True, std3_rules=True).decode("ascii")
    except (idna.IDNAError, UnicodeError):
        return ""
