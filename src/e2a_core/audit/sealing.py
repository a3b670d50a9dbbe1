"""Steps of the retention job: what a crash left is logged, what is old is deleted, and secrets are changed."""

from __future__ import annotations

import logging
from contextlib import suppress
from dataclasses import replace
from datetime import timedelta

from e2a_core.audit import queries
from e2a_core.audit.chain import Head, row_hash
from e2a_core.audit.log import AuditLog, entry_from
from e2a_core.clock import to_micros
from e2a_core.core import Core
from e2a_core.store.database import Transaction
from e2a_core.store.statement import StaleWrite, first

__all__ = ["LEFT_AFTER", "log_left", "prune_log", "seal_anew"]

LEFT_AFTER = timedelta(minutes=15)
"""No operation takes this long; what is still open then was left by a process that ended."""
BATCH = 500

_log = logging.getLogger(__name__)


async def log_left(core: Core) -> int:
    """Logs what processes that ended left open. Returns the number of entries."""
    before = to_micros(core.clock.now() - LEFT_AFTER)
    audit, found = AuditLog(core), 0
    while rows := await core.db.read(queries.left_open(before, BATCH)):
        for row in rows:
            await audit.seal(row["id"], entry_from(row))
        found += len(rows)
    return found


async def seal_anew(core: Core) -> int:
    """Gives heads that an older secret sealed the MAC of the one that signs, so that the older one may go.

    Returns the number of such heads.
    """
    after, sealed = "", 0
    while rows := await core.db.read(queries.heads(after, BATCH)):
        for head in map(Head.from_row, rows):
            after, mac = head.account_id, head.sealed(core.secrets)
            if head.mac == mac or not head.is_sealed(core.secrets):
                continue
            with suppress(StaleWrite):  # somebody wrote to it, and sealed it
                await core.db.write([queries.move_head(head, replace(head, mac=mac))])
                sealed += 1
    return sealed


async def prune_log(core: Core) -> int:
    """Deletes rows beyond their age, and remembers the hash of the last. Returns the number of deleted rows.

    A chain that is broken is kept as it is, since it is evidence.
    """
    before = to_micros(core.clock.now() - timedelta(days=core.settings.audit_retention_days))
    deleted = 0
    for account in await core.db.read(queries.accounts_before(before)):
        try:
            async with core.db.transaction() as transaction:
                deleted += await _prune(core, transaction, account["account_id"], before)
        except StaleWrite:
            continue  # somebody wrote to it; the next run prunes it
    return deleted


async def _prune(core: Core, transaction: Transaction, account_id: str, before: int) -> int:
    row = first(await transaction.read(queries.head(account_id)))
    last = first(await transaction.read(queries.last_before(account_id, before)))
    if row is None or last is None or last["number"] is None:
        return 0
    head = Head.from_row(row)
    found = await _hash_at(transaction, head, last["number"]) if head.is_sealed(core.secrets) else None
    if found is None:
        _log.error("the audit log of account %s is broken, so nothing of it is deleted", account_id)
        return 0
    anchored = replace(head, anchor=last["number"], anchor_hash=found)
    anchored = replace(anchored, mac=anchored.sealed(core.secrets))
    await transaction.write([queries.move_head(head, anchored)])
    [deleted] = await transaction.write([queries.delete_to(account_id, last["number"])])
    return deleted.rowcount


async def _hash_at(transaction: Transaction, head: Head, number: int) -> str | None:
    """The hash of the row `number`, or None if the chain up to it is broken."""
    place, hash = head.anchor, head.anchor_hash
    while place < number:
        rows = await transaction.read(queries.rows(head.account_id, place, min(BATCH, number - place)))
        if not rows:
            return None
        for row in rows:
            if row["number"] != place + 1 or row["hash"] != row_hash(hash, row):
                return None
            place, hash = row["number"], row["hash"]
    return hash
