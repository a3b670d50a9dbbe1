"""Contacts as one caller may see and change them."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import TypeVar

from e2a_core.accounts.idempotency import REQUESTS, claimed, complete, fingerprint_of
from e2a_core.agents.lookup import resolve_agent
from e2a_core.clock import to_micros
from e2a_core.contacts import importing, queries
from e2a_core.contacts.engagements import Engagements
from e2a_core.contacts.fields import asked_for, canonical, check_match, check_metadata, stored_metadata
from e2a_core.contacts.views import contact_view
from e2a_core.contract.base import Page, Request, View
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
)
from e2a_core.contract.principal import Principal
from e2a_core.core import Core
from e2a_core.errors import (
    Conflict,
    ContactNotFound,
    ImportBatchNotFound,
    PreconditionFailed,
)
from e2a_core.messages.conditions import instant
from e2a_core.paging import paged
from e2a_core.store.statement import Row, Statement, first
from e2a_core.texts import is_storable, require_storable

__all__ = ["Contacts"]

_CREATE_ROUTE = "/v1/contacts"
_IMPORT_ROUTE = "/v1/contacts/import"

Made = TypeVar("Made", bound=View)
Also = Callable[[View], Sequence[Statement]]


class Contacts:
    """`engine.Contacts`. Contacts are an account credential's business; outreach is also the agent's own."""

    def __init__(self, core: Core, principal: Principal) -> None:
        self._core = core
        self._principal = principal
        self._engagements = Engagements(core, principal)

    async def list(self, query: ContactQuery) -> Page[ContactView]:
        self._principal.require_account()
        filters = {
            "source": query.source and require_storable(query.source, "query.source"),
            "import_batch_id": query.import_batch_id
            and require_storable(query.import_batch_id, "query.import_batch_id"),
        }
        now = self._core.clock.now()
        period = {
            "created_after": instant(query.created_after, "query.created_after", now),
            "created_before": instant(query.created_before, "query.created_before", now),
        }
        return await paged(
            self._core,
            lambda after, count: queries.contacts(
                self._principal.account_id, {**filters, **period}, after, count
            ),
            query={"list": "contacts", **filters},
            cursor=query.cursor,
            limit=query.limit,
            columns=("created_at", "address"),
            view=contact_view,
        )

    async def get(self, address: str) -> ContactView:
        self._principal.require_account()
        return contact_view(await self._row(address))

    async def create(
        self, request: CreateContactRequest, *, idempotency_key: str | None = None
    ) -> ContactView:
        self._principal.require_account()
        return await self._once(
            _CREATE_ROUTE,
            request,
            idempotency_key,
            ContactView,
            201,
            lambda also: self._create(request, also),
        )

    async def update(
        self, address: str, request: UpdateContactRequest, *, if_match: str | None = None
    ) -> ContactView:
        """Changes the members given and leaves the others. Raises `PreconditionFailed` as `if_match` asks."""
        self._principal.require_account()
        row = await self._row(address)
        check_match(if_match, row["updated_at"])
        [changed] = await self._core.db.write(
            [
                queries.update(
                    self._principal.account_id,
                    row["address"],
                    display_name=_name(request.display_name),
                    metadata=None
                    if request.metadata is None
                    else stored_metadata(check_metadata(request.metadata, "body.metadata")),
                    now=self._now(),
                    seen=None if if_match is None else row["updated_at"],
                )
            ]
        )
        if not changed.rows:
            if if_match is None:
                raise ContactNotFound("no such contact")
            raise PreconditionFailed("it was changed meanwhile; read it again before writing")
        return contact_view(changed.rows[0])

    async def delete(self, address: str) -> DeleteContactResult:
        """Forgets the contact and the outreach to it; whether it may be written to stays as it was."""
        self._principal.require_account()
        wanted = asked_for(address, ContactNotFound("no such contact"))
        [gone, _] = await self._core.db.write(
            [
                queries.delete_contact(self._principal.account_id, wanted),
                queries.delete_engagements_of(self._principal.account_id, wanted),
            ]
        )
        if not gone.rowcount:
            raise ContactNotFound("no such contact")
        return DeleteContactResult(address=wanted, deleted=True)

    async def import_rows(
        self, request: ImportContactsRequest, *, idempotency_key: str | None = None
    ) -> ContactImportResult:
        self._principal.require_account()
        importing.check_request(request)
        agent_email = None
        if request.agent_email is not None:
            agent_email = (await resolve_agent(self._core, self._principal, request.agent_email)).email
        account_id = self._principal.account_id
        return await self._once(
            _IMPORT_ROUTE,
            request,
            idempotency_key,
            ContactImportResult,
            200,
            lambda also: importing.import_rows(self._core, account_id, agent_email, request, also),
        )

    async def delete_import(self, batch_id: str) -> DeleteImportBatchResult:
        self._principal.require_account()
        if not is_storable(batch_id):
            raise ImportBatchNotFound("no such import")
        return await importing.reverse(self._core, self._principal.account_id, batch_id)

    async def engagements(self, email: str, query: EngagementQuery) -> Page[ContactEngagementView]:
        return await self._engagements.list(email, query)

    async def engagement(self, email: str, address: str) -> ContactEngagementView:
        return await self._engagements.get(email, address)

    async def upsert_engagement(
        self, email: str, address: str, request: UpsertEngagementRequest, *, if_match: str | None = None
    ) -> ContactEngagementView:
        return await self._engagements.upsert(email, address, request, if_match=if_match)

    async def delete_engagement(self, email: str, address: str) -> DeleteEngagementResult:
        return await self._engagements.delete(email, address)

    async def _create(self, request: CreateContactRequest, also: Also) -> ContactView:
        address = canonical(request.address, "body.address")
        metadata = stored_metadata(check_metadata(request.metadata or {}, "body.metadata"))
        async with self._core.db.transaction() as transaction:
            [made] = await transaction.write(
                [
                    queries.insert(
                        self._principal.account_id,
                        address,
                        source="manual",
                        now=self._now(),
                        display_name=_name(request.display_name),
                        metadata=metadata,
                    )
                ]
            )
            row = first(await transaction.read(queries.contact(self._principal.account_id, address)))
            if row is None or not made.rowcount:
                raise Conflict("the address is a contact already")
            view = contact_view(row)
            await transaction.write(also(view))
        return view

    async def _once(
        self,
        route: str,
        request: Request,
        key: str | None,
        answer: type[Made],
        status: int,
        work: Callable[[Also], Awaitable[Made]],
    ) -> Made:
        """`work`, once per idempotency key; the answer is committed with its effect."""
        if not key:
            return await work(lambda view: ())
        async with claimed(
            self._core, self._principal.account_id, REQUESTS, key, fingerprint_of(route, request)
        ) as claim:
            if claim.stored is not None:
                return answer.model_validate_json(claim.stored.body)
            return await work(lambda view: [complete(claim, status, view.model_dump_json())])

    async def _row(self, address: str) -> Row:
        row = first(
            await self._core.db.read(
                queries.contact(
                    self._principal.account_id, asked_for(address, ContactNotFound("no such contact"))
                )
            )
        )
        if row is None:
            raise ContactNotFound("no such contact")
        return row

    def _now(self) -> int:
        return to_micros(self._core.clock.now())


def _name(text: str | None) -> str | None:
    return None if text is None else require_storable(text, "body.display_name")
