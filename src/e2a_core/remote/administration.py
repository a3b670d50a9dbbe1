"""Account, keys, agents and their protection of another deployment."""

from __future__ import annotations

from collections.abc import Sequence

from e2a_core.contract.account import (
    AccountView,
    APIKeyView,
    CreateAPIKeyRequest,
    CreateAPIKeyResponse,
    DeleteApiKeyResult,
)
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
from e2a_core.contract.domains import (
    DeleteDomainResult,
    DomainView,
    RegisterDomainRequest,
    VerifyDomainView,
)
from e2a_core.contract.export import DeleteUserDataResult, UserExport
from e2a_core.contract.metrics import AccountMetricsView, AgentMetricsView
from e2a_core.contract.sending import SendResultView
from e2a_core.remote.client import SEND_DEADLINE_SECONDS, ApiClient
from e2a_core.remote.requests import path

__all__ = ["Account", "Agents", "ApiKeys", "Domains", "Metrics", "Protection"]

CONFIRM = {"confirm": "DELETE"}
AGENT = "/v1/agents/{email}"


class _Group:
    def __init__(self, api: ApiClient) -> None:
        self._api = api


class Account(_Group):
    """`engine.Account` over HTTP."""

    async def get(self) -> AccountView:
        return await self._api.call(AccountView, "GET", "/v1/account")

    async def export(self) -> UserExport:
        return await self._api.call(UserExport, "GET", "/v1/account/export", deadline=SEND_DEADLINE_SECONDS)

    async def delete(self) -> DeleteUserDataResult:
        return await self._api.call(
            DeleteUserDataResult, "DELETE", "/v1/account", query=CONFIRM, repeatable=False
        )


class ApiKeys(_Group):
    """`engine.ApiKeys` over HTTP."""

    async def list(self, *, cursor: str | None = None, limit: int = 100) -> Page[APIKeyView]:
        query = {"cursor": cursor, "limit": limit}
        return await self._api.call(Page[APIKeyView], "GET", "/v1/account/api-keys", query=query)

    async def create(
        self, request: CreateAPIKeyRequest, *, idempotency_key: str | None = None
    ) -> CreateAPIKeyResponse:
        return await self._api.call(
            CreateAPIKeyResponse,
            "POST",
            "/v1/account/api-keys",
            body=request,
            idempotency_key=idempotency_key,
        )

    async def delete(self, key_id: str) -> DeleteApiKeyResult:
        url = path("/v1/account/api-keys/{id}", id=key_id)
        return await self._api.call(DeleteApiKeyResult, "DELETE", url, query=CONFIRM)


class Agents(_Group):
    """`engine.Agents` over HTTP."""

    async def list(
        self, *, deleted: bool = False, cursor: str | None = None, limit: int = 100
    ) -> Page[AgentView]:
        query = {"deleted": deleted or None, "cursor": cursor, "limit": limit}
        return await self._api.call(Page[AgentView], "GET", "/v1/agents", query=query)

    async def get(self, email: str) -> AgentView:
        return await self._api.call(AgentView, "GET", path(AGENT, email=email))

    async def create(self, request: CreateAgentRequest) -> AgentView:
        return await self._api.call(AgentView, "POST", "/v1/agents", body=request)

    async def update(self, email: str, request: UpdateAgentRequest) -> AgentView:
        return await self._api.call(AgentView, "PATCH", path(AGENT, email=email), body=request)

    async def delete(self, email: str, *, permanent: bool = False) -> DeleteAgentResult:
        query = {**CONFIRM, "permanent": permanent or None}
        return await self._api.call(DeleteAgentResult, "DELETE", path(AGENT, email=email), query=query)

    async def restore(self, email: str) -> AgentView:
        return await self._api.call(AgentView, "POST", path(AGENT + "/restore", email=email))

    async def test(self, email: str) -> SendResultView:
        return await self._api.call(SendResultView, "POST", path(AGENT + "/test", email=email))

    async def delegations(self, email: str) -> Sequence[DelegationView]:
        url = path(AGENT + "/delegations", email=email)
        return (await self._api.call(Page[DelegationView], "GET", url)).items

    async def delegate(self, email: str, request: CreateDelegationRequest) -> DelegationView:
        url = path(AGENT + "/delegations", email=email)
        return await self._api.call(DelegationView, "POST", url, body=request)

    async def revoke_delegation(self, email: str, delegation_id: str) -> None:
        url = path(AGENT + "/delegations/{id}", email=email, id=delegation_id)
        await self._api.call(DeleteDelegationResult, "DELETE", url, query=CONFIRM)


class Protection(_Group):
    """`engine.Protection` over HTTP."""

    async def get(self, email: str) -> ProtectionConfigView:
        return await self._api.call(ProtectionConfigView, "GET", path(AGENT + "/protection", email=email))

    async def put(self, email: str, config: ProtectionConfig) -> ProtectionConfigView:
        url = path(AGENT + "/protection", email=email)
        return await self._api.call(ProtectionConfigView, "PUT", url, body=config)


class Domains(_Group):
    """`engine.Domains` over HTTP."""

    async def list(self, *, cursor: str | None = None, limit: int = 100) -> Page[DomainView]:
        query = {"cursor": cursor, "limit": limit}
        return await self._api.call(Page[DomainView], "GET", "/v1/domains", query=query)

    async def get(self, domain: str) -> DomainView:
        return await self._api.call(DomainView, "GET", path("/v1/domains/{domain}", domain=domain))

    async def register(self, request: RegisterDomainRequest) -> DomainView:
        return await self._api.call(DomainView, "POST", "/v1/domains", body=request)

    async def verify(self, domain: str) -> VerifyDomainView:
        return await self._api.call(
            VerifyDomainView, "POST", path("/v1/domains/{domain}/verify", domain=domain)
        )

    async def delete(self, domain: str) -> DeleteDomainResult:
        url = path("/v1/domains/{domain}", domain=domain)
        return await self._api.call(DeleteDomainResult, "DELETE", url, query=CONFIRM)

    async def rotate_key(self, domain: str) -> DomainView:
        return await self._api.call(
            DomainView, "POST", path("/v1/domains/{domain}/rotate-key", domain=domain)
        )


class Metrics(_Group):
    """`engine.Metrics` over HTTP."""

    async def of_agent(
        self, email: str, *, start: str | None = None, end: str | None = None
    ) -> AgentMetricsView:
        url = path(AGENT + "/metrics", email=email)
        return await self._api.call(AgentMetricsView, "GET", url, query={"start": start, "end": end})

    async def of_account(
        self,
        *,
        start: str | None = None,
        end: str | None = None,
        bucket: str | None = None,
        group_by: str | None = None,
    ) -> AccountMetricsView:
        query = {"start": start, "end": end, "bucket": bucket, "group_by": group_by}
        return await self._api.call(AccountMetricsView, "GET", "/v1/metrics", query=query)
