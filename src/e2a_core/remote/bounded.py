"""Answers of a deployment, which are held in memory: no longer than they may be, also once they are decompressed."""

from __future__ import annotations

import httpx

from e2a_core.errors import InternalError

__all__ = ["MAX_ANSWER_OCTETS", "MAX_DESCRIPTION_OCTETS", "MAX_SLOW_ANSWER_OCTETS", "received"]

MAX_ANSWER_OCTETS = 128 * 1024 * 1024
"""Several times the largest message, in base64."""
MAX_SLOW_ANSWER_OCTETS = 1024 * 1024 * 1024
"""Of an operation that takes long because it answers much, such as an export."""
MAX_DESCRIPTION_OCTETS = 16 * 1024 * 1024
_OF_THE_BODY = frozenset({"content-encoding", "content-length", "transfer-encoding"})
"""Headers that no longer hold for a body that was decoded (RFC 9110 section 8.4)."""


async def received(http: httpx.AsyncClient, request: httpx.Request, limit: int) -> httpx.Response:
    """Sends a request and reads the answer. Raises `InternalError` for a longer body, and what `httpx` raises."""
    response = await http.send(request, stream=True)
    body = bytearray()
    try:
        async for part in response.aiter_bytes():
            body += part
            if len(body) > limit:
                raise InternalError(f"the deployment's answer is longer than {limit >> 20} MiB")
    finally:
        await response.aclose()
    kept = [item for item in response.headers.multi_items() if item[0].lower() not in _OF_THE_BODY]
    return httpx.Response(response.status_code, headers=kept, content=bytes(body), request=request)
