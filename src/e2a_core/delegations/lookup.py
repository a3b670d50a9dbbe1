"""Looking up the delegation in effect."""

from __future__ import annotations

from datetime import datetime

from e2a_core.clock import to_micros
from e2a_core.core import Core
from e2a_core.delegations import queries
from e2a_core.delegations.queries import DelegationRow, delegation_from
from e2a_core.mail.addresses import normalize_addr_spec
from e2a_core.store.statement import first
from e2a_core.texts import is_storable

__all__ = [
    "active_delegation",
]


async def active_delegation(core: Core, agent_email: str, human: str, at: datetime) -> DelegationRow | None:
    """Returns the newest delegation of the agent to the address `human` that is valid at the instant `at`, or None."""
    if not is_storable(human):
        return None
    row = first(await core.db.read(queries.active(agent_email, normalize_addr_spec(human), to_micros(at))))
    return None if row is None else delegation_from(row)
