"""Subscriptions of MCP clients: events posted to a callback until they are not refreshed any more."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Protocol

__all__ = ["DeliveryStatus", "EventSubscriptions", "SubscriptionGrant", "SubscriptionRequest"]


@dataclass(frozen=True, slots=True)
class SubscriptionRequest:
    """What a client asks for. Its key is the caller, `url`, `name` and `arguments`.

    `secret` signs what is posted. `cursor` and `max_age` say where a new subscription begins, as in
    `Occurrences.follow`. `ttl` is how long it would like to go without a refresh; None leaves that to the engine.
    `controls` says that the client understands control bodies besides the verification.
    """

    name: str
    url: str
    secret: str = field(repr=False)
    arguments: Mapping[str, Any] | None = field(default=None, hash=False)
    cursor: str | None = None
    max_age: timedelta | None = None
    ttl: timedelta | None = None
    controls: bool = False


@dataclass(frozen=True, slots=True)
class DeliveryStatus:
    """How deliveries went. `last_error` is a reason of `CallbackFailed`, since `failed_since`."""

    active: bool
    last_delivery_at: datetime | None
    last_error: str | None
    failed_since: datetime | None


@dataclass(frozen=True, slots=True)
class SubscriptionGrant:
    """A subscription as granted. It ends at `refresh_before`.

    Everything up to `cursor` arrived or was given up. `truncated` says that delivery begins later than was asked for.
    """

    id: str
    refresh_before: datetime
    cursor: str
    truncated: bool
    status: DeliveryStatus


class EventSubscriptions(Protocol):
    """The subscriptions of the caller."""

    async def subscribe(self, request: SubscriptionRequest) -> SubscriptionGrant:
        """Makes a subscription, or refreshes the one with the same key; its callback is verified first.

        A refresh replaces the secret, and resumes what was suspended where it stopped; `cursor` does not matter then.
        Raises `UnknownEvent`, `InvalidFilter`, `InvalidRequest`, `InvalidCursor`, `Forbidden`, `NotFound`,
        `LimitExceeded`, `RateLimited`, `CallbackFailed` and `NotImplementedHere`, and changes nothing then.
        """

    async def unsubscribe(self, name: str, arguments: Mapping[str, Any] | None, url: str) -> bool:
        """Ends the subscription with this key; False if there is none. Raises `NotImplementedHere`."""
