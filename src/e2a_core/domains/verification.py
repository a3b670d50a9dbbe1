"""Verifying a domain: checking its DNS records and storing the result."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from e2a_core.clock import to_micros
from e2a_core.core import Core
from e2a_core.domains import queries
from e2a_core.domains.names import ancestors
from e2a_core.domains.queries import DkimKeyRow, DomainRow, domain_from
from e2a_core.domains.sending import failure, sending_changed, sending_status
from e2a_core.errors import DomainTaken
from e2a_core.store.statement import Statement

if TYPE_CHECKING:
    from e2a_core.domains.probe import DomainProbe

__all__ = ["verify_domain"]


async def verify_domain(
    core: Core, account_id: str, row: DomainRow, keys: Sequence[DkimKeyRow]
) -> tuple[int | None, DomainProbe, str]:
    """Checks the records of `row` and of its `keys` (all, oldest first), and stores the result.

    Returns `verified_at`, the probe, and the DKIM state of the newest key in use (`deferred` if there is none).
    The first proof ends the claims of other accounts that were not proven. Raises `StaleWrite` if the domain was
    deleted, and `DomainTaken` if another account has proven a domain above or below it meanwhile.
    """
    # Imported here, because it loads the DNS library, which listing domains does not need.
    from e2a_core.domains.probe import probe_domain, trusted_probe

    settings, in_use = core.settings, [key for key in keys if key.retired_at is None]
    if settings.dns_verify:
        probe = await probe_domain(
            core.resolver(), row.domain, row.verification_token, settings.hostname, in_use
        )
    else:
        probe = trusted_probe(in_use)
    now = to_micros(core.clock.now())
    verified_at = row.verified_at if row.verified_at is not None else now if probe.verified else None
    status, reason = _sending(row, in_use, probe, owned=verified_at is not None)
    statements = [
        queries.record_check(account_id, row.domain, now, verified=probe.verified, sending_failure=reason),
        *_key_changes(in_use, probe, now),
        *sending_changed(row, sending_status(row, keys), status, reason, now),
    ]
    if row.verified_at is None and probe.verified:
        statements.append(queries.adopt_agents(account_id, row.domain))
        await _prove(core, account_id, row.domain, statements)
    else:
        await core.db.write(statements)
    return verified_at, probe, _dkim_word(in_use, probe)


async def _prove(core: Core, account_id: str, domain: str, statements: Sequence[Statement]) -> None:
    async with core.db.transaction() as transaction:
        await transaction.read(queries.claim_lock())
        rows = await transaction.read(queries.related_domains(domain, ancestors(domain)))
        others = [row for row in map(domain_from, rows) if row.account_id not in (None, account_id)]
        if any(row.verified_at is not None for row in others):
            raise DomainTaken("another account has proven a domain above or below this one")
        lapsed = [queries.delete_domain(row.account_id, row.domain) for row in others]
        await transaction.write([*lapsed, *statements])


def _sending(
    row: DomainRow, in_use: Sequence[DkimKeyRow], probe: DomainProbe, *, owned: bool
) -> tuple[str, str | None]:
    """The status of sending after the check, and why it failed.

    The older key signs until the newer one is found.
    """
    if not owned:
        return "none", None
    if not in_use:
        return "pending", None
    signing = in_use[-1] if probe.dkim[in_use[-1].selector] == "found" else in_use[0]
    word = probe.dkim[signing.selector]
    reason = failure(row, signing, word)
    if word == "found" or (word == "unanswered" and signing.published_at is not None):
        return "verified", None
    return ("failed" if reason else "pending"), reason


def _key_changes(in_use: Sequence[DkimKeyRow], probe: DomainProbe, now: int) -> list[Statement]:
    """Stores whether each key is published, and retires the older one once its successor is published."""
    changes = []
    for key in in_use:
        match probe.dkim[key.selector]:
            case "found":
                changes.append(queries.mark_published(key.domain, key.selector, now))
            case "missing" | "mismatch":
                changes.append(queries.mark_unpublished(key.domain, key.selector))
    if in_use and probe.dkim[in_use[-1].selector] == "found":
        changes += [queries.retire_dkim_key(key.domain, key.selector, now) for key in in_use[:-1]]
    return changes


def _dkim_word(in_use: Sequence[DkimKeyRow], probe: DomainProbe) -> str:
    if not in_use:
        return "deferred"
    word = probe.dkim[in_use[-1].selector]
    return "missing" if word == "unanswered" else word
