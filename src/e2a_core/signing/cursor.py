"""Opaque, authenticated list cursors, each valid only for the query that produced it.

A cursor is `base64url(JSON) "." base64url(HMAC)`, unpadded. The JSON holds the position of the last row and a digest
of the query. Clients must not interpret it.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from typing import Any, cast

from e2a_core.errors import InvalidCursor
from e2a_core.signing.mac import decode_base64url, encode_base64url, hmac_sha256, matches_any

__all__ = ["Json", "decode_cursor", "encode_cursor"]

Json = None | bool | int | float | str | Sequence["Json"] | Mapping[str, "Json"]

_CONTEXT = b"e2a:cursor:1|"
"""Separates the MACs of cursors from those of tokens, which share the key."""
_MAX_CURSOR_CHARS = 2048
"""Well above the longest cursor issued: a position is a timestamp and an id."""
_encode = json.JSONEncoder(sort_keys=True, separators=(",", ":"), allow_nan=False).encode
"""Shared, because `json.dumps` with these options creates a new encoder on each call."""
_LOCATION = "query.cursor"
_DAMAGED = "the cursor was not issued by this server; pass next_cursor from the previous page unchanged"
_OTHER_QUERY = (
    "the cursor belongs to another query; repeat the parameters of the first page, or omit the cursor"
)


def encode_cursor(position: Mapping[str, Json], query: Mapping[str, Json], secret: bytes) -> str:
    """The cursor that continues `query` (effective values, without the page size) after `position`."""
    payload = encode_base64url(_compact({"p": position, "q": _digest(query)}))
    return f"{payload}.{encode_base64url(hmac_sha256(secret, _CONTEXT + payload.encode()))}"


def decode_cursor(text: str, query: Mapping[str, Json], secrets: Sequence[bytes]) -> dict[str, Any]:
    """The position in the cursor `text`. Raises `InvalidCursor` if it was altered or belongs to another query."""
    if len(text) > _MAX_CURSOR_CHARS:
        raise InvalidCursor(_DAMAGED, location=_LOCATION)
    payload, _, signature = text.partition(".")
    try:
        data, mac = decode_base64url(payload), decode_base64url(signature)
    except ValueError as error:
        raise InvalidCursor(_DAMAGED, location=_LOCATION) from error
    if not matches_any(secrets, _CONTEXT + payload.encode(), mac):
        raise InvalidCursor(_DAMAGED, location=_LOCATION)
    content = json.loads(data)
    if content["q"] != _digest(query):
        raise InvalidCursor(_OTHER_QUERY, location=_LOCATION)
    return cast("dict[str, Any]", content["p"])


def _digest(query: Mapping[str, Json]) -> str:
    return encode_base64url(hashlib.sha256(_compact(query)).digest()[:16])


def _compact(value: Any) -> bytes:
    return _encode(value).encode("ascii")
