"""Which registered domain lets an account use an address."""

from __future__ import annotations

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
    "authorising_domain",
    "ensure_shared_domain",
]


async def ensure_shared_domain(core: Core) -> None:
    """Register the configured shared domain, which nobody owns and which needs no proof."""
    if core.settings.shared_domain:
        now = to_micros(core.clock.now())
        await core.db.write([queries.insert_shared_domain(core.settings.shared_domain, now)])


async def authorising_domain(core: Core, account_id: str, address_domain: str) -> str:
    """The registered domain under which the account may have addresses at `address_domain`.

    It is that domain itself or its most specific registered ancestor; under an ancestor, mail to the address has
    to come here already. Raises `DomainNotRegistered`, `DomainNotVerifiedYet`, `ReservedDomain`, `InboundMxMissing`
    or `InboundMxCheckFailed`.
    """
    rows = await core.db.read(
        queries.authorising_domains(account_id, [address_domain, *ancestors(address_domain)])
    )
    if not rows:
        raise DomainNotRegistered(
            "register the domain of the address, or one above it", location="body.email"
        )
    found = domain_from(rows[0])
    if found.verified_at is None:
        raise DomainNotVerifiedYet(f"prove the ownership of {found.domain} first", location="body.email")
    if reserved_below(address_domain, found.domain):
        raise ReservedDomain(f"{address_domain} is kept for delivery feedback", location="body.email")
    if address_domain != found.domain and core.settings.dns_verify:
        # Loads the DNS library, which no other way to an agent needs.
        from e2a_core.domains.probe import check_inbound_mx

        await check_inbound_mx(core.resolver(), address_domain, core.settings.hostname)
    return found.domain
