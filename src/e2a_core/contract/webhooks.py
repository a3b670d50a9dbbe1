"""Webhooks of the account: where its events are posted, and what each endpoint was sent."""

from __future__ import annotations

from typing import Annotated, Any, Literal, Protocol

from pydantic import StrictBool

from e2a_core.contract.base import Page, Query, Request, Stated, Timestamp, View
from e2a_core.contract.events import EventType
from e2a_core.contract.operation import READS, REPEATS, Confirm, Hints, NoTool, Tool, operation
from e2a_core.contract.parameters import Cursor, IdempotencyKey, Limit, WebhookId
from e2a_core.errors import (
    IdempotencyInFlight,
    IdempotencyKeyReuse,
    InvalidCursor,
    InvalidWebhookUrl,
    NotFound,
    WebhookCooldown,
    WebhookDisabled,
    WebhookLimitReached,
)

__all__ = [
    "CreateWebhookRequest",
    "CreateWebhookResponse",
    "DeleteWebhookResult",
    "DeliveryQuery",
    "RotateSecretResponse",
    "TestWebhookRequest",
    "TestWebhookResponse",
    "UpdateWebhookRequest",
    "WebhookDeliveryView",
    "WebhookFiltersRequest",
    "WebhookFiltersView",
    "WebhookView",
    "Webhooks",
]

Description = Annotated[str, Stated(maxLength=200)]


class WebhookFiltersRequest(Request):
    """Each list that is given and not empty has to have one value that the event has."""

    agent_emails: list[str] | None = None
    conversation_ids: list[str] | None = None
    labels: list[str] | None = None


class CreateWebhookRequest(Request):
    url: Annotated[str, Stated(maxLength=2048)]
    events: list[EventType]
    filters: WebhookFiltersRequest | None = None
    description: Description | None = None
    ordered: StrictBool = False


class UpdateWebhookRequest(Request):
    url: Annotated[str, Stated(maxLength=2048)] | None = None
    events: list[EventType] | None = None
    filters: WebhookFiltersRequest | None = None
    description: Description | None = None
    enabled: StrictBool | None = None
    ordered: StrictBool | None = None


class TestWebhookRequest(Request):
    type: EventType | None = None
    data: dict[str, Any] | None = None


class DeliveryQuery(Query):
    status: Literal["pending", "delivered", "failed"] | None = None
    cursor: Cursor = None
    limit: Limit = 100


class WebhookFiltersView(View):
    agent_emails: list[str] | None = None
    conversation_ids: list[str] | None = None
    labels: list[str] | None = None


class WebhookView(View):
    id: str
    url: str
    description: str
    events: list[str]
    filters: WebhookFiltersView
    enabled: bool
    ordered: bool | None = None
    created_at: Timestamp
    last_delivered_at: Timestamp | None = None
    auto_disabled_at: Timestamp | None = None
    auto_disabled_reason: str | None = None


class CreateWebhookResponse(WebhookView):
    """A new webhook. Only this response and that of a rotation carry the secret."""

    signing_secret: str


class DeleteWebhookResult(View):
    deleted: bool = True
    id: str


class RotateSecretResponse(View):
    """The new secret. The one before signs along until `previous_secret_expires_at`."""

    signing_secret: str
    previous_secret_expires_at: Timestamp


class TestWebhookResponse(View):
    delivery_id: str


class WebhookDeliveryView(View):
    """What one endpoint was sent of one event. `next_retry_at` of a settled delivery is when it settled."""

    id: str
    type: str
    status: str
    event_id: str | None = None
    attempts: int
    next_retry_at: Timestamp
    last_attempt_at: Timestamp | None = None
    last_status_code: int | None = None
    last_error: str | None = None
    created_at: Timestamp


class Webhooks(Protocol):
    """Webhooks of the account."""

    @operation(
        "GET",
        "/v1/webhooks",
        id="list_webhooks",
        errors=(InvalidCursor,),
        tool=Tool("List webhooks", "Where events are posted, and whether they arrive.", READS),
    )
    async def list(self, *, cursor: Cursor = None, limit: Limit = 100) -> Page[WebhookView]:
        """List the webhooks, without their secrets."""

    @operation(
        "POST",
        "/v1/webhooks",
        id="create_webhook",
        answer=201,
        errors=(IdempotencyInFlight, IdempotencyKeyReuse, InvalidWebhookUrl, WebhookLimitReached),
        tool=Tool(
            "Create a webhook",
            "Post events to an https URL. The signing secret is shown this once.",
            Hints(open_world=True),
        ),
    )
    async def create(
        self, request: CreateWebhookRequest, *, idempotency_key: IdempotencyKey = None
    ) -> CreateWebhookResponse:
        """Create a webhook. Only this response carries its signing secret."""

    @operation(
        "GET",
        "/v1/webhooks/{id}",
        id="get_webhook",
        errors=(NotFound,),
        tool=NoTool("list_webhooks shows each of them whole"),
    )
    async def get(self, webhook_id: WebhookId) -> WebhookView:
        """Get one webhook, without its secret."""

    @operation(
        "PATCH",
        "/v1/webhooks/{id}",
        id="update_webhook",
        errors=(InvalidWebhookUrl, NotFound, WebhookCooldown),
        tool=Tool("Change a webhook", "Change what is given; enabled false stops it.", REPEATS),
    )
    async def update(self, webhook_id: WebhookId, request: UpdateWebhookRequest) -> WebhookView:
        """Change a webhook. Members that are given replace what was there."""

    @operation(
        "DELETE",
        "/v1/webhooks/{id}",
        id="delete_webhook",
        confirm=Confirm.ALWAYS,
        errors=(NotFound,),
        tool=Tool(
            "Delete a webhook",
            "End it with everything that waits to be sent.",
            Hints(destructive=True, idempotent=True),
        ),
    )
    async def delete(self, webhook_id: WebhookId) -> DeleteWebhookResult:
        """Delete a webhook, its deliveries, and what waits to be delivered."""

    @operation(
        "GET",
        "/v1/webhooks/{id}/deliveries",
        id="list_webhook_deliveries",
        errors=(InvalidCursor, NotFound),
        tool=Tool("List deliveries", "What a webhook was sent, and why it failed.", READS),
    )
    async def list_deliveries(self, webhook_id: WebhookId, query: DeliveryQuery) -> Page[WebhookDeliveryView]:
        """List what the webhook was sent, newest first."""

    @operation(
        "POST",
        "/v1/webhooks/{id}/rotate-secret",
        id="rotate_webhook_secret",
        errors=(IdempotencyInFlight, IdempotencyKeyReuse, NotFound),
        tool=Tool("Rotate a webhook's secret", "Make a new secret; both sign for 24 hours."),
    )
    async def rotate_secret(
        self, webhook_id: WebhookId, *, idempotency_key: IdempotencyKey = None
    ) -> RotateSecretResponse:
        """Replace the signing secret. For 24 hours the secret before signs along."""

    @operation(
        "POST",
        "/v1/webhooks/{id}/test",
        id="test_webhook",
        errors=(NotFound, WebhookDisabled),
        tool=Tool(
            "Test a webhook", "Post a made-up event; see list_webhook_deliveries.", Hints(open_world=True)
        ),
    )
    async def test(self, webhook_id: WebhookId, request: TestWebhookRequest) -> TestWebhookResponse:
        """Send a made-up event. Its delivery is in the list, and no event is logged."""
