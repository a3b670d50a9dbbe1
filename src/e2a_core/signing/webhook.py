"""Signs webhook deliveries in two formats, both sent with each delivery.

`X-E2A-Signature: t=<Unix seconds>,v1=<hex>` signs `t "." body` with the whole secret string. The Standard Webhooks
headers (`webhook-id`, `webhook-timestamp`, `webhook-signature`) sign `id "." timestamp "." body` with the base64
key after `whsec_`, so every Standard Webhooks library can verify them with the secret as displayed.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from standardwebhooks import Webhook

from e2a_core.signing.mac import hmac_sha256, matches_any

__all__ = ["SIGNATURE_HEADER", "e2a_signature", "signature_is_valid", "standard_webhook_headers"]

SIGNATURE_HEADER = "X-E2A-Signature"

_SECRET_PREFIX = "whsec_"
_TOLERANCE = timedelta(minutes=5)
_TIMESTAMP = re.compile(r"[0-9]{1,12}")
_MAX_SIGNATURES = 8
"""Bounds the work of verification; during a rotation two secrets sign."""


def e2a_signature(body: bytes, secrets: Sequence[str], timestamp: int) -> str:
    """The value of `X-E2A-Signature`: one `v1` for each active secret, the current one first."""
    signed = b"%d." % timestamp + body
    return ",".join(
        [f"t={timestamp}", *(f"v1={hmac_sha256(secret.encode(), signed).hex()}" for secret in secrets)]
    )


def signature_is_valid(
    body: bytes,
    header: str,
    secrets: Sequence[str],
    *,
    now: datetime,
    tolerance: timedelta = _TOLERANCE,
) -> bool:
    """Whether `header` signs `body` with one of `secrets` at a time within `tolerance` of `now`. Never raises."""
    pairs = [part.strip().partition("=") for part in header.split(",")]
    times = [value for name, _, value in pairs if name == "t"]
    signatures = [value for name, _, value in pairs if name == "v1" and re.fullmatch("[0-9a-f]{64}", value)]
    if len(times) != 1 or not _TIMESTAMP.fullmatch(times[0]) or len(signatures) > _MAX_SIGNATURES:
        return False
    if abs(now.timestamp() - int(times[0])) > tolerance.total_seconds():
        return False
    signed = times[0].encode() + b"." + body
    keys = [secret.encode() for secret in secrets]
    return any(matches_any(keys, signed, bytes.fromhex(signature)) for signature in signatures)


def standard_webhook_headers(
    webhook_id: str, body: bytes, secrets: Sequence[str], timestamp: int
) -> dict[str, str]:
    """The three Standard Webhooks headers; `webhook_id` is the event's id, which stays the same for every attempt."""
    at = datetime.fromtimestamp(timestamp, UTC)
    signatures = (Webhook(_standard_key(secret)).sign(webhook_id, at, body.decode()) for secret in secrets)
    return {
        "webhook-id": webhook_id,
        "webhook-timestamp": str(timestamp),
        "webhook-signature": " ".join(signatures),
    }


def _standard_key(secret: str) -> bytes:
    """The key as Standard Webhooks libraries derive it, or the octets of a secret that is not base64."""
    text = secret.removeprefix(_SECRET_PREFIX)
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return text.encode()
