"""Completes what a person types into a resource template or a prompt."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from typing import TypeVar

from mcp_types import CompleteRequestParams, Completion

from e2a_core.contract.base import Page
from e2a_core.contract.engine import Session
from e2a_core.contract.messages import MessageQuery
from e2a_core.errors import Forbidden, InvalidRequest, NotFound, NotImplementedHere

__all__ = ["complete"]

MAX_VALUES = 100
"""The most values that the protocol allows in one answer."""
MAX_PAGES = 10
"""Pages of 100 looked through for what was typed: a person waits for the answer."""

_EVERYTHING = MessageQuery(direction="all", read_status="all", limit=MAX_VALUES)

Row = TypeVar("Row")


async def complete(session: Session, params: CompleteRequestParams) -> Completion:
    """Returns the values that begin with what was typed, if any.

    Raises `E2AError` when the engine cannot answer.
    """
    given = dict((params.context.arguments if params.context else None) or {})
    uri = getattr(params.ref, "uri", "")
    try:
        values = [value async for value in _values(session, params.argument.name, uri, given)]
    except (Forbidden, InvalidRequest, NotFound, NotImplementedHere):
        # The address or id may be half typed, which is not an error.
        values = []
    typed = params.argument.value.lower()
    matching = [value for value in dict.fromkeys(values) if value.lower().startswith(typed)]
    return Completion(values=matching[:MAX_VALUES], total=len(matching), has_more=len(matching) > MAX_VALUES)


async def _values(session: Session, name: str, uri: str, given: Mapping[str, str]) -> AsyncIterator[str]:
    bound = session.principal.agent_email
    email = given.get("email") or bound
    if name == "email" and session.principal.scope == "agent":
        if bound:
            yield bound
    elif name == "email":
        async for agent in _pages(lambda cursor: session.agents.list(cursor=cursor)):
            yield agent.email
    elif email and name == "index" and given.get("id"):
        for meta in (await session.messages.get(email, given["id"], peek=True)).attachments:
            yield str(meta.index)
    elif email and name == "id" and "/conversations/" in uri:
        async for conversation in _pages(
            lambda cursor: session.conversations.list(email, cursor=cursor, limit=MAX_VALUES)
        ):
            yield conversation.id
    elif email and name in {"id", "message_id"}:
        async for message in _pages(
            lambda cursor: session.messages.list(email, _EVERYTHING.model_copy(update={"cursor": cursor}))
        ):
            yield message.id


async def _pages(page: Callable[[str | None], Awaitable[Page[Row]]]) -> AsyncIterator[Row]:
    """The rows of the first `MAX_PAGES` pages."""
    cursor: str | None = None
    for _ in range(MAX_PAGES):
        found = await page(cursor)
        for row in found.items:
            yield row
        cursor = found.next_cursor
        if cursor is None:
            return
