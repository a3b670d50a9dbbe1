"""The sender of a report, and the recipients it may suppress.

Everyone who got a message knows its Message-ID and, from its header, other recipients, which is enough to forge a
report about them. Reports are therefore always recorded, but only a reporter responsible for the recipient's mail, or
for its path, can suppress that recipient for the whole account.
"""

from __future__ import annotations

from dataclasses import dataclass

from e2a_core.mail.domains import to_ascii_domain
from e2a_core.settings import Settings

__all__ = ["Reporter"]


@dataclass(frozen=True, slots=True)
class Reporter:
    """`null_sender` is True if the envelope sender was empty; `domain` is the authenticated Author Domain, or ""."""

    null_sender: bool
    domain: str

    def answers_for(self, address: str, settings: Settings) -> bool:
        """Returns True if the domain is related to the recipient's, to this deployment's or to its relay's."""
        domains = (address.rpartition("@")[2], settings.from_domain, settings.outbound_smtp_host)
        return any(_related(self.domain, domain) for domain in domains)


def _related(one: str, other: str) -> bool:
    """Returns True if the domains are equal or one is a parent of the other; top-level domains have no relatives."""
    first, second = to_ascii_domain(one) or "", to_ascii_domain(other) or ""
    if not first or not second:
        return False
    upper, lower = sorted((first, second), key=len)
    return upper == lower or ("." in upper and lower.endswith(f".{upper}"))
