"""The account: what it is, its keys, everything it holds, and its end."""

from __future__ import annotations

from fastapi import Response

from e2a_core.contract.account import (
    AccountView,
    APIKeyView,
    CreateAPIKeyRequest,
    CreateAPIKeyResponse,
    DeleteApiKeyResult,
)
from e2a_core.contract.base import Page
from e2a_core.contract.engine import Session
from e2a_core.contract.export import DeleteUserDataResult, UserExport
from e2a_core.http.envelope import answer
from e2a_core.http.routes.parameters import Confirm, Cursor, IdempotencyKey, Limit, api_router

__all__ = ["router"]

router = api_router("account")


@router.get("/account", operation_id="get_account", response_model=AccountView)
async def get_account(session: Session) -> Response:
    return answer(await session.account.get())


@router.delete("/account", operation_id="delete_account", response_model=DeleteUserDataResult)
async def delete_account(session: Session, confirm: Confirm) -> Response:
    return answer(await session.account.delete())


@router.get("/account/export", operation_id="export_account", response_model=UserExport)
async def export_account(session: Session) -> Response:
    document = await session.account.export()
    name = f"e2a-export-{session.principal.account_id}.json"
    return answer(document, headers={"Content-Disposition": f'attachment; filename="{name}"'})


@router.get("/account/api-keys", operation_id="list_api_keys", response_model=Page[APIKeyView])
async def list_api_keys(session: Session, cursor: Cursor = None, limit: Limit = 100) -> Response:
    return answer(await session.api_keys.list(cursor=cursor, limit=limit))


@router.post(
    "/account/api-keys", operation_id="create_api_key", response_model=CreateAPIKeyResponse, status_code=201
)
async def create_api_key(
    session: Session, body: CreateAPIKeyRequest, idempotency_key: IdempotencyKey = None
) -> Response:
    return answer(await session.api_keys.create(body, idempotency_key=idempotency_key), 201)


@router.delete("/account/api-keys/{id}", operation_id="delete_api_key", response_model=DeleteApiKeyResult)
async def delete_api_key(session: Session, id: str, confirm: Confirm) -> Response:
    return answer(await session.api_keys.delete(id))
