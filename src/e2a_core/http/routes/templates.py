"""Templates and starters."""

from __future__ import annotations

from fastapi import Response

from e2a_core.contract.base import Page
from e2a_core.contract.engine import Session
from e2a_core.contract.templates import (
    CreateTemplateRequest,
    DeleteTemplateResult,
    StarterTemplateDetailView,
    StarterTemplateView,
    TemplateSummaryView,
    TemplateView,
    UpdateTemplateRequest,
    ValidateTemplateRequest,
    ValidateTemplateResponse,
)
from e2a_core.http.envelope import answer
from e2a_core.http.routes.parameters import Confirm, Cursor, Limit, api_router

__all__ = ["router"]

router = api_router("templates")


@router.get("/templates", operation_id="list_templates", response_model=Page[TemplateSummaryView])
async def list_templates(session: Session, cursor: Cursor = None, limit: Limit = 100) -> Response:
    return answer(await session.templates.list(cursor=cursor, limit=limit))


@router.post("/templates", operation_id="create_template", response_model=TemplateView, status_code=201)
async def create_template(session: Session, body: CreateTemplateRequest) -> Response:
    return answer(await session.templates.create(body), 201)


@router.post("/templates/validate", operation_id="validate_template", response_model=ValidateTemplateResponse)
async def validate_template(session: Session, body: ValidateTemplateRequest) -> Response:
    return answer(await session.templates.validate(body))


@router.get("/templates/{id}", operation_id="get_template", response_model=TemplateView)
async def get_template(session: Session, id: str) -> Response:
    return answer(await session.templates.get(id))


@router.patch("/templates/{id}", operation_id="update_template", response_model=TemplateView)
async def update_template(session: Session, id: str, body: UpdateTemplateRequest) -> Response:
    return answer(await session.templates.update(id, body))


@router.delete("/templates/{id}", operation_id="delete_template", response_model=DeleteTemplateResult)
async def delete_template(session: Session, id: str, confirm: Confirm) -> Response:
    return answer(await session.templates.delete(id))


@router.get(
    "/starter-templates", operation_id="list_starter_templates", response_model=Page[StarterTemplateView]
)
async def list_starter_templates(session: Session, cursor: Cursor = None, limit: Limit = 100) -> Response:
    return answer(await session.templates.list_starters(cursor=cursor, limit=limit))


@router.get(
    "/starter-templates/{alias}",
    operation_id="get_starter_template",
    response_model=StarterTemplateDetailView,
)
async def get_starter_template(session: Session, alias: str) -> Response:
    return answer(await session.templates.get_starter(alias))
