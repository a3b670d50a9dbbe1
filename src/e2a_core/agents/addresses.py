"""The addresses an agent may have: slugs under the shared domain, any mailbox under a registered one."""

from __future__ import annotations

import re
from dataclasses import dataclass

from e2a_core.errors import InvalidRecipient, InvalidRequest, InvalidSlug
from e2a_core.mail.addresses import parse_address
from e2a_core.mail.domains import to_ascii_domain
from e2a_core.mail.roles import RESERVED, is_reserved, skeleton

__all__ = ["RESERVED_SLUGS", "NewAddress", "check_slug", "parse_new_address"]

NO_REPLY = frozenset({"noreply", "no-reply", "donotreply", "do-not-reply"})
"""Senders that nobody can answer; readers take them for the system that the mail came from."""
RESERVED_SLUGS = (
    RESERVED
    | NO_REPLY
    | {
        # What readers take for the deployment itself.
        "agent",
        "api",
        "demo",
        "e2a",
        "help",
        "info",
        "login",
        "mail",
        "official",
        "password",
        "system",
        "test",
        "verify",
        # Names of a domain's servers and records.
        "bimi",
        "dkim",
        "dmarc",
        "dns",
        "imap",
        "localhost",
        "mx",
        "pop3",
        "smtp",
        "spf",
        "tlsrpt",
    }
)
"""Reserved on the shared domain, whose inboxes belong to strangers. Under a registered domain all but `RESERVED` are
the owner's to give, `dmarc` for the reports about it, for example."""
RELAY_LOCALS = NO_REPLY | {"agent"}
"""Reserved under the domain that the relay sends from: the local parts of its own addresses, and what reads alike."""

_SLUG_SKELETONS = frozenset(map(skeleton, RESERVED_SLUGS))
_RELAY_SKELETONS = frozenset(map(skeleton, RELAY_LOCALS))
_SLUG = re.compile(r"[a-z0-9][a-z0-9-]{0,38}[a-z0-9]")
_LOCATION = "body.email"


@dataclass(frozen=True, slots=True)
class NewAddress:
    """A valid, normalised address: `local` in lower case, `domain` in A-labels."""

    local: str
    domain: str

    @property
    def email(self) -> str:
        return f"{self.local}@{self.domain}"


def parse_new_address(text: str, *, shared_domain: str, from_domain: str = "") -> NewAddress:
    """Parses the address of a new agent; a name alone is one under the shared domain.

    Raises `InvalidRequest`, or `InvalidSlug` for a reserved or invalid name.
    """
    given = text.strip().lower()
    local, at, domain_text = (
        given if "@" in given or not shared_domain else f"{given}@{shared_domain}"
    ).rpartition("@")
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
    local = address.normalized.rpartition("@")[0]
    if is_reserved(local) or (domain == from_domain and skeleton(local) in _RELAY_SKELETONS):
        raise _reserved(local)
    return NewAddress(local, domain)


def check_slug(local: str) -> None:
    """Raises `InvalidSlug` if `local` cannot be a local part under the shared domain."""
    if not _SLUG.fullmatch(local):
        raise InvalidSlug(
            "the part before @ must have 2 to 40 lower-case letters, digits or inner hyphens",
            location=_LOCATION,
        )
    if skeleton(local) in _SLUG_SKELETONS:
        raise _reserved(local)


def _reserved(local: str) -> InvalidSlug:
    return InvalidSlug(f"{local} is reserved; choose another name", location=_LOCATION)
