"""Finding the agent of an address, for API callers and for SMTP recipients."""

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

__all__ = ["IN_TRASH", "FoundRecipient", "lookup_recipient", "resolve_agent"]


IN_TRASH = "the agent is in the trash; its account can restore it (restore_agent, or POST to its /restore)"
"""What those learn who could read its mail before."""


@dataclass(frozen=True, slots=True)
class FoundRecipient:
    """The agent that a forward-path reaches, and its subaddress tag after `+`, if any (RFC 5233).

    The agent may be trashed (`agent.trashed`); it then accepts no mail.
    """

    agent: AgentRow
    tag: str | None = None


async def resolve_agent(core: Core, principal: Principal, email: str, *, trashed: bool = False) -> AgentRow:
    """Returns the agent with this address if the caller may act on it; `trashed` includes agents in the trash.

    Raises `NotFound` for an unknown, foreign or trashed agent, so that callers learn nothing about other accounts.
    Raises `Forbidden` if an agent credential names another agent of its account, or a mailbox for account credentials
    only. The address of notices is never found, even if an agent with it was created.
    """
    if not is_storable(email):
        raise NotFound("no such agent")
    rows = await core.db.read(queries.agent(normalize_addr_spec(email)))
    if not rows:
        raise NotFound("no such agent")
    agent = agent_from(rows[0])
    if agent.trashed and not trashed:
        owned = agent.account_id == principal.account_id
        reached = owned and (principal.scope == "account" or principal.agent_email == agent.email)
        raise NotFound(IN_TRASH if reached else "no such agent")
    if is_notice_address(agent.email):
        raise NotFound("no such agent")
    principal.require_reach(agent.email, agent.account_id)
    if principal.scope == "agent" and is_account_only(agent.email):
        raise Forbidden("this mailbox needs account credentials")
    return agent


async def lookup_recipient(core: Core, address: str) -> FoundRecipient | None:
    """Returns the agent that mail to `address` reaches, ignoring case, or None.

    An agent whose own address contains a `+` takes precedence over the one without the tag. Every domain served here
    has the mailboxes of `agents.roles`, even before they are stored. `postmaster` without a domain is that of the
    deployment (RFC 5321 section 4.5.1).
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
