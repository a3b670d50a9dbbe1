"""The webhooks of an account, as its owner may see and change them."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from e2a_core.accounts.sealed import answered_once
from e2a_core.accounts.sealing import seal
from e2a_core.clock import from_micros, to_micros
from e2a_core.contract.base import Page, Request
from e2a_core.contract.events import EventEnvelope
from e2a_core.contract.principal import Principal
from e2a_core.contract.webhooks import (
    CreateWebhookRequest,
    CreateWebhookResponse,
    DeleteWebhookResult,
    DeliveryQuery,
    RotateSecretResponse,
    TestWebhookRequest,
    TestWebhookResponse,
    UpdateWebhookRequest,
    WebhookDeliveryView,
    WebhookView,
)
from e2a_core.core import Core
from e2a_core.errors import NotFound, WebhookCooldown, WebhookDisabled, WebhookLimitReached
from e2a_core.paging import paged
from e2a_core.store.statement import Row, StaleWrite, Statement, first
from e2a_core.texts import is_storable
from e2a_core.webhooks import delivery_queries, queries
from e2a_core.webhooks.check import check_description, check_events, check_filters, check_url
from e2a_core.webhooks.views import delivery_view, webhook_members, webhook_view

__all__ = ["MAX_WEBHOOKS", "Webhooks"]

MAX_WEBHOOKS = 50
COOLDOWN = timedelta(minutes=5)
"""Before a webhook that disabled itself can be enabled again."""
PREVIOUS_KEPT = timedelta(hours=24)
"""How long the secret before a rotation signs along."""


class Webhooks:
    """`engine.Webhooks`; for account credentials alone."""

    def __init__(self, core: Core, principal: Principal) -> None:
        self._core = core
        self._principal = principal

    async def list(self, *, cursor: str | None = None, limit: int = 100) -> Page[WebhookView]:
        self._principal.require_account()
        return await paged(
            self._core,
            lambda after, count: queries.of_account(self._principal.account_id, after, count),
            query={"list": "webhooks"},
            cursor=cursor,
            limit=limit,
            view=webhook_view,
        )

    async def create(
        self, request: CreateWebhookRequest, *, idempotency_key: str | None = None
    ) -> CreateWebhookResponse:
        """A new webhook, which is enabled and is sent the events from now on."""
        self._principal.require_account()
        await check_url(self._core, request.url)
        secret = f"whsec_{self._core.ids.secret()}"
        values = {
            "id": self._core.ids.webhook(),
            "account_id": self._principal.account_id,
            "url": request.url,
            "description": check_description(request.description or ""),
            **queries.columns_of(
                check_events(request.events),
                await check_filters(self._core, self._principal, request.filters),
            ),
            "ordered": int(request.ordered),
            "secret": seal(secret, self._core.secrets),
            "created_at": to_micros(self._core.clock.now()),
        }
        made = CreateWebhookResponse(**webhook_members({**_UNSET, **values}), signing_secret=secret)
        try:
            return await answered_once(
                self._core,
                self._principal.account_id,
                idempotency_key,
                "/v1/webhooks",
                request,
                201,
                lambda: (made, queries.insert(values, MAX_WEBHOOKS)),
            )
        except StaleWrite:
            raise WebhookLimitReached(f"an account has at most {MAX_WEBHOOKS} webhooks") from None

    async def get(self, webhook_id: str) -> WebhookView:
        return webhook_view(await self._found(webhook_id))

    async def update(self, webhook_id: str, request: UpdateWebhookRequest) -> WebhookView:
        """Changes what is given; what results has to be right as a whole, with the URL's addresses of now."""
        row = await self._found(webhook_id)
        values = await self._changes(row, request)
        await check_url(self._core, request.url if request.url is not None else row["url"])
        if values:
            statements = [queries.update(self._principal.account_id, row["id"], values)]
            if "resumes_at" in values:
                statements.append(self._wake(row["id"]))
            await self._core.db.write(statements)
        return webhook_view(await self._found(webhook_id))

    async def delete(self, webhook_id: str) -> DeleteWebhookResult:
        row = await self._found(webhook_id)
        [gone] = await self._core.db.write([queries.delete(self._principal.account_id, row["id"])])
        if not gone.rowcount:
            raise NotFound("no such webhook")
        return DeleteWebhookResult(id=row["id"])

    async def list_deliveries(self, webhook_id: str, query: DeliveryQuery) -> Page[WebhookDeliveryView]:
        row = await self._found(webhook_id)
        return await paged(
            self._core,
            lambda after, count: queries.deliveries(row["id"], query.status, after, count),
            query={"list": "deliveries", "webhook": row["id"], "status": query.status},
            cursor=query.cursor,
            limit=query.limit,
            view=delivery_view,
        )

    async def rotate_secret(
        self, webhook_id: str, *, idempotency_key: str | None = None
    ) -> RotateSecretResponse:
        """A new secret; the one before it signs along for a day, and the one before that no more."""
        row = await self._found(webhook_id)
        secret = f"whsec_{self._core.ids.secret()}"
        expires = self._core.clock.now() + PREVIOUS_KEPT
        made = RotateSecretResponse(signing_secret=secret, previous_secret_expires_at=expires)
        change = queries.rotate(
            row["id"], row["secret"], seal(secret, self._core.secrets), to_micros(expires)
        )
        return await answered_once(
            self._core,
            self._principal.account_id,
            idempotency_key,
            f"/v1/webhooks/{row['id']}/rotate-secret",
            Request(),
            200,
            lambda: (made, [change]),
        )

    async def test(self, webhook_id: str, request: TestWebhookRequest) -> TestWebhookResponse:
        """A delivery of a made-up event, which asks neither types nor filters."""
        row = await self._found(webhook_id)
        if not row["enabled"]:
            raise WebhookDisabled("the webhook is disabled; enable it first")
        core, now = self._core, self._core.clock.now()
        envelope = EventEnvelope(
            type=request.type or "email.received",
            id=core.ids.event(),
            created_at=now,
            data=request.data if request.data is not None else {"test": True},
        )
        delivery_id = core.ids.delivery()
        delivery = delivery_queries.insert(
            delivery_id,
            row["id"],
            kind="test",
            type=envelope.type,
            now=to_micros(now),
            body=envelope.to_json().decode(),
        )
        await core.db.write([delivery, self._wake(row["id"])])
        return TestWebhookResponse(delivery_id=delivery_id)

    async def _changes(self, row: Row, request: UpdateWebhookRequest) -> dict[str, Any]:
        values: dict[str, Any] = {}
        if request.url is not None:
            values |= {"url": request.url, "resumes_at": None}
        if request.events is not None:
            values["events"] = queries.columns_of(check_events(request.events), {})["events"]
        if request.filters is not None:
            filters = await check_filters(self._core, self._principal, request.filters)
            values["filters"] = queries.columns_of([], filters)["filters"]
        if request.description is not None:
            values["description"] = check_description(request.description)
        if request.ordered is not None:
            values["ordered"] = int(request.ordered)
        if request.enabled is not None and request.enabled != bool(row["enabled"]):
            values |= self._switched(row, request.enabled)
        return values

    def _switched(self, row: Row, enabled: bool) -> dict[str, Any]:
        now = self._core.clock.now()
        if not enabled:
            return {"enabled": 0, "disabled_at": to_micros(now)}
        disabled_itself = row["auto_disabled_at"]
        if disabled_itself is not None and now < from_micros(disabled_itself) + COOLDOWN:
            raise WebhookCooldown("it disabled itself less than five minutes ago; mend the endpoint first")
        return {
            "enabled": 1,
            "disabled_at": None,
            "auto_disabled_at": None,
            "auto_disabled_reason": None,
            "warned_at": None,
            "resumes_at": None,
        }

    async def _found(self, webhook_id: str) -> Row:
        self._principal.require_account()
        found = queries.one(self._principal.account_id, webhook_id)
        row = first(await self._core.db.read(found)) if is_storable(webhook_id) else None
        if row is None:
            raise NotFound("no such webhook")
        return row

    def _wake(self, webhook_id: str) -> Statement:
        return delivery_queries.wake(webhook_id, ids=self._core.ids, now=self._core.clock.now())


_UNSET = {"enabled": 1, "last_delivered_at": None, "auto_disabled_at": None, "auto_disabled_reason": None}
