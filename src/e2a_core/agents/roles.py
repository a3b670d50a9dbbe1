"""Mailboxes that every served domain has implicitly: its roles (RFC 2142), and the mailbox for replies to hold notices.

Role mailboxes belong to the owner of the domain, on the shared domain to the owner of the deployment. They are stored
with their first mail, so that looking up an address never writes. Replies to notices, of every domain, go to one
mailbox of an account without keys. Its address is in capitals: all interfaces convert addresses to lower case, so it
cannot be reached through them.
"""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress

from e2a_core.agents import queries
from e2a_core.agents.create import new_agent
from e2a_core.agents.events import emit
from e2a_core.agents.queries import AgentRow
from e2a_core.clock import to_micros
from e2a_core.core import Core
from e2a_core.domains.names import ancestors
from e2a_core.mail.roles import ROLES
from e2a_core.roles import SYSTEM_ACCOUNT
from e2a_core.store.errors import ForeignKeyViolation
from e2a_core.store.statement import first

__all__ = ["NOTICE_MAILBOX", "notice_mailbox", "open_mailboxes", "role_mailbox"]

NOTICE_MAILBOX = "HITL-NOREPLY@SYSTEM"
_SYSTEM_DOMAIN = "SYSTEM"


async def role_mailbox(core: Core, local: str, domain: str) -> AgentRow | None:
    """The mailbox of the role `local`, stored or not. Returns None if `domain` is not served here."""
    row = first(await core.db.read(queries.served_domain([domain, *ancestors(domain)], domain)))
    if row is None:
        return None
    return new_agent(core, f"{local}@{domain}", row["account_id"], domain, row["domain"])


async def notice_mailbox(core: Core, domain: str) -> AgentRow | None:
    """The mailbox for replies to notices from `domain`. Returns None if `domain` is not served here."""
    row = first(await core.db.read(queries.served_domain([domain, *ancestors(domain)], domain)))
    if row is None:
        return None
    return new_agent(core, NOTICE_MAILBOX, SYSTEM_ACCOUNT, _SYSTEM_DOMAIN, _SYSTEM_DOMAIN)


async def open_mailboxes(core: Core, emails: Iterable[str]) -> None:
    """Stores those of `emails` that are such mailboxes. Safe to call from several processes at once."""
    now = to_micros(core.clock.now())
    for email in emails:
        local, _, domain = email.rpartition("@")
        if email == NOTICE_MAILBOX:
            mailbox = new_agent(core, email, SYSTEM_ACCOUNT, domain, domain)
            await core.db.write(
                [
                    queries.ensure_system_account(SYSTEM_ACCOUNT, _SYSTEM_DOMAIN, now),
                    queries.ensure_system_domain(_SYSTEM_DOMAIN, SYSTEM_ACCOUNT, now),
                    queries.ensure_agent(mailbox),
                ]
            )
        elif local in ROLES and (role := await role_mailbox(core, local, domain)):
            # If the domain or its owner is deleted meanwhile, delivery finds no mailbox.
            with suppress(ForeignKeyViolation):
                await _open_role(core, role)


async def _open_role(core: Core, role: AgentRow) -> None:
    async with core.db.transaction() as transaction:
        [made] = await transaction.write([queries.ensure_agent(role)])
        if made.rowcount:
            await transaction.write(emit(core, "agent.created", role.email, role.account_id, role.created_at))
