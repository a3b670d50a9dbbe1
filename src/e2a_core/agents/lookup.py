"""From an address to its agent: what a caller names, and what an SMTP client writes after RCPT TO."""

from __future__ import annotations

from dataclasses import dataclass

from e2a_core.agents import queries
from e2a_core.agents.queries import AgentRow, agent_from
from e2a_core.contract.principal import Principal
from e2a_core.core import Core
from e2a_core.errors import NotFound
from e2a_core.mail.addresses import normalize_addr_spec, split_plus
from e2a_core.texts import is_storable

__all__ = ["FoundRecipient", "lookup_recipient", "resolve_agent"]

POSTMASTER = "postmaster"


@dataclass(frozen=True, slots=True)
class FoundRecipient:
    """The agent a forward path reaches, and the tag after `+` if the path has one (RFC 5233).

    A trashed agent (`agent.trashed`) is known, but takes no mail.
    """

    agent: AgentRow
    tag: str | None = None


async def resolve_agent(core: Core, principal: Principal, email: str, *, trashed: bool = False) -> AgentRow:
    """The agent a caller names and may act on; `trashed` also finds it in the trash.

    Raises `NotFound` for an unknown, foreign or trashed agent, and only then `Forbidden` for a sibling of an agent
    credential's own, so that a caller learns nothing of what other accounts have.
    """
    if not is_storable(email):
        raise NotFound("no such agent")
    [rows] = await core.db.lookup([queries.agent(normalize_addr_spec(email))])
    if not rows:
        raise NotFound("no such agent")
    agent = agent_from(rows[0])
    if agent.trashed and not trashed:
        raise NotFound("no such agent")
    principal.require_reach(agent.email, agent.account_id)
    return agent


async def lookup_recipient(core: Core, address: str) -> FoundRecipient | None:
    """The agent that mail to `address` reaches, without regard to case; None when there is none.

    An agent whose own address holds a `+` goes before the one the tag leads to. `postmaster` of a domain served here,
    or without a domain, is its owner's oldest inbox (RFC 5321 section 4.5.1) unless an agent has that very address.
    """
    if not is_storable(address):
        return None
    exact = normalize_addr_spec(address)
    local, at, domain = exact.rpartition("@")
    if not at:
        return await _postmaster(core, core.settings.shared_domain) if exact == POSTMASTER else None
    base, tag = split_plus(local)
    wanted = [exact] if tag is None else [exact, f"{base}@{domain}"]
    [rows] = await core.db.lookup([queries.agents_named(wanted)])
    found = {row["email"]: agent_from(row) for row in rows}
    for email in wanted:
        if email in found and found[email].domain_verified:
            return FoundRecipient(found[email], None if email == exact else tag)
    return await _postmaster(core, domain) if local == POSTMASTER else None


async def _postmaster(core: Core, domain: str) -> FoundRecipient | None:
    row = await core.db.one(queries.postmaster_inbox(domain))
    return None if row is None else FoundRecipient(agent_from(row))
