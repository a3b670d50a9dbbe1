"""HMAC-SHA-256 and unpadded base64url, shared by all signatures of this package."""

from __future__ import annotations

import base64
import binascii
import hmac
from collections.abc import Iterable

__all__ = ["decode_base64url", "encode_base64url", "hmac_sha256", "matches_any"]


def hmac_sha256(secret: bytes, message: bytes) -> bytes:
    """The 32-byte HMAC-SHA-256 of `message` (RFC 2104)."""
    return hmac.digest(secret, message, "sha256")


def matches_any(secrets: Iterable[bytes], message: bytes, mac: bytes) -> bool:
    """Whether `mac` was made with one of `secrets`, compared in constant time."""
    # No early exit, so that timing does not reveal which secret matched.
    verdicts = [hmac.compare_digest(hmac_sha256(secret, message), mac) for secret in secrets]
    return any(verdicts)


def encode_base64url(data: bytes) -> str:
    """base64url without padding (RFC 4648 section 5)."""
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode("ascii")


def decode_base64url(text: str) -> bytes:
    """The inverse of `encode_base64url`. Raises ValueError for text that it would not produce.

    Only the canonical form is accepted, so that a signed text has exactly one form.
    """
    try:
        padded = text.encode("ascii") + b"=" * (-len(text) % 4)
        data = base64.b64decode(padded, altchars=b"-_", validate=True)
    except (UnicodeEncodeError, binascii.Error) as error:
        raise ValueError("not base64url") from error
    if encode_base64url(data) != text:
        raise ValueError("not canonical base64url")
    return data
