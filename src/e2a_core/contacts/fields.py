"""What callers write into contacts and engagements: checked, and brought to one spelling."""

from __future__ import annotations

import json
import math
from typing import Any

from e2a_core.errors import InvalidRequest, PreconditionFailed
from e2a_core.mail.addresses import parse_address
from e2a_core.texts import is_storable, require_storable

__all__ = [
    "MAX_ADDRESS_CHARS",
    "MAX_NAME_CHARS",
    "canonical",
    "check_match",
    "check_metadata",
    "stored_metadata",
]

MAX_ADDRESS_CHARS = 320
MAX_NAME_CHARS = 320
MAX_KEYS = 50
MAX_KEY_OCTETS = 128
MAX_VALUE_OCTETS = 4096
MAX_METADATA_OCTETS = 16_384
"""Metadata is for a few words about a person; larger things belong where the caller keeps them."""


def canonical(address: str, location: str) -> str:
    """The spelling under which a contact is kept, of a bare address or one with a name. Raises `InvalidRecipient`."""
    return parse_address(require_storable(address, location)).normalized


def check_metadata(metadata: dict[str, Any], location: str) -> dict[str, Any]:
    """`metadata` itself: flat, small and storable. Raises `InvalidRequest`."""
    if len(metadata) > MAX_KEYS:
        raise InvalidRequest(f"must have at most {MAX_KEYS} keys", location=location)
    for key, value in metadata.items():
        if not is_storable(key) or len(key.encode()) > MAX_KEY_OCTETS:
            raise InvalidRequest(f"keys must be text of at most {MAX_KEY_OCTETS} octets", location=location)
        if not _is_scalar(value):
            raise InvalidRequest("values must be text, numbers, booleans or null", location=location)
        if isinstance(value, str) and (not is_storable(value) or len(value.encode()) > MAX_VALUE_OCTETS):
            raise InvalidRequest(
                f"values must be text of at most {MAX_VALUE_OCTETS} octets", location=location
            )
    if len(stored_metadata(metadata).encode()) > MAX_METADATA_OCTETS:
        raise InvalidRequest(f"must be at most {MAX_METADATA_OCTETS} octets of JSON", location=location)
    return metadata


def stored_metadata(metadata: dict[str, Any]) -> str:
    return json.dumps(metadata, ensure_ascii=False, separators=(",", ":"))


def check_match(if_match: str | None, updated_at: int | None) -> None:
    """RFC 9110 section 13.1.1 for the state last changed at `updated_at`, or none.

    A weak validator counts as the strong one, since a proxy on the way may have weakened it. Raises
    `PreconditionFailed`, and `InvalidRequest` for an empty field.
    """
    if if_match is None:
        return
    wanted = [item.strip().removeprefix("W/") for item in if_match.split(",")]
    if not any(wanted):
        raise InvalidRequest(
            "must be an entity tag or *; leave it out to write anyway", location="header.If-Match"
        )
    if updated_at is None or ("*" not in wanted and f'"{updated_at}"' not in wanted):
        raise PreconditionFailed("it was changed since it was read; read it again before writing")


def _is_scalar(value: object) -> bool:
    if isinstance(value, float):
        return math.isfinite(value)
    return value is None or isinstance(value, str | int)
