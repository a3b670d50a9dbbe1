"""Domains as one caller may see and change them; which of them lets an account use an address."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime

from e2a_core.accounts.limits import limits_of
from e2a_core.clock import from_micros, rfc3339, to_micros
from e2a_core.contract.base import Page
from e2a_core.contract.domains import (
    DeleteDomainResult,
    DomainView,
    RegisterDomainRequest,
    VerifyDomainView,
)
from e2a_core.contract.principal import Principal
from e2a_core.core import Core
from e2a_core.domains import queries
from e2a_core.domains.claims import CLAIM_LIFETIME
from e2a_core.domains.dkim import new_dkim_key
from e2a_core.domains.names import (
    ancestors,
    is_at_or_below,
    parse_domain,
    refuse_public_suffix,
    reserved_below,
)
from e2a_core.domains.queries import DkimKeyRow, DomainRow, dkim_key_from, domain_from
from e2a_core.domains.records import domain_view
from e2a_core.domains.verification import verify_domain
from e2a_core.errors import (
    DomainHasAgents,
    DomainTaken,
    LimitExceeded,
    NotFound,
    ReservedDomain,
)
from e2a_core.mail.domains import to_ascii_domain
from e2a_core.paging import paged
from e2a_core.store.errors import ForeignKeyViolation
from e2a_core.store.statement import StaleWrite, first

__all__ = ["Domains"]

TOKEN_PREFIX = "e2a-verify="
TOKEN_OCTETS = 16


class Domains:
    """`engine.Domains`; for account credentials alone.

    `vacate` clears a domain that is to be deleted of the mailboxes that nobody made.
    """

    def __init__(
        self, core: Core, principal: Principal, vacate: Callable[[Core, str], Awaitable[None]] | None = None
    ) -> None:
        self._core = core
        self._principal = principal
        self._vacate = vacate

    async def list(self, *, cursor: str | None = None, limit: int = 100) -> Page[DomainView]:
        self._principal.require_account()
        page = await paged(
            self._core,
            lambda after, count: queries.domains(self._principal.account_id, after, count),
            query={"list": "domains"},
            cursor=cursor,
            limit=limit,
            columns=("created_at", "domain"),
            view=domain_from,
        )
        keys = await _keys_of(self._core, [row.domain for row in page.items])
        views = [domain_view(self._core.settings, row, keys[row.domain]) for row in page.items]
        return Page(items=views, next_cursor=page.next_cursor)

    async def get(self, domain: str) -> DomainView:
        self._principal.require_account()
        return await self._view(await self._owned(domain))

    async def register(self, request: RegisterDomainRequest) -> DomainView:
        """Claim a domain for the account; claiming it again answers what there is.

        Raises `InvalidDomain`, `ReservedDomain`, `LimitExceeded` or `DomainTaken`.
        """
        self._principal.require_account()
        refuse_public_suffix(request.domain)
        domain = parse_domain(request.domain)
        shared = self._core.settings.shared_domain
        if shared and is_at_or_below(domain, shared):
            raise ReservedDomain(f"{shared} is the deployment's own", location="body.domain")
        await self._check_quota()
        row = first(await self._core.db.read(queries.domain_of(self._principal.account_id, domain)))
        return await self._view(await self._claim(domain) if row is None else domain_from(row))

    async def verify(self, domain: str) -> VerifyDomainView:
        """Look whether the records are published; what was proven once stays so."""
        self._principal.require_account()
        row = await self._owned(domain)
        keys = (await _keys_of(self._core, [row.domain]))[row.domain]
        try:
            verified_at, probe, dkim = await verify_domain(self._core, self._principal.account_id, row, keys)
        except StaleWrite:
            raise NotFound("no such domain") from None
        return VerifyDomainView(
            domain=row.domain,
            verified=verified_at is not None,
            verified_at=None if verified_at is None else from_micros(verified_at),
            mx=probe.mx,
            spf=probe.spf,
            dkim=dkim,
        )

    async def delete(self, domain: str) -> DeleteDomainResult:
        """Its roles go with it. Raises `DomainHasAgents` while agents are bound to it, in the trash or not."""
        self._principal.require_account()
        row = await self._owned(domain)
        if self._vacate is not None:
            await self._vacate(self._core, row.domain)
        try:
            await self._core.db.write([queries.delete_domain(self._principal.account_id, row.domain)])
        except ForeignKeyViolation:
            raise DomainHasAgents("delete the agents under this domain first, for good") from None
        return DeleteDomainResult(deleted=True, domain=row.domain)

    async def rotate_key(self, domain: str) -> DomainView:
        """With a rotation under way already, it answers what there is, so that a repeat does no harm."""
        self._principal.require_account()
        row = await self._owned(domain)
        known = (await _keys_of(self._core, [row.domain]))[row.domain]
        if sum(key.retired_at is None for key in known) < 2:
            made = await new_dkim_key(self._core, row.domain, selectors={key.selector for key in known})
            await self._core.db.write([queries.insert_second_dkim_key(made)])
        return await self._view(row)

    async def _claim(self, domain: str) -> DomainRow:
        account_id = self._principal.account_id
        # Made before the database is locked: it takes a tenth of a second or more.
        key = await new_dkim_key(self._core, domain)
        row = DomainRow(
            domain=domain,
            account_id=account_id,
            verification_token=TOKEN_PREFIX + self._core.ids.secret(TOKEN_OCTETS),
            created_at=to_micros(self._core.clock.now()),
            verified_at=None,
            last_checked_at=None,
        )
        async with self._core.db.transaction() as transaction:
            await transaction.read(queries.claim_lock())
            related = await transaction.read(queries.related_domains(domain, ancestors(domain)))
            known = [domain_from(found) for found in related]
            own = _own_or_refused(account_id, domain, known, self._core.clock.now())
            if own is not None:
                return own
            lapsed = [
                queries.delete_domain(found.account_id, domain) for found in known if found.domain == domain
            ]
            await transaction.write([*lapsed, queries.insert_domain(row), queries.insert_dkim_key(key)])
        return row

    async def _check_quota(self) -> None:
        row = first(await self._core.db.read(queries.count_domains(self._principal.account_id)))
        registered = 0 if row is None else row["domains"]
        limit = limits_of(self._core.settings).max_domains
        if registered >= limit:
            raise LimitExceeded("domains", limit, registered)

    async def _owned(self, domain: str) -> DomainRow:
        name = to_ascii_domain(domain.strip())
        row = (
            None
            if name is None
            else first(await self._core.db.read(queries.domain_of(self._principal.account_id, name)))
        )
        if row is None:
            raise NotFound("no such domain")
        return domain_from(row)

    async def _view(self, row: DomainRow) -> DomainView:
        return domain_view(self._core.settings, row, (await _keys_of(self._core, [row.domain]))[row.domain])


def _own_or_refused(
    account_id: str, domain: str, related: Sequence[DomainRow], now: datetime
) -> DomainRow | None:
    """The account's own registration of `domain` if there is one. Raises why it cannot have one.

    What another account has claimed and not proven stands in the way for `CLAIM_LIFETIME` only.
    """
    own = next((row for row in related if row.domain == domain and row.account_id == account_id), None)
    if own is not None:
        return own
    for row in related:
        # The shared domain belongs to nobody, and the deployment's operator may well register the one above it.
        if row.account_id == account_id or not (row.account_id or row.domain == domain):
            continue
        if row.verified_at is not None:
            raise DomainTaken("this domain, or one above or below it, is another account's")
        lapses = from_micros(row.created_at) + CLAIM_LIFETIME
        if now < lapses:
            raise DomainTaken(
                f"another account claimed {row.domain}, and may prove it until {rfc3339(lapses)}"
            )
    for row in related:
        if reserved_below(domain, row.domain):
            raise ReservedDomain(f"{domain} is kept for delivery feedback", location="body.domain")
    return None


async def _keys_of(core: Core, names: Sequence[str]) -> dict[str, list[DkimKeyRow]]:
    """The keys of each domain, the oldest first."""
    found: dict[str, list[DkimKeyRow]] = {name: [] for name in names}
    if names:
        for row in await core.db.read(queries.dkim_keys_of(names)):
            found[row["domain"]].append(dkim_key_from(row))
    return found
