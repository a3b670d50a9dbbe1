"""Agents, their protection, and the test mail."""

from __future__ import annotations

from fastapi import Response

from e2a_core.contract.agents import (
    AgentView,
    CreateAgentRequest,
    CreateDelegationRequest,
    DelegationView,
    DeleteAgentResult,
    DeleteDelegationResult,
    ProtectionConfig,
    ProtectionConfigView,
    UpdateAgentRequest,
)
from e2a_core.contract.base import Page
from e2a_core.contract.engine import Session
from e2a_core.contract.sending import SendResultView
from e2a_core.http.envelope import answer
from e2a_core.http.routes.messages import send_answer
from e2a_core.http.routes.parameters import Confirm, Cursor, Limit, api_router

__all__ = ["router"]

router = api_router("agents")


@router.get("/agents", operation_id="list_agents", response_model=Page[AgentView])
async def list_agents(
    session: Session, cursor: Cursor = None, limit: Limit = 100, deleted: bool = False
) -> Response:
    return answer(await session.agents.list(deleted=deleted, cursor=cursor, limit=limit))


@router.post("/agents", operation_id="create_agent", response_model=AgentView, status_code=201)
async def create_agent(session: Session, body: CreateAgentRequest) -> Response:
    return answer(await session.agents.create(body), 201)


@router.get("/agents/{email}", operation_id="get_agent", response_model=AgentView)
async def get_agent(session: Session, email: str) -> Response:
    return answer(await session.agents.get(email))


@router.patch("/agents/{email}", operation_id="update_agent", response_model=AgentView)
async def update_agent(session: Session, email: str, body: UpdateAgentRequest) -> Response:
    return answer(await session.agents.update(email, body))


@router.delete("/agents/{email}", operation_id="delete_agent", response_model=DeleteAgentResult)
async def delete_agent(session: Session, email: str, confirm: Confirm, permanent: bool = False) -> Response:
    return answer(await session.agents.delete(email, permanent=permanent))


@router.post("/agents/{email}/restore", operation_id="restore_agent", response_model=AgentView)
async def restore_agent(session: Session, email: str) -> Response:
    return answer(await session.agents.restore(email))


@router.post(
    "/agents/{email}/test",
    operation_id="test_agent",
    response_model=SendResultView,
    status_code=202,
    responses={200: {"model": SendResultView}},
)
async def test_agent(session: Session, email: str) -> Response:
    return send_answer(await session.agents.test(email))


@router.get(
    "/agents/{email}/delegations", operation_id="list_delegations", response_model=Page[DelegationView]
)
async def list_delegations(session: Session, email: str) -> Response:
    return answer(Page[DelegationView](items=list(await session.agents.delegations(email))))


@router.post(
    "/agents/{email}/delegations",
    operation_id="create_delegation",
    response_model=DelegationView,
    status_code=201,
)
async def create_delegation(session: Session, email: str, body: CreateDelegationRequest) -> Response:
    return answer(await session.agents.delegate(email, body), 201)


@router.delete(
    "/agents/{email}/delegations/{id}",
    operation_id="delete_delegation",
    response_model=DeleteDelegationResult,
)
async def delete_delegation(session: Session, email: str, id: str, confirm: Confirm) -> Response:
    await session.agents.revoke_delegation(email, id)
    return answer(DeleteDelegationResult(id=id))


@router.get(
    "/agents/{email}/protection", operation_id="get_agent_protection", response_model=ProtectionConfigView
)
async def get_agent_protection(session: Session, email: str) -> Response:
    return answer(await session.protection.get(email))


@router.put(
    "/agents/{email}/protection", operation_id="put_agent_protection", response_model=ProtectionConfigView
)
async def put_agent_protection(session: Session, email: str, body: ProtectionConfig) -> Response:
    return answer(await session.protection.put(email, body))
