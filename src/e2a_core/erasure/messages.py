"""Deleting one message for good."""

from __future__ import annotations

from datetime import timedelta

from e2a_core.clock import to_micros
from e2a_core.contract.states import Delivery
from e2a_core.core import Core
from e2a_core.erasure import queries
from e2a_core.errors import NotInTrash, SendInProgress
from e2a_core.messages.rows import MessageRow
from e2a_core.store.statement import StaleWrite

__all__ = ["CLAIM_HONOURED", "oldest_claim", "purge_message"]

CLAIM_HONOURED = timedelta(minutes=10)
"""How long a submission may be under way; an older claim is that of a process that died."""


async def purge_message(core: Core, row: MessageRow) -> None:
    """Delete a message of the trash, its words in the index, and its content if no other message has it.

    Raises `SendInProgress` while it is being submitted, and `NotInTrash`.
    """
    claimed_at = row.submission.claimed_at or 0
    if row.submission.delivery_status is Delivery.SENDING and claimed_at > oldest_claim(core):
        raise SendInProgress("the message is being submitted; try again later")
    statements = [queries.unindex([row.seq], [row.id]), queries.delete_trashed(row.id)]
    if row.content_hash:
        statements.append(queries.delete_unreferenced_content([row.content_hash]))
    try:
        await core.db.write(statements)
    except StaleWrite:
        raise NotInTrash("only a message in the trash can be deleted for good") from None


def oldest_claim(core: Core) -> int:
    """Microseconds; a claim from before is given up."""
    return to_micros(core.clock.now() - CLAIM_HONOURED)
