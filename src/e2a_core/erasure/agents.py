"""Deleting agents permanently, with all their data."""

from __future__ import annotations

from datetime import timedelta

from e2a_core.agents.events import emit
from e2a_core.clock import to_micros
from e2a_core.core import Core
from e2a_core.erasure import queries
from e2a_core.erasure.messages import oldest_claim, retried
from e2a_core.errors import SendInProgress
from e2a_core.mail.roles import is_account_only
from e2a_core.store.database import Transaction
from e2a_core.store.statement import first

__all__ = ["purge_agent", "purge_trashed", "purge_roles"]

BATCH = 200
"""Messages deleted in one transaction; small, so that deleting a large inbox does not block incoming mail."""
AGENTS_PER_PASS = 100


async def purge_agent(core: Core, email: str) -> int:
    """Deletes an agent with its messages, keys and delegations; returns the number of messages.

    The agent is trashed first, so that it accepts no mail. An interrupted purge leaves it in the trash and can be
    repeated. Raises `SendInProgress` while one of its messages is being submitted.
    """
    now = to_micros(core.clock.now())
    async with core.db.transaction() as transaction:
        agent = first(await transaction.read(queries.lock(email)))
        if first(await transaction.read(queries.message_being_sent(email, oldest_claim(core)))):
            raise SendInProgress("a message of this agent is being sent; try again in a few minutes")
        [aside] = await transaction.write([queries.put_aside(email, now)])
        if agent is not None and aside.rowcount:
            await transaction.write(emit(core, "agent.trashed", email, agent["account_id"], now))
    deleted = 0
    while count := await retried(core, lambda transaction: _delete_messages(transaction, email)):
        deleted += count
    return deleted


async def purge_trashed(core: Core) -> int:
    """Purges agents that were in the trash for the retention time; returns their number. Skips those still sending."""
    retention = timedelta(days=core.settings.trash_retention_days)
    before = to_micros(core.clock.now() - retention)
    purged = 0
    for row in await core.db.read(queries.trashed_before(before, AGENTS_PER_PASS)):
        try:
            await purge_agent(core, row["email"])
        except SendInProgress:
            continue
        purged += 1
    return purged


async def _delete_messages(transaction: Transaction, email: str) -> int:
    first(await transaction.read(queries.lock(email)))
    rows = await transaction.read(queries.messages_of(email, BATCH))
    if not rows:
        await transaction.write([queries.delete_agent(email)])
        return 0
    ids = [row["id"] for row in rows]
    hashes = sorted({row["content_hash"] for row in rows} - {None})
    await transaction.write(
        [
            queries.unindex([row["seq"] for row in rows]),
            queries.delete_messages(ids),
            *([queries.delete_unreferenced_content(hashes)] if hashes else []),
        ]
    )
    return len(rows)


async def purge_roles(core: Core, registered_domain: str) -> None:
    """Purges the role mailboxes of a domain to be deleted. Does nothing if other agents are bound to it."""
    bound = [row["email"] for row in await core.db.read(queries.agents_under(registered_domain))]
    if all(is_account_only(email) for email in bound):
        for email in bound:
            await purge_agent(core, email)
