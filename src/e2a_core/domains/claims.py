"""Finding the registered domain that authorises an account to use an address."""

from __future__ import annotations

from datetime import timedelta

from e2a_core.clock import to_micros
from e2a_core.core import Core
from e2a_core.domains import queries
from e2a_core.domains.names import ancestors, reserved_below
from e2a_core.domains.queries import domain_from
from e2a_core.errors import (
    DomainNotRegistered,
    DomainNotVerifiedYet,
    ReservedDomain,
)

__all__ = [
    "CLAIM_LIFETIME",
    "authorising_domain",
    "ensure_shared_domain",
]

CLAIM_LIFETIME = timedelta(hours=72)
"""A claim that was not proven by then gives way to another account's: long enough for slow DNS over a weekend, short
enough that nobody keeps a domain from its owner."""


async def ensure_shared_domain(core: Core) -> None:
    """Registers the configured shared domain, which has no owner and needs no verification."""
    if core.settings.shared_domain:
        now = to_micros(core.clock.now())
        await core.db.write([queries.insert_shared_domain(core.settings.shared_domain, now)])


async def authorising_domain(core: Core, account_id: str, address_domain: str) -> str:
    """Returns the registered domain that lets the account have addresses at `address_domain`.

    It is that domain itself or its most specific registered ancestor. Under an ancestor, the MX of `address_domain`
    must already be this deployment. Raises `DomainNotRegistered`, `DomainNotVerifiedYet`, `ReservedDomain`,
    `InboundMxMissing` or `InboundMxCheckFailed`.
    """
    rows = await core.db.read(
        queries.authorising_domains(account_id, [address_domain, *ancestors(address_domain)])
    )
    if not rows:
        raise DomainNotRegistered(
            "register the domain of the address or a parent domain first", location="body.email"
        )
    found = domain_from(rows[0])
    if found.verified_at is None:
        raise DomainNotVerifiedYet(f"verify the domain {found.domain} first", location="body.email")
    if reserved_below(address_domain, found.domain):
        raise ReservedDomain(f"{address_domain} is reserved for delivery feedback", location="body.email")
    if address_domain != found.domain and core.settings.dns_verify:
        # Imported here, because it loads the DNS library, which other ways to create an agent do not need.
        from e2a_core.domains.probe import check_inbound_mx

        await check_inbound_mx(core.resolver(), address_domain, core.settings.hostname)
    return found.domain
