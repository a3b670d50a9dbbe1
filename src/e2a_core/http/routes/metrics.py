"""Counts and rates."""

from __future__ import annotations

from fastapi import Response

from e2a_core.contract.engine import Session
from e2a_core.contract.metrics import AccountMetricsView, AgentMetricsView
from e2a_core.http.envelope import answer
from e2a_core.http.routes.parameters import api_router

__all__ = ["router"]

router = api_router("metrics")


@router.get("/metrics", operation_id="get_account_metrics", response_model=AccountMetricsView)
async def get_account_metrics(
    session: Session,
    start: str | None = None,
    end: str | None = None,
    bucket: str | None = None,
    group_by: str | None = None,
) -> Response:
    return answer(await session.metrics.of_account(start=start, end=end, bucket=bucket, group_by=group_by))


@router.get("/agents/{email}/metrics", operation_id="get_agent_metrics", response_model=AgentMetricsView)
async def get_agent_metrics(
    session: Session, email: str, start: str | None = None, end: str | None = None
) -> Response:
    return answer(await session.metrics.of_agent(email, start=start, end=end))
