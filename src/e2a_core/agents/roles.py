"""Mailboxes that a domain has without anybody making them: its roles, and what takes the answers to hold notices.

Roles belong to the domain's owner, on the shared domain to the deployment's, and come into being with their first
mail, so that looking an address up never writes. Answers to notices, of whatever domain, go to one mailbox of an
account that has no keys. Its names are in capitals: every door lowers what it is given, so none leads there.
"""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress

from e2a_core.agents import queries
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
    """The mailbox of one of `ROLES` as it is made with its first mail; None for a domain that is not served here."""
    row = first(await core.db.read(queries.served_domain([domain, *ancestors(domain)], domain)))
    if row is None:
        return None
    return _row(core, f"{local}@{domain}", row["account_id"], domain, row["domain"])


async def notice_mailbox(core: Core, domain: str) -> AgentRow | None:
    """The one that takes what is written to the notice sender of `domain`; None if that is not served here."""
    row = first(await core.db.read(queries.served_domain([domain, *ancestors(domain)], domain)))
    if row is None:
        return None
    return _row(core, NOTICE_MAILBOX, SYSTEM_ACCOUNT, _SYSTEM_DOMAIN, _SYSTEM_DOMAIN)


async def open_mailboxes(core: Core, emails: Iterable[str]) -> None:
    """Make the rows of those of `emails` that are such mailboxes; any number of processes may do so at once."""
    now = to_micros(core.clock.now())
    for email in emails:
        local, _, domain = email.rpartition("@")
        if email == NOTICE_MAILBOX:
            mailbox = _row(core, email, SYSTEM_ACCOUNT, domain, domain)
            await core.db.write(
                [
                    queries.ensure_system_account(SYSTEM_ACCOUNT, _SYSTEM_DOMAIN, now),
                    queries.ensure_system_domain(_SYSTEM_DOMAIN, SYSTEM_ACCOUNT, now),
                    queries.ensure_agent(mailbox),
                ]
            )
        elif local in ROLES and (role := await role_mailbox(core, local, domain)):
            # The domain or its owner may go meanwhile; delivery then finds no mailbox.
            with suppress(ForeignKeyViolation):
                await core.db.write([queries.ensure_agent(role)])


def _row(core: Core, email: str, account_id: str, domain: str, registered_domain: str) -> AgentRow:
    return AgentRow(
        email=email,
        account_id=account_id,
        domain=domain,
        registered_domain=registered_domain,
        name="",
        protection="{}",
        created_at=to_micros(core.clock.now()),
        deleted_at=None,
        domain_verified=True,
    )
