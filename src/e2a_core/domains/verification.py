"""Verifying a domain: what a look at the DNS changes in the store."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from e2a_core.clock import to_micros
from e2a_core.core import Core
from e2a_core.domains import queries
from e2a_core.domains.queries import DkimKeyRow, DomainRow
from e2a_core.store.statement import Statement

if TYPE_CHECKING:
    from e2a_core.domains.probe import DomainProbe

__all__ = ["verify_domain"]


async def verify_domain(
    core: Core, account_id: str, row: DomainRow, keys: Sequence[DkimKeyRow]
) -> tuple[int | None, DomainProbe, str]:
    """Look for the records of `row` and of its `keys` (all it has, the oldest first), and keep what is learned.

    Returns since when the domain is verified, what was found, and the word for DKIM: that of the key which is to
    sign, `deferred` without any. Raises `StaleWrite` when the domain is gone.
    """
    # Loads the DNS library, which those who only list domains do not need.
    from e2a_core.domains.probe import probe_domain, trusted_probe

    settings, in_use = core.settings, [key for key in keys if key.retired_at is None]
    if settings.dns_verify:
        probe = await probe_domain(
            core.resolver(), row.domain, row.verification_token, settings.hostname, in_use
        )
    else:
        probe = trusted_probe(in_use)
    now = to_micros(core.clock.now())
    statements = [queries.record_check(account_id, row.domain, now, verified=probe.verified)]
    if row.verified_at is None and probe.verified:
        statements.append(queries.adopt_agents(account_id, row.domain))
    statements += _key_changes(in_use, probe, now)
    await core.db.write(statements)
    verified_at = row.verified_at if row.verified_at is not None else now if probe.verified else None
    return verified_at, probe, _dkim_word(in_use, probe)


def _key_changes(in_use: Sequence[DkimKeyRow], probe: DomainProbe, now: int) -> list[Statement]:
    """Each key as the DNS has it; the older one retires once its successor is published."""
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
