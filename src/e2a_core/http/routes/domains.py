"""Domains of the account."""

from __future__ import annotations

from fastapi import Response

from e2a_core.contract.base import Page
from e2a_core.contract.domains import (
    DeleteDomainResult,
    DomainView,
    RegisterDomainRequest,
    VerifyDomainView,
)
from e2a_core.contract.engine import Session
from e2a_core.http.envelope import answer
from e2a_core.http.routes.parameters import Confirm, Cursor, Limit, api_router

__all__ = ["router"]

router = api_router("domains")


@router.get("/domains", operation_id="list_domains", response_model=Page[DomainView])
async def list_domains(session: Session, cursor: Cursor = None, limit: Limit = 100) -> Response:
    return answer(await session.domains.list(cursor=cursor, limit=limit))


@router.post("/domains", operation_id="register_domain", response_model=DomainView, status_code=201)
async def register_domain(session: Session, body: RegisterDomainRequest) -> Response:
    return answer(await session.domains.register(body), 201)


@router.get("/domains/{domain}", operation_id="get_domain", response_model=DomainView)
async def get_domain(session: Session, domain: str) -> Response:
    return answer(await session.domains.get(domain))


@router.delete("/domains/{domain}", operation_id="delete_domain", response_model=DeleteDomainResult)
async def delete_domain(session: Session, domain: str, confirm: Confirm) -> Response:
    return answer(await session.domains.delete(domain))


@router.post("/domains/{domain}/verify", operation_id="verify_domain", response_model=VerifyDomainView)
async def verify_domain(session: Session, domain: str) -> Response:
    return answer(await session.domains.verify(domain))


@router.post("/domains/{domain}/rotate-key", operation_id="rotate_domain_key", response_model=DomainView)
async def rotate_domain_key(session: Session, domain: str) -> Response:
    return answer(await session.domains.rotate_key(domain))
