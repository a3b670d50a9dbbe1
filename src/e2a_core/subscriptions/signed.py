"""What callbacks are sent: events and control bodies, signed after Standard Webhooks (https://www.standardwebhooks.com).

A body with a top-level `type` is a control body; an event never has one.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from e2a_core.clock import rfc3339, to_micros
from e2a_core.contract.base import json_text
from e2a_core.errors import InvalidRequest
from e2a_core.push.occurrence import payload
from e2a_core.signing.webhook import standard_webhook_headers
from e2a_core.store.events import EventRecord
from e2a_core.subscriptions.rows import SubscriptionRow

__all__ = [
    "MAX_BODY_OCTETS",
    "check_secret",
    "control_body",
    "event_body",
    "gap_id",
    "signed_headers",
]

MAX_BODY_OCTETS = 262_144
"""Receivers take no more. `push.occurrence.MAX_PAYLOAD_OCTETS` keeps events far below."""

SECRET_PREFIX = "whsec_"
SECRET_OCTETS = range(24, 65)


def check_secret(secret: object) -> str:
    """Returns the secret. Raises `InvalidRequest` unless it is `whsec_` and 24 to 64 octets in base64."""
    text = secret if isinstance(secret, str) else ""
    try:
        key = base64.b64decode(text.removeprefix(SECRET_PREFIX), validate=True)
    except (binascii.Error, ValueError):
        key = b""
    if not text.startswith(SECRET_PREFIX) or len(key) not in SECRET_OCTETS:
        raise InvalidRequest("must be whsec_ and 24 to 64 octets in base64", location="delivery.secret")
    return text


def signed_headers(
    subscription_id: str, webhook_id: str, body: bytes, secrets: Sequence[str], now: datetime
) -> dict[str, str]:
    """The headers of one attempt. The subscription's id tells the receiver which secret to verify with."""
    signed = standard_webhook_headers(webhook_id, body, secrets, int(now.timestamp()))
    return {**signed, "X-MCP-Subscription-Id": subscription_id}


def event_body(event: EventRecord, cursor: str) -> bytes:
    """One event; `cursor` is the position after it."""
    return json_text(
        {
            "eventId": event.id,
            "name": event.type,
            "timestamp": rfc3339(event.created_at),
            "data": payload(event),
            "cursor": cursor,
        }
    )


def control_body(type: str, **members: Any) -> bytes:
    return json_text({"type": type, **members})


def gap_id(row: SubscriptionRow) -> str:
    """The `webhook-id` of the gap after the row's position, the same for each attempt."""
    text = f"{row.id}|{row.place.position}|{to_micros(row.place.at)}"
    return f"msg_gap_{hashlib.sha256(text.encode()).hexdigest()[:32]}"
