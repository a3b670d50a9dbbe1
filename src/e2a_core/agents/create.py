"""Creating an agent: checks its address, the right to use it, and the account's quota."""

from __future__ import annotations

from e2a_core.accounts.limits import limits_of
from e2a_core.agents import queries
from e2a_core.agents.addresses import NewAddress
from e2a_core.agents.events import emit
from e2a_core.agents.queries import AgentRow
from e2a_core.clock import from_micros, to_micros
from e2a_core.contract.agents import (
    AgentView,
)
from e2a_core.core import Core
from e2a_core.domains.claims import authorising_domain
from e2a_core.errors import (
    AddressInTrash,
    AgentTaken,
    E2AError,
    LimitExceeded,
)
from e2a_core.store.errors import UniqueViolation
from e2a_core.store.statement import first

__all__ = [
    "agent_view",
    "create_agent",
    "new_agent",
]


async def create_agent(core: Core, account_id: str, address: NewAddress, *, name: str = "") -> AgentRow:
    """Creates an agent of the account.

    Raises `LimitExceeded` beyond the quota, `AgentTaken` or `AddressInTrash` if the address is in use, and what
    `authorising_domain` raises.
    """
    registered = address.domain
    if address.domain != core.settings.shared_domain:
        registered = await authorising_domain(core, account_id, address.domain)
    await _check_quota(core, account_id)
    agent = new_agent(core, address.email, account_id, address.domain, registered, name=name)
    try:
        told = emit(core, "agent.created", agent.email, account_id, agent.created_at)
        await core.db.write([queries.insert_agent(agent), *told])
    except UniqueViolation:
        raise await _taken(core, account_id, agent.email) from None
    return agent


def new_agent(
    core: Core, email: str, account_id: str, domain: str, registered_domain: str, *, name: str = ""
) -> AgentRow:
    """The row of an agent that is created now, without protection."""
    return AgentRow(
        email=email,
        account_id=account_id,
        domain=domain,
        registered_domain=registered_domain,
        name=name,
        protection="{}",
        created_at=to_micros(core.clock.now()),
        deleted_at=None,
        domain_verified=True,
    )


def agent_view(agent: AgentRow) -> AgentView:
    paused = agent.sending_paused_at
    return AgentView(
        email=agent.email,
        domain=agent.domain,
        registered_domain=agent.registered_domain,
        name=agent.name,
        domain_verified=agent.domain_verified,
        created_at=from_micros(agent.created_at),
        deleted_at=None if agent.deleted_at is None else from_micros(agent.deleted_at),
        sending_paused=None if paused is None else "agent" if agent.account_paused_at is None else "account",
        sending_paused_at=None if paused is None else from_micros(paused),
    )


async def _check_quota(core: Core, account_id: str) -> None:
    row = first(await core.db.read(queries.count_live(account_id)))
    live = 0 if row is None else row["agents"]
    limit = limits_of(core.settings).max_agents
    if live >= limit:
        raise LimitExceeded("agents", limit, live)


async def _taken(core: Core, account_id: str, email: str) -> E2AError:
    row = first(await core.db.read(queries.agent(email)))
    if row is not None and row["account_id"] == account_id and row["deleted_at"] is not None:
        return AddressInTrash("an agent in the trash has this address; restore it or delete it permanently")
    return AgentTaken("this address is taken")
