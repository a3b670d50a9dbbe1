"""Opaque, tamper-evident list cursors, each usable only with the query it came from.

A cursor is `base64url(JSON) "." base64url(HMAC)`, unpadded; the JSON holds the position of the last row and a digest
of the query. Clients store and return it without reading it.
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

# Keeps a cursor's MAC from being anything but a cursor's under the key the tokens share.
_CONTEXT = b"e2a:cursor:1|"
# A position is a timestamp and an id; the longest cursor we make stays well below.
_MAX_CURSOR_CHARS = 2048
# `json.dumps` with these options would make an encoder for each cursor.
_encode = json.JSONEncoder(sort_keys=True, separators=(",", ":"), allow_nan=False).encode
_LOCATION = "query.cursor"
_DAMAGED = "the cursor is not one this server issued; take next_cursor from the previous page unchanged"
_OTHER_QUERY = (
    "the cursor belongs to another query; repeat the parameters of the first page, or leave the cursor out"
)


def encode_cursor(position: Mapping[str, Json], query: Mapping[str, Json], secret: bytes) -> str:
    """The cursor that continues `query` (effective values, without the page size) after `position`."""
    payload = encode_base64url(_compact({"p": position, "q": _digest(query)}))
    return f"{payload}.{encode_base64url(hmac_sha256(secret, _CONTEXT + payload.encode()))}"


def decode_cursor(text: str, query: Mapping[str, Json], secrets: Sequence[bytes]) -> dict[str, Any]:
    """The position `text` holds; raises `errors.InvalidCursor` if altered or made for another query."""
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
