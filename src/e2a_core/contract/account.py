"""The account: identity, limits, usage and API keys."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import StringConstraints

from e2a_core.contract.base import Instant, Request, Timestamp, View

__all__ = [
    "APIKeyView",
    "AccountUserView",
    "AccountView",
    "CreateAPIKeyRequest",
    "CreateAPIKeyResponse",
    "DeleteApiKeyResult",
    "LimitsCapsView",
    "LimitsUsageView",
]


class AccountUserView(View):
    id: str
    email: str


class LimitsCapsView(View):
    max_agents: int
    max_domains: int
    max_messages_month: int
    max_storage_bytes: int


class LimitsUsageView(View):
    agents: int
    domains: int
    messages_month: int
    storage_bytes: int


class AccountView(View):
    user: AccountUserView
    scope: str
    agent_email: str | None = None
    plan_code: str
    limits: LimitsCapsView
    usage: LimitsUsageView
    upgrade_url: str


class CreateAPIKeyRequest(Request):
    name: Annotated[str, StringConstraints(max_length=200)] | None = None
    scope: Literal["account", "agent"] | None = None
    agent_email: str | None = None
    expires_at: Instant | None = None


class APIKeyView(View):
    id: str
    name: str
    key_prefix: str
    scope: str
    agent_email: str | None = None
    created_at: Timestamp
    last_used_at: Timestamp | None = None
    expires_at: Timestamp | None = None


class CreateAPIKeyResponse(APIKeyView):
    """The only answer that carries the key itself."""

    key: str


class DeleteApiKeyResult(View):
    deleted: bool = True
    id: str
