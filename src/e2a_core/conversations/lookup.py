"""Finds the conversation that a caller names by its id or by the id of a thread."""

from __future__ import annotations

from e2a_core.conversations import queries
from e2a_core.core import Core
from e2a_core.store.statement import first
from e2a_core.texts import is_storable

__all__ = ["conversation_of"]


async def conversation_of(core: Core, agent_email: str, name: str) -> str | None:
    """Returns the id of the conversation, or None if the inbox shows no mail of it."""
    if not is_storable(name):
        return None
    named, threads = await core.db.read(
        [queries.conversation(agent_email, name), queries.of_thread(agent_email, name)]
    )
    found = first([*named, *threads])
    return None if found is None else str(found["id"])
