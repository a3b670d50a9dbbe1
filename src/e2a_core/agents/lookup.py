"""From an address to its agent: what a caller names, and what an SMTP client writes after RCPT TO."""

from __future__ import annotations

from dataclasses import dataclass

from e2a_core.agents import queries
from e2a_core.agents.queries import AgentRow, agent_from
from e2a_core.agents.roles import notice_mailbox, role_mailbox
from e2a_core.contract.principal import Principal
from e2a_core.core import Core
from e2a_core.errors import Forbidden, NotFound
from e2a_core.mail.addresses import normalize_addr_spec, split_plus
from e2a_core.mail.roles import NOTICE_LOCAL, POSTMASTER, ROLES, is_account_only, is_notice_address
from e2a_core.texts import is_storable

__all__ = ["FoundRecipient", "lookup_recipient", "resolve_agent"]


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
    credential's own, so that a caller learns nothing of what other accounts have. The sender of notices is nobody's,
    and the domain's roles are no agent's, whenever such an agent was made.
    """
    if not is_storable(email):
        raise NotFound("no such agent")
    rows = await core.db.read(queries.agent(normalize_addr_spec(email)))
    if not rows:
        raise NotFound("no such agent")
    agent = agent_from(rows[0])
    if agent.trashed and not trashed:
        raise NotFound("no such agent")
    if is_notice_address(agent.email):
        raise NotFound("no such agent")
    principal.require_reach(agent.email, agent.account_id)
    if principal.scope == "agent" and is_account_only(agent.email):
        raise Forbidden("this mailbox is read with account credentials only")
    return agent


async def lookup_recipient(core: Core, address: str) -> FoundRecipient | None:
    """The agent that mail to `address` reaches, without regard to case; None when there is none.

    An agent whose own address holds a `+` goes before the one the tag leads to. Every domain served here has the
    mailboxes of `agents.roles`, made or not; `postmaster` without a domain is that of the deployment (RFC 5321 section
    4.5.1).
    """
    if not is_storable(address):
        return None
    exact = normalize_addr_spec(address)
    if exact == POSTMASTER:
        exact = f"{POSTMASTER}@{core.settings.shared_domain or core.settings.from_domain}"
    local, at, domain = exact.rpartition("@")
    if not at:
        return None
    base, tag = split_plus(local)
    if base == NOTICE_LOCAL:
        return _reached(await notice_mailbox(core, domain), tag)
    wanted = [exact] if tag is None else [exact, f"{base}@{domain}"]
    rows = await core.db.read(queries.agents_named(wanted))
    found = {row["email"]: agent_from(row) for row in rows}
    for email in wanted:
        if email in found and found[email].domain_verified:
            return FoundRecipient(found[email], None if email == exact else tag)
    return _reached(await role_mailbox(core, base, domain), tag) if base in ROLES else None


def _reached(mailbox: AgentRow | None, tag: str | None) -> FoundRecipient | None:
    return None if mailbox is None else FoundRecipient(mailbox, tag)
