"""Contacts of the account, their import, and agents' outreach to them."""

from __future__ import annotations

from fastapi import Response

from e2a_core.contract.base import Page
from e2a_core.contract.contacts import (
    ContactEngagementView,
    ContactImportResult,
    ContactQuery,
    ContactView,
    CreateContactRequest,
    DeleteContactResult,
    DeleteEngagementResult,
    DeleteImportBatchResult,
    EngagementQuery,
    ImportContactsRequest,
    UpdateContactRequest,
    UpsertEngagementRequest,
    etag_of,
)
from e2a_core.contract.engine import Session
from e2a_core.http.envelope import answer
from e2a_core.http.routes.parameters import Confirm, Cursor, IdempotencyKey, IfMatch, Limit, api_router

__all__ = ["router"]

router = api_router("contacts")

OUTREACH = "/agents/{email}/contacts"


@router.get("/contacts", operation_id="list_contacts", response_model=Page[ContactView])
async def list_contacts(
    session: Session,
    source: str | None = None,
    import_batch_id: str | None = None,
    created_after: str | None = None,
    created_before: str | None = None,
    cursor: Cursor = None,
    limit: Limit = 100,
) -> Response:
    query = ContactQuery(
        source=source,
        import_batch_id=import_batch_id,
        created_after=created_after,
        created_before=created_before,
        cursor=cursor,
        limit=limit,
    )
    return answer(await session.contacts.list(query))


@router.post("/contacts", operation_id="create_contact", response_model=ContactView, status_code=201)
async def create_contact(
    session: Session, body: CreateContactRequest, idempotency_key: IdempotencyKey = None
) -> Response:
    return _tagged(await session.contacts.create(body, idempotency_key=idempotency_key), 201)


@router.post("/contacts/import", operation_id="import_contacts", response_model=ContactImportResult)
async def import_contacts(
    session: Session, body: ImportContactsRequest, idempotency_key: IdempotencyKey = None
) -> Response:
    return answer(await session.contacts.import_rows(body, idempotency_key=idempotency_key))


@router.delete(
    "/contacts/imports/{batch_id}",
    operation_id="delete_import_batch",
    response_model=DeleteImportBatchResult,
)
async def delete_import_batch(session: Session, batch_id: str, confirm: Confirm) -> Response:
    return answer(await session.contacts.delete_import(batch_id))


@router.get("/contacts/{address}", operation_id="get_contact", response_model=ContactView)
async def get_contact(session: Session, address: str) -> Response:
    return _tagged(await session.contacts.get(address))


@router.patch("/contacts/{address}", operation_id="update_contact", response_model=ContactView)
async def update_contact(
    session: Session, address: str, body: UpdateContactRequest, if_match: IfMatch = None
) -> Response:
    return _tagged(await session.contacts.update(address, body, if_match=if_match))


@router.delete("/contacts/{address}", operation_id="delete_contact", response_model=DeleteContactResult)
async def delete_contact(session: Session, address: str, confirm: Confirm) -> Response:
    return answer(await session.contacts.delete(address))


@router.get(OUTREACH, operation_id="list_engagements", response_model=Page[ContactEngagementView])
async def list_engagements(
    session: Session,
    email: str,
    stage: str | None = None,
    replied: bool | None = None,
    suppressed: bool | None = None,
    next_action_before: str | None = None,
    last_outbound_before: str | None = None,
    cursor: Cursor = None,
    limit: Limit = 100,
) -> Response:
    query = EngagementQuery(
        stage=stage,
        replied=replied,
        suppressed=suppressed,
        next_action_before=next_action_before,
        last_outbound_before=last_outbound_before,
        cursor=cursor,
        limit=limit,
    )
    return answer(await session.contacts.engagements(email, query))


@router.get(OUTREACH + "/{address}", operation_id="get_engagement", response_model=ContactEngagementView)
async def get_engagement(session: Session, email: str, address: str) -> Response:
    return _tagged(await session.contacts.engagement(email, address))


@router.put(
    OUTREACH + "/{address}",
    operation_id="upsert_engagement",
    response_model=ContactEngagementView,
    responses={201: {"model": ContactEngagementView}},
)
async def upsert_engagement(
    session: Session,
    email: str,
    address: str,
    body: UpsertEngagementRequest,
    if_match: IfMatch = None,
) -> Response:
    view = await session.contacts.upsert_engagement(email, address, body, if_match=if_match)
    return _tagged(view, 201 if view.created_at == view.updated_at else 200)


@router.delete(
    OUTREACH + "/{address}", operation_id="delete_engagement", response_model=DeleteEngagementResult
)
async def delete_engagement(session: Session, email: str, address: str, confirm: Confirm) -> Response:
    return answer(await session.contacts.delete_engagement(email, address))


def _tagged(view: ContactView | ContactEngagementView, status: int = 200) -> Response:
    return answer(view, status, {"ETag": etag_of(view)})
