"""Checks and normalisation of the fields of contacts and engagements."""

from __future__ import annotations

import math
from typing import Any

from e2a_core.errors import InvalidRecipient, InvalidRequest, NotFound, PreconditionFailed
from e2a_core.json_encoding import compact_json
from e2a_core.mail.addresses import parse_address
from e2a_core.texts import is_storable, require_storable

__all__ = [
    "MAX_ADDRESS_CHARS",
    "MAX_NAME_CHARS",
    "asked_for",
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
"""Metadata is for a few words about a person, not for documents."""


def canonical(address: str, location: str) -> str:
    """Returns the canonical form of an address, bare or with a name. Raises `InvalidRecipient`."""
    try:
        return parse_address(require_storable(address, location)).normalized
    except InvalidRecipient as problem:
        raise InvalidRecipient(problem.message, location=location) from None


def asked_for(address: str, missing: NotFound) -> str:
    """The canonical form of an address in a path. Raises `missing` for what is no address, and so nobody's."""
    try:
        return canonical(address, "path.address")
    except InvalidRequest:
        raise missing from None


def check_metadata(metadata: dict[str, Any], location: str) -> dict[str, Any]:
    """Returns `metadata`. Raises `InvalidRequest` unless it is flat, small and storable."""
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
    return compact_json(metadata)


def check_match(if_match: str | None, updated_at: int | None) -> None:
    """Checks an If-Match field (RFC 9110 section 13.1.1) against the state last changed at `updated_at`.

    `updated_at` is None if nothing is stored. A weak validator counts as a strong one, because a proxy may have
    weakened it. Raises `PreconditionFailed`, and `InvalidRequest` for an empty field.
    """
    if if_match is None:
        return
    wanted = [item.strip().removeprefix("W/") for item in if_match.split(",")]
    if not any(wanted):
        raise InvalidRequest(
            "must be an entity tag or *; omit it to write unconditionally", location="header.If-Match"
        )
    if updated_at is None or ("*" not in wanted and f'"{updated_at}"' not in wanted):
        raise PreconditionFailed("it was changed since you read it; read it again before writing")


def _is_scalar(value: object) -> bool:
    if isinstance(value, float):
        return math.isfinite(value)
    return value is None or isinstance(value, str | int)
