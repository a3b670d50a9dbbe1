"""Addresses that are not written to."""

from __future__ import annotations

from fastapi import Response

from e2a_core.contract.base import Page
from e2a_core.contract.engine import Session
from e2a_core.contract.suppressions import (
    AgentSuppressionView,
    CreateAgentSuppressionRequest,
    DeleteSuppressionResult,
    SuppressionView,
)
from e2a_core.http.envelope import answer
from e2a_core.http.routes.parameters import Confirm, Cursor, Limit, api_router

__all__ = ["router"]

router = api_router("suppressions")


@router.get("/account/suppressions", operation_id="list_suppressions", response_model=Page[SuppressionView])
async def list_suppressions(session: Session, cursor: Cursor = None, limit: Limit = 100) -> Response:
    return answer(await session.suppressions.list(cursor=cursor, limit=limit))


@router.delete(
    "/account/suppressions/{address}",
    operation_id="delete_suppression",
    response_model=DeleteSuppressionResult,
)
async def delete_suppression(session: Session, address: str, confirm: Confirm) -> Response:
    return answer(await session.suppressions.delete(address))


@router.get(
    "/agents/{email}/suppressions",
    operation_id="list_agent_suppressions",
    response_model=Page[AgentSuppressionView],
)
async def list_agent_suppressions(
    session: Session, email: str, cursor: Cursor = None, limit: Limit = 100
) -> Response:
    return answer(await session.suppressions.list_of_agent(email, cursor=cursor, limit=limit))


@router.post(
    "/agents/{email}/suppressions",
    operation_id="create_agent_suppression",
    response_model=AgentSuppressionView,
)
async def create_agent_suppression(
    session: Session, email: str, body: CreateAgentSuppressionRequest
) -> Response:
    return answer(await session.suppressions.create_for_agent(email, body))


@router.delete(
    "/agents/{email}/suppressions/{address}",
    operation_id="delete_agent_suppression",
    response_model=DeleteSuppressionResult,
)
async def delete_agent_suppression(session: Session, email: str, address: str, confirm: Confirm) -> Response:
    return answer(await session.suppressions.delete_of_agent(email, address))
