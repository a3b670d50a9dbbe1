"""The review queue of the account."""

from __future__ import annotations

from fastapi import Response

from e2a_core.contract.base import Page
from e2a_core.contract.engine import Session
from e2a_core.contract.messages import MessageView
from e2a_core.contract.sending import (
    ApproveRequest,
    RejectRequest,
    RejectResultView,
    ReviewView,
    SendResultView,
)
from e2a_core.http.envelope import answer
from e2a_core.http.routes.messages import send_answer
from e2a_core.http.routes.parameters import Cursor, IdempotencyKey, Limit, api_router

__all__ = ["router"]

router = api_router("reviews")


@router.get("/reviews", operation_id="list_reviews", response_model=Page[ReviewView])
async def list_reviews(session: Session, cursor: Cursor = None, limit: Limit = 100) -> Response:
    return answer(await session.reviews.list(cursor=cursor, limit=limit))


@router.get("/reviews/{id}", operation_id="get_review", response_model=MessageView)
async def get_review(session: Session, id: str) -> Response:
    return answer(await session.reviews.get(id))


@router.post(
    "/reviews/{id}/approve",
    operation_id="approve_review",
    response_model=SendResultView,
    status_code=202,
    responses={200: {"model": SendResultView}},
)
async def approve_review(
    session: Session, id: str, body: ApproveRequest, idempotency_key: IdempotencyKey = None
) -> Response:
    return send_answer(await session.reviews.approve(id, body, idempotency_key=idempotency_key))


@router.post("/reviews/{id}/reject", operation_id="reject_review", response_model=RejectResultView)
async def reject_review(session: Session, id: str, body: RejectRequest) -> Response:
    return answer(await session.reviews.reject(id, body))
