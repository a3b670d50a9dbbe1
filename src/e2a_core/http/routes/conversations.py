"""Conversations of one inbox."""

from __future__ import annotations

from fastapi import Response

from e2a_core.contract.base import Page
from e2a_core.contract.conversations import ConversationDetailView, ConversationSummaryView
from e2a_core.contract.engine import Session
from e2a_core.http.envelope import answer
from e2a_core.http.routes.parameters import Cursor, Limit, api_router

__all__ = ["router"]

router = api_router("conversations")

BASE = "/agents/{email}/conversations"


@router.get(BASE, operation_id="list_conversations", response_model=Page[ConversationSummaryView])
async def list_conversations(
    session: Session,
    email: str,
    since: str | None = None,
    until: str | None = None,
    cursor: Cursor = None,
    limit: Limit = 100,
) -> Response:
    page = await session.conversations.list(email, since=since, until=until, cursor=cursor, limit=limit)
    return answer(page)


@router.get(BASE + "/{id:path}", operation_id="get_conversation", response_model=ConversationDetailView)
async def get_conversation(session: Session, email: str, id: str) -> Response:
    return answer(await session.conversations.get(email, id))
