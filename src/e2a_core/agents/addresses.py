"""Which addresses an agent may have: slugs under the shared domain, any mailbox under a registered one."""

from __future__ import annotations

import re
from dataclasses import dataclass

from e2a_core.errors import InvalidRecipient, InvalidRequest, InvalidSlug
from e2a_core.mail.addresses import parse_address
from e2a_core.mail.domains import to_ascii_domain

__all__ = ["RESERVED_SLUGS", "NewAddress", "check_slug", "parse_new_address"]

RESERVED_SLUGS = frozenset(
    {
        "abuse",
        "admin",
        "agent",
        "api",
        "demo",
        "help",
        "info",
        "mail",
        "mailer-daemon",
        "no-reply",
        "noreply",
        "postmaster",
        "root",
        "system",
        "test",
        "www",
    }
)
"""Names that people take for the deployment itself; RFC 2142 section 5 names the first of them."""

_SLUG = re.compile(r"[a-z0-9][a-z0-9-]{0,38}[a-z0-9]")
_LOCATION = "body.email"


@dataclass(frozen=True, slots=True)
class NewAddress:
    """A valid address, normalised: `local` in lower case, `domain` in A-labels."""

    local: str
    domain: str

    @property
    def email(self) -> str:
        return f"{self.local}@{self.domain}"


def parse_new_address(text: str, *, shared_domain: str) -> NewAddress:
    """The address a caller wants for a new agent. Raises `InvalidRequest` or `InvalidSlug`."""
    local, at, domain_text = text.strip().lower().rpartition("@")
    if not at or not local or not domain_text:
        raise InvalidRequest("must be an address such as assistant@example.com", location=_LOCATION)
    domain = to_ascii_domain(domain_text)
    if domain is None:
        raise InvalidRequest("the part after @ must be a domain name such as example.com", location=_LOCATION)
    if domain == shared_domain:
        check_slug(local)
        return NewAddress(local, domain)
    try:
        address = parse_address(f"{local}@{domain}")
    except InvalidRecipient as problem:
        raise InvalidRequest(problem.message, location=_LOCATION) from None
    return NewAddress(address.normalized.rpartition("@")[0], domain)


def check_slug(local: str) -> None:
    """Raises `InvalidSlug` unless `local` may stand before the shared domain."""
    if not _SLUG.fullmatch(local):
        raise InvalidSlug(
            "the part before @ must have 2 to 40 lower-case letters, digits or hyphens, no hyphen at either end",
            location=_LOCATION,
        )
    if local in RESERVED_SLUGS:
        raise InvalidSlug(f"{local} is reserved; choose another name", location=_LOCATION)
