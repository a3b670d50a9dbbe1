"""Templates, suppressions and contacts of another deployment."""

from __future__ import annotations

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
)
from e2a_core.contract.suppressions import (
    AgentSuppressionView,
    CreateAgentSuppressionRequest,
    DeleteSuppressionResult,
    SuppressionView,
)
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
from e2a_core.remote.client import ApiClient
from e2a_core.remote.requests import path

__all__ = ["Contacts", "Suppressions", "Templates"]

CONFIRM = {"confirm": "DELETE"}
TEMPLATE = "/v1/templates/{id}"
AGENT_SUPPRESSIONS = "/v1/agents/{email}/suppressions"
CONTACT = "/v1/contacts/{address}"
ENGAGEMENTS = "/v1/agents/{email}/contacts"
ENGAGEMENT = ENGAGEMENTS + "/{address}"


class _Group:
    def __init__(self, api: ApiClient) -> None:
        self._api = api


class Templates(_Group):
    """`engine.Templates` over HTTP."""

    async def list(self, *, cursor: str | None = None, limit: int = 100) -> Page[TemplateSummaryView]:
        query = {"cursor": cursor, "limit": limit}
        return await self._api.call(Page[TemplateSummaryView], "GET", "/v1/templates", query=query)

    async def get(self, template_id: str) -> TemplateView:
        return await self._api.call(TemplateView, "GET", path(TEMPLATE, id=template_id))

    async def create(self, request: CreateTemplateRequest) -> TemplateView:
        return await self._api.call(TemplateView, "POST", "/v1/templates", body=request)

    async def update(self, template_id: str, request: UpdateTemplateRequest) -> TemplateView:
        return await self._api.call(TemplateView, "PATCH", path(TEMPLATE, id=template_id), body=request)

    async def delete(self, template_id: str) -> DeleteTemplateResult:
        url = path(TEMPLATE, id=template_id)
        return await self._api.call(DeleteTemplateResult, "DELETE", url, query=CONFIRM)

    async def validate(self, request: ValidateTemplateRequest) -> ValidateTemplateResponse:
        return await self._api.call(ValidateTemplateResponse, "POST", "/v1/templates/validate", body=request)

    async def list_starters(
        self, *, cursor: str | None = None, limit: int = 100
    ) -> Page[StarterTemplateView]:
        query = {"cursor": cursor, "limit": limit}
        return await self._api.call(Page[StarterTemplateView], "GET", "/v1/starter-templates", query=query)

    async def get_starter(self, alias: str) -> StarterTemplateDetailView:
        url = path("/v1/starter-templates/{alias}", alias=alias)
        return await self._api.call(StarterTemplateDetailView, "GET", url)


class Suppressions(_Group):
    """`engine.Suppressions` over HTTP."""

    async def list(self, *, cursor: str | None = None, limit: int = 100) -> Page[SuppressionView]:
        query = {"cursor": cursor, "limit": limit}
        return await self._api.call(Page[SuppressionView], "GET", "/v1/account/suppressions", query=query)

    async def delete(self, address: str) -> DeleteSuppressionResult:
        url = path("/v1/account/suppressions/{address}", address=address)
        return await self._api.call(DeleteSuppressionResult, "DELETE", url, query=CONFIRM)

    async def list_of_agent(
        self, email: str, *, cursor: str | None = None, limit: int = 100
    ) -> Page[AgentSuppressionView]:
        query = {"cursor": cursor, "limit": limit}
        url = path(AGENT_SUPPRESSIONS, email=email)
        return await self._api.call(Page[AgentSuppressionView], "GET", url, query=query)

    async def create_for_agent(
        self, email: str, request: CreateAgentSuppressionRequest
    ) -> AgentSuppressionView:
        url = path(AGENT_SUPPRESSIONS, email=email)
        return await self._api.call(AgentSuppressionView, "POST", url, body=request)

    async def delete_of_agent(self, email: str, address: str) -> DeleteSuppressionResult:
        url = path(AGENT_SUPPRESSIONS + "/{address}", email=email, address=address)
        return await self._api.call(DeleteSuppressionResult, "DELETE", url, query=CONFIRM)


class Contacts(_Group):
    """`engine.Contacts` over HTTP."""

    async def list(self, query: ContactQuery) -> Page[ContactView]:
        return await self._api.call(Page[ContactView], "GET", "/v1/contacts", query=query.model_dump())

    async def get(self, address: str) -> ContactView:
        return await self._api.call(ContactView, "GET", path(CONTACT, address=address), tagged=True)

    async def create(
        self, request: CreateContactRequest, *, idempotency_key: str | None = None
    ) -> ContactView:
        return await self._api.call(
            ContactView, "POST", "/v1/contacts", body=request, idempotency_key=idempotency_key, tagged=True
        )

    async def update(
        self, address: str, request: UpdateContactRequest, *, if_match: str | None = None
    ) -> ContactView:
        url = path(CONTACT, address=address)
        return await self._api.call(ContactView, "PATCH", url, body=request, if_match=if_match, tagged=True)

    async def delete(self, address: str) -> DeleteContactResult:
        url = path(CONTACT, address=address)
        return await self._api.call(DeleteContactResult, "DELETE", url, query=CONFIRM)

    async def import_rows(
        self, request: ImportContactsRequest, *, idempotency_key: str | None = None
    ) -> ContactImportResult:
        return await self._api.call(
            ContactImportResult,
            "POST",
            "/v1/contacts/import",
            body=request,
            idempotency_key=idempotency_key,
        )

    async def delete_import(self, batch_id: str) -> DeleteImportBatchResult:
        url = path("/v1/contacts/imports/{batch_id}", batch_id=batch_id)
        return await self._api.call(DeleteImportBatchResult, "DELETE", url, query=CONFIRM)

    async def engagements(self, email: str, query: EngagementQuery) -> Page[ContactEngagementView]:
        url = path(ENGAGEMENTS, email=email)
        return await self._api.call(Page[ContactEngagementView], "GET", url, query=query.model_dump())

    async def engagement(self, email: str, address: str) -> ContactEngagementView:
        return await self._api.call(
            ContactEngagementView, "GET", path(ENGAGEMENT, email=email, address=address), tagged=True
        )

    async def upsert_engagement(
        self, email: str, address: str, request: UpsertEngagementRequest, *, if_match: str | None = None
    ) -> ContactEngagementView:
        url = path(ENGAGEMENT, email=email, address=address)
        return await self._api.call(
            ContactEngagementView, "PUT", url, body=request, if_match=if_match, tagged=True
        )

    async def delete_engagement(self, email: str, address: str) -> DeleteEngagementResult:
        url = path(ENGAGEMENT, email=email, address=address)
        return await self._api.call(DeleteEngagementResult, "DELETE", url, query=CONFIRM)
