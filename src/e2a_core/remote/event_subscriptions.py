"""Subscriptions on another deployment: its API does not offer them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from e2a_core.contract.event_subscriptions import SubscriptionGrant, SubscriptionRequest
from e2a_core.errors import NotImplementedHere

__all__ = ["RemoteEventSubscriptions"]

_REASON = "this deployment's API posts no events to callbacks; poll or stream them"


class RemoteEventSubscriptions:
    """`engine.EventSubscriptions` where there are none."""

    async def subscribe(self, request: SubscriptionRequest) -> SubscriptionGrant:
        raise NotImplementedHere(_REASON)

    async def unsubscribe(self, name: str, arguments: Mapping[str, Any] | None, url: str) -> bool:
        raise NotImplementedHere(_REASON)
