"""Deleting one message permanently, and what deletions of many share."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import suppress
from datetime import timedelta
from typing import TypeVar

from e2a_core.clock import to_micros
from e2a_core.contract.states import Delivery
from e2a_core.core import Core
from e2a_core.erasure import queries
from e2a_core.errors import NotInTrash, SendInProgress
from e2a_core.messages.rows import MessageRow
from e2a_core.store.database import Transaction
from e2a_core.store.errors import ForeignKeyViolation
from e2a_core.store.statement import StaleWrite

__all__ = ["CLAIM_HONOURED", "oldest_claim", "purge_message", "retried"]

Result = TypeVar("Result")

CLAIM_HONOURED = timedelta(minutes=10)
"""How long a submission may take; the process of an older claim is assumed dead."""
CONTENT_ATTEMPTS = 5


async def purge_message(core: Core, row: MessageRow) -> None:
    """Deletes a message in the trash, its index entry, and its content if no other message has the same.

    Raises `SendInProgress` while it is being submitted, and `NotInTrash` if it is not in the trash.
    """
    claimed_at = row.submission.claimed_at or 0
    if row.submission.delivery_status is Delivery.SENDING and claimed_at > oldest_claim(core):
        raise SendInProgress("the message is being submitted; try again later")
    statements = [queries.unindex([row.seq]), queries.delete_trashed(row.id)]
    if row.content_hash:
        statements.append(queries.delete_unreferenced_content([row.content_hash]))
    try:
        await core.db.write(statements)
    except StaleWrite:
        raise NotInTrash("move the message to the trash before deleting it permanently") from None


def oldest_claim(core: Core) -> int:
    """The instant, in microseconds, before which a claim no longer counts."""
    return to_micros(core.clock.now() - CLAIM_HONOURED)


async def retried(core: Core, work: Callable[[Transaction], Awaitable[Result]]) -> Result:
    """Does `work` in a transaction, anew while other processes store messages with content that it would delete."""
    for _ in range(CONTENT_ATTEMPTS - 1):
        with suppress(ForeignKeyViolation):
            async with core.db.transaction() as transaction:
                return await work(transaction)
    async with core.db.transaction() as transaction:
        return await work(transaction)
