"""Who sent a report, and whom it may keep from being written to again.

Everyone who got a message knows its Message-ID and, from its header, the other recipients; a report about them takes
no more than that. What it says is told either way, but only somebody who answers for a recipient's mail, or for the
way it took, can have the whole account stop writing to that recipient.
"""

from __future__ import annotations

from dataclasses import dataclass

from e2a_core.mail.domains import to_ascii_domain
from e2a_core.settings import Settings

__all__ = ["Reporter"]


@dataclass(frozen=True, slots=True)
class Reporter:
    """`null_sender` tells of the envelope; `domain` is the Author Domain when it is proven, else empty."""

    null_sender: bool
    domain: str

    def answers_for(self, address: str, settings: Settings) -> bool:
        """Whether it is of the recipient's domain, of the one this deployment sends from, or of its relay's."""
        domains = (address.rpartition("@")[2], settings.from_domain, settings.outbound_smtp_host)
        return any(_related(self.domain, domain) for domain in domains)


def _related(one: str, other: str) -> bool:
    """Whether the domains are the same or one is above the other; a top-level domain is above nothing."""
    first, second = to_ascii_domain(one) or "", to_ascii_domain(other) or ""
    if not first or not second:
        return False
    upper, lower = sorted((first, second), key=len)
    return upper == lower or ("." in upper and lower.endswith(f".{upper}"))
