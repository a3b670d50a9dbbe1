"""Parsing of domain names to register, and relations between domains."""

from __future__ import annotations

import re
from functools import cache
from typing import TYPE_CHECKING

from e2a_core.errors import InvalidDomain, ReservedDomain

if TYPE_CHECKING:
    from publicsuffixlist import PublicSuffixList

__all__ = [
    "BOUNCE_LABEL",
    "ancestors",
    "is_at_or_below",
    "is_public_suffix",
    "parse_domain",
    "refuse_public_suffix",
    "reserved_below",
]

BOUNCE_LABEL = "bounce"
"""This subdomain of a registered domain is reserved for delivery feedback and has no inboxes."""
MAX_DOMAIN_CHARS = 1024
"""Longer texts are cut before IDNA processing; they cannot be domains in any spelling."""

_LABEL = r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?"
_NAME = re.compile(rf"(?=.{{1,253}}\Z)(?:{_LABEL}\.)*{_LABEL}\Z")
_HOST = re.compile(rf"(?=.{{1,253}}\Z)(?:{_LABEL}\.)+(?!\d+\Z){_LABEL}\Z")


def parse_domain(text: str) -> str:
    """Parses a domain to register; returns it in lower-case A-labels (RFC 5891 section 5).

    Raises `InvalidDomain` unless it is a host name of at least two labels. Address literals, empty labels and a
    trailing dot are invalid.
    """
    name = _a_labels(text)
    if not _HOST.match(name):
        raise InvalidDomain(_FAULTS.get(_fault(text), _FAULT), location="body.domain")
    return name


def refuse_public_suffix(text: str) -> None:
    """Raises `ReservedDomain` if others register names directly below what is to be registered, `com` too."""
    name = _a_labels(text).strip(".")
    if _NAME.match(name) and is_public_suffix(name):
        raise ReservedDomain(
            f"{name} is a public suffix, below which anybody registers domains", location="body.domain"
        )


_FAULT = "must be a domain name such as example.com"
_FAULTS = {
    "@": f"{_FAULT}, without the part before the @",
    "/": f"{_FAULT}, without a scheme or a path",
    "*": f"{_FAULT}, without a wildcard",
}


def _fault(text: str) -> str:
    """The first character that tells what else was given."""
    return next((sign for sign in "/@*" if sign in text), "")


def _a_labels(text: str) -> str:
    """The name in lower-case A-labels; empty if there are none for it."""
    name = text.strip()
    if not name.isascii() or "xn--" in name.lower():
        name = _to_ascii(name[: MAX_DOMAIN_CHARS + 1])
    return name.lower()


def ancestors(domain: str) -> list[str]:
    """The parent domains of `domain`, nearest first."""
    labels = domain.split(".")
    return [".".join(labels[start:]) for start in range(1, len(labels))]


def is_at_or_below(domain: str, above: str) -> bool:
    return domain == above or domain.endswith(f".{above}")


def reserved_below(domain: str, registered: str) -> bool:
    """Returns True if `domain` is at or below the delivery feedback subdomain of `registered`."""
    return is_at_or_below(domain, f"{BOUNCE_LABEL}.{registered}")


def is_public_suffix(domain: str) -> bool:
    """Returns True if others register names directly below `domain` (publicsuffix.org, both sections of the list)."""
    return bool(_public_suffixes().is_public(domain))


@cache
def _public_suffixes() -> PublicSuffixList:
    # Imported here, because it reads 10,000 rules, which only a claim needs.
    from publicsuffixlist import PublicSuffixList

    # A name without dots such as localhost is not taken for a suffix that the list does not know yet.
    return PublicSuffixList(accept_unknown=False)


def _to_ascii(name: str) -> str:
    # Imported here, because its tables load slowly and few names need them.
    import idna

    try:
        return idna.encode(name, uts46=True, std3_rules=True).decode("ascii")
    except (idna.IDNAError, UnicodeError):
        return ""
