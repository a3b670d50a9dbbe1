"""Adding an address to a suppression list, with an event for each new entry."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from e2a_core.clock import from_micros, to_micros
from e2a_core.core import Core
from e2a_core.messages.lifecycle import transitions
from e2a_core.store import events
from e2a_core.store.statement import Statement
from e2a_core.suppressions import queries

__all__ = ["add_to_account", "add_to_agent"]


def add_to_account(
    core: Core,
    account_id: str,
    address: str,
    source: str,
    reason: str | None,
    message_id: str,
    ledger: Sequence[Statement],
    now: int,
) -> list[Statement]:
    """Adds a recipient to the account's list because of `message_id`, and emits the event.

    The statements go at the end of a write, and `ledger` are its rows that tell why. `source` is bounce or
    complaint. The address must not be on the list yet.
    """
    data: dict[str, Any] = {"address": address, "source": source, "message_id": message_id}
    if reason:
        data["reason"] = reason
    if told := transitions(ledger):
        data["lifecycle_transitions"] = told
    return [
        queries.insert(account_id, address, source, reason, message_id, now),
        *events.append(
            id=core.ids.event(),
            account_id=account_id,
            type="domain.suppression_added",
            data=data,
            created_at=from_micros(now),
        ),
    ]


async def add_to_agent(
    core: Core, account_id: str, agent_email: str, address: str, source: str, reason: str | None
) -> bool:
    """Adds an address to an agent's list. Returns False if it is on the list, whose entry then stays unchanged.

    `source` is manual or unsubscribe.
    """
    now = to_micros(core.clock.now())
    async with core.db.transaction() as transaction:
        [added] = await transaction.write(
            [queries.insert_of_agent(account_id, agent_email, address, source, reason, now)]
        )
        if added.rowcount:
            await transaction.write(
                events.append(
                    id=core.ids.event(),
                    account_id=account_id,
                    type="agent.suppression_added",
                    agent_email=agent_email,
                    data={"agent_email": agent_email, "address": address, "source": source},
                    created_at=from_micros(now),
                )
            )
    return bool(added.rowcount)
