"""The requests and answers of MCP Events as they travel."""

from __future__ import annotations

from typing import Annotated, Any, TypeVar

from mcp.server.context import ServerRequestContext
from mcp_types import Notification, RequestParams
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from pydantic.alias_generators import to_camel

from e2a_core.clock import rfc3339
from e2a_core.contract.occurrences import Occurrence, OccurrenceKind
from e2a_mcp.events.errors import invalid

__all__ = [
    "Asked",
    "EventParams",
    "Delivery",
    "ListAsked",
    "PollAsked",
    "StreamAsked",
    "SubscribeAsked",
    "UnsubscribeAsked",
    "asked",
    "described",
    "occurrence",
    "tell",
]

SUBSCRIPTION_ID = "io.modelcontextprotocol/subscriptionId"

AskedT = TypeVar("AskedT", bound="Asked")

Milliseconds = Annotated[int, Field(ge=0, le=10**15)]


class EventParams(RequestParams):
    """The parameters of a method that the SDK does not know. They are read by `asked`, whose errors name the member."""

    model_config = ConfigDict(extra="allow")


class Asked(BaseModel):
    """What a request asks. Members that later versions add are ignored."""

    model_config = ConfigDict(
        strict=True, frozen=True, extra="ignore", alias_generator=to_camel, defer_build=True
    )


class ListAsked(Asked):
    cursor: str | None = None


class _NamedAsked(Asked):
    """The engine reads the name and the arguments."""

    name: str
    arguments: dict[str, Any] | None = None
    cursor: str | None = None
    max_age_ms: Milliseconds | None = None


class PollAsked(_NamedAsked):
    max_events: Annotated[int, Field(ge=1, le=10**15)] | None = None
    timeout_ms: Milliseconds | None = None


class StreamAsked(_NamedAsked):
    """One stream is one subscription."""


class Delivery(Asked):
    """Where a subscription is delivered. The engine reads the URL and the secret."""

    mode: str = "webhook"
    url: str
    secret: str = ""


class SubscribeAsked(_NamedAsked):
    """`ttl_ms` has no wrong values. Left out it means the usual time, and null that there should be no end."""

    delivery: Delivery
    ttl_ms: int | None = None


class UnsubscribeAsked(Asked):
    name: str
    arguments: dict[str, Any] | None = None
    delivery: Delivery


def asked(model: type[AskedT], params: EventParams) -> AskedT:
    """Returns the members of the request. Raises the `MCPError` that names the first wrong one."""
    try:
        return model.model_validate(params.model_extra or {})
    except ValidationError as problem:
        [first, *_] = problem.errors(include_url=False, include_input=False)
        raise invalid(".".join(map(str, first["loc"])), first["msg"]) from None


def described(kind: OccurrenceKind) -> dict[str, Any]:
    return {
        "name": kind.name,
        "description": kind.description,
        "delivery": list(kind.delivery),
        "inputSchema": kind.input_schema,
        "payloadSchema": kind.payload_schema,
    }


def occurrence(event: Occurrence) -> dict[str, Any]:
    """Returns one event as subscribers see it; a stream adds the cursor."""
    return {
        "eventId": event.id,
        "name": event.name,
        "timestamp": rfc3339(event.created_at),
        "data": event.data,
    }


async def tell(context: ServerRequestContext[Any], kind: str, **params: Any) -> None:
    """Sends one notification on the stream of the request."""
    params["_meta"] = {SUBSCRIPTION_ID: context.request_id}
    # Any other type of parameters would lose the members that the SDK does not know.
    note = Notification[dict[str, Any], str](method=f"notifications/events/{kind}", params=params)
    await context.session.send_notification(note, related_request_id=context.request_id)  # type: ignore[arg-type]
