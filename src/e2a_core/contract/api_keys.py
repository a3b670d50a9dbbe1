"""API keys of the account."""

from __future__ import annotations

from typing import Annotated, Literal, Protocol

from pydantic import StringConstraints

from e2a_core.contract.base import Instant, Page, Request, Timestamp, View
from e2a_core.contract.operation import READS, Confirm, Hints, Tool, operation
from e2a_core.contract.parameters import Cursor, IdempotencyKey, KeyId, Limit
from e2a_core.errors import (
    IdempotencyInFlight,
    IdempotencyKeyReuse,
    InvalidCursor,
    InvalidExpiresAt,
    InvalidScope,
    NotFound,
)

__all__ = [
    "ApiKeys",
    "APIKeyView",
    "CreateAPIKeyRequest",
    "CreateAPIKeyResponse",
    "DeleteApiKeyResult",
]


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
    """A new key. Only this response carries its text."""

    key: str


class DeleteApiKeyResult(View):
    deleted: bool = True
    id: str


class ApiKeys(Protocol):
    """API keys of the account."""

    @operation(
        "GET",
        "/v1/account/api-keys",
        id="list_api_keys",
        errors=(InvalidCursor,),
        tool=Tool("List API keys", "The account's keys, without their text.", READS),
    )
    async def list(self, *, cursor: Cursor = None, limit: Limit = 100) -> Page[APIKeyView]:
        """List the API keys, without their text."""

    @operation(
        "POST",
        "/v1/account/api-keys",
        id="create_api_key",
        answer=201,
        errors=(IdempotencyInFlight, IdempotencyKeyReuse, InvalidExpiresAt, InvalidScope, NotFound),
        tool=Tool("Create an agent's API key", "Make a key bound to one inbox. Its text is shown this once."),
    )
    async def create(
        self, request: CreateAPIKeyRequest, *, idempotency_key: IdempotencyKey = None
    ) -> CreateAPIKeyResponse:
        """Create an API key. Only this response carries its text."""

    @operation(
        "DELETE",
        "/v1/account/api-keys/{id}",
        id="delete_api_key",
        confirm=Confirm.ALWAYS,
        errors=(NotFound,),
        tool=Tool(
            "Revoke an API key",
            "End a key at once. Revoking this session's own key ends the session.",
            Hints(destructive=True, idempotent=True),
        ),
    )
    async def delete(self, key_id: KeyId) -> DeleteApiKeyResult:
        """Revoke an API key at once."""
