"""`events/subscribe` and `events/unsubscribe`: events posted to a callback of the client."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any

from mcp.server.context import ServerRequestContext

from e2a_core.clock import rfc3339
from e2a_core.contract.engine import Session
from e2a_core.contract.event_subscriptions import DeliveryStatus, SubscriptionRequest
from e2a_mcp.events.errors import DialectChoice, dialect_of, events_errors, not_subscribed, unsupported
from e2a_mcp.events.wire import EventParams, SubscribeAsked, UnsubscribeAsked, asked

__all__ = ["Subscribing"]

Context = ServerRequestContext[Any]
Sessions = Callable[[Context], Awaitable[Session]]

ENDLESS = timedelta(days=36_500)
"""More than any engine grants: what is asked for in a number too large, or with null."""


class Subscribing:
    """The handlers of webhook subscriptions, which outlive the connection."""

    def __init__(self, sessions: Sessions, choice: DialectChoice) -> None:
        self._sessions = sessions
        self._choice = choice

    async def subscribe(self, context: Context, params: EventParams) -> dict[str, Any]:
        """Makes a subscription, or refreshes it."""
        dialect = dialect_of(context, self._choice)
        with events_errors(dialect):
            session = await self._sessions(context)
            given = asked(SubscribeAsked, params)
            if given.delivery.mode != "webhook":
                raise unsupported(dialect, given.delivery.mode)
            request = SubscriptionRequest(
                name=given.name,
                arguments=given.arguments,
                url=given.delivery.url,
                secret=given.delivery.secret,
                cursor=given.cursor,
                max_age=None if given.max_age_ms is None else timedelta(milliseconds=given.max_age_ms),
                ttl=_ttl(given),
                controls=dialect == "sep",
            )
            grant = await session.event_subscriptions.subscribe(request)
        return {
            "id": grant.id,
            "refreshBefore": rfc3339(grant.refresh_before),
            "cursor": grant.cursor,
            "truncated": grant.truncated,
            "deliveryStatus": _status(grant.status),
        }

    async def unsubscribe(self, context: Context, params: EventParams) -> dict[str, Any]:
        """Ends a subscription. One that there is not is an error in the later dialect only."""
        dialect = dialect_of(context, self._choice)
        with events_errors(dialect):
            session = await self._sessions(context)
            given = asked(UnsubscribeAsked, params)
            found = await session.event_subscriptions.unsubscribe(
                given.name, given.arguments, given.delivery.url
            )
        if not found and dialect == "sep":
            raise not_subscribed(dialect)
        return {}


def _ttl(given: SubscribeAsked) -> timedelta | None:
    if given.ttl_ms is None:
        return ENDLESS if "ttl_ms" in given.model_fields_set else None
    longest = ENDLESS // timedelta(milliseconds=1)
    return timedelta(milliseconds=min(max(given.ttl_ms, 0), longest))


def _status(status: DeliveryStatus) -> dict[str, Any]:
    found: dict[str, Any] = {
        "active": status.active,
        "lastDeliveryAt": status.last_delivery_at and rfc3339(status.last_delivery_at),
        "lastError": status.last_error,
    }
    if status.failed_since is not None:
        found["failedSince"] = rfc3339(status.failed_since)
    return found
