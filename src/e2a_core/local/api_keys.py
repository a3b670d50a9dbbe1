"""The account and its API keys, as one caller may see and change them."""

from __future__ import annotations

from datetime import datetime

from e2a_core.accounts import queries
from e2a_core.accounts.credentials import NewKey, new_key
from e2a_core.accounts.queries import KeyRow, key_from
from e2a_core.accounts.sealed import answered_once
from e2a_core.clock import from_micros, to_micros
from e2a_core.contract.api_keys import (
    APIKeyView,
    CreateAPIKeyRequest,
    CreateAPIKeyResponse,
    DeleteApiKeyResult,
)
from e2a_core.contract.base import Page
from e2a_core.contract.principal import Principal, Scope
from e2a_core.core import Core
from e2a_core.errors import InvalidExpiresAt, InvalidRequest, NotFound
from e2a_core.mail.addresses import normalize_addr_spec
from e2a_core.mail.roles import is_account_only
from e2a_core.paging import paged
from e2a_core.store.statement import Row, first
from e2a_core.texts import is_storable, require_storable

__all__ = ["ApiKeys"]

_KEYS_ROUTE = "/v1/account/api-keys"


class ApiKeys:
    """`engine.ApiKeys`."""

    def __init__(self, core: Core, principal: Principal) -> None:
        self._core = core
        self._principal = principal

    async def list(self, *, cursor: str | None = None, limit: int = 100) -> Page[APIKeyView]:
        self._principal.require_account()
        return await paged(
            self._core,
            lambda after, count: queries.keys(self._principal.account_id, after, count),
            query={"list": "api-keys"},
            cursor=cursor,
            limit=limit,
            view=_view,
        )

    async def create(
        self, request: CreateAPIKeyRequest, *, idempotency_key: str | None = None
    ) -> CreateAPIKeyResponse:
        self._principal.require_account()
        if request.expires_at is not None and request.expires_at <= self._core.clock.now():
            raise InvalidExpiresAt("must lie in the future", location="body.expires_at")
        key = await self._prepare(request.scope or "account", request)
        account_id = self._principal.account_id
        return await answered_once(
            self._core,
            account_id,
            idempotency_key,
            _KEYS_ROUTE,
            request,
            201,
            lambda: (_created(key), [key.statement]),
        )

    async def delete(self, key_id: str) -> DeleteApiKeyResult:
        """Revoke the key; whoever uses it is refused from the next request on."""
        self._principal.require_account()
        if not is_storable(key_id):
            raise NotFound("no such API key")
        now = to_micros(self._core.clock.now())
        [revoked] = await self._core.db.write([queries.revoke_key(self._principal.account_id, key_id, now)])
        if not revoked.rowcount:
            raise NotFound("no such API key")
        return DeleteApiKeyResult(id=key_id)

    async def _prepare(self, scope: Scope, request: CreateAPIKeyRequest) -> NewKey:
        account_id = self._principal.account_id
        agent_email = None
        if scope == "agent":
            if not request.agent_email:
                raise InvalidRequest("an agent key needs the agent it is for", location="body.agent_email")
            agent_email = normalize_addr_spec(require_storable(request.agent_email, "body.agent_email"))
            if first(await self._core.db.read(queries.live_agent(account_id, agent_email))) is None:
                raise NotFound("no such agent")
            if is_account_only(agent_email):
                raise InvalidRequest(
                    "this mailbox is read with account credentials only", location="body.agent_email"
                )
        return new_key(
            self._core,
            account_id,
            name=require_storable(request.name or "", "body.name"),
            scope=scope,
            agent_email=agent_email,
            expires_at=request.expires_at,
        )


def _view(row: Row) -> APIKeyView:
    return APIKeyView(**_members(key_from(row)))


def _created(key: NewKey) -> CreateAPIKeyResponse:
    return CreateAPIKeyResponse(**_members(key.row), key=key.plaintext)


def _members(key: KeyRow) -> dict[str, str | datetime | None]:
    return {
        "id": key.id,
        "name": key.name,
        "key_prefix": key.key_prefix,
        "scope": key.scope,
        "agent_email": key.agent_email,
        "created_at": from_micros(key.created_at),
        "last_used_at": _instant(key.last_used_at),
        "expires_at": _instant(key.expires_at),
    }


def _instant(micros: int | None) -> datetime | None:
    return None if micros is None else from_micros(micros)
