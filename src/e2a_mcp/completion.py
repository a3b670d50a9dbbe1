"""Completes what a person types into a resource template or a prompt."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from mcp_types import CompleteRequestParams, Completion

from e2a_core.contract.engine import Session
from e2a_core.contract.messages import MessageQuery
from e2a_core.errors import Forbidden, InvalidRequest, NotFound, NotImplementedHere

__all__ = ["complete"]

MAX_VALUES = 100
"""The most values that the protocol allows in one answer."""


async def complete(session: Session, params: CompleteRequestParams) -> Completion:
    """Returns the values that begin with what was typed, if any.

    Raises `E2AError` when the engine cannot answer.
    """
    given = dict((params.context.arguments if params.context else None) or {})
    uri = getattr(params.ref, "uri", "")
    try:
        values = await _values(session, params.argument.name, uri, given)
    except (Forbidden, InvalidRequest, NotFound, NotImplementedHere):
        # The address or id may be half typed, which is not an error.
        values = []
    typed = params.argument.value.lower()
    matching = [value for value in dict.fromkeys(values) if value.lower().startswith(typed)]
    return Completion(values=matching[:MAX_VALUES], total=len(matching), has_more=len(matching) > MAX_VALUES)


async def _values(session: Session, name: str, uri: str, given: Mapping[str, str]) -> Iterable[str]:
    bound = session.principal.agent_email
    if name == "email":
        if session.principal.scope == "agent":
            return [bound] if bound else []
        return [agent.email for agent in (await session.agents.list()).items]
    email = given.get("email") or bound
    if not email:
        return []
    if name == "index" and given.get("id"):
        view = await session.messages.get(email, given["id"], peek=True)
        return [str(meta.index) for meta in view.attachments]
    if name == "id" and "/conversations/" in uri:
        return [row.id for row in (await session.conversations.list(email, limit=MAX_VALUES)).items]
    if name in {"id", "message_id"}:
        query = MessageQuery(direction="all", read_status="all", limit=MAX_VALUES)
        return [row.id for row in (await session.messages.list(email, query)).items]
    return []
