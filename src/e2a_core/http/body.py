"""Request bodies: read whole, in time, and no larger than allowed, before anything looks at them."""

from __future__ import annotations

import asyncio

from starlette.requests import ClientDisconnect, Request
from starlette.types import Message

from e2a_core.errors import PayloadTooLarge, RequestTimeout

__all__ = ["Replay", "read_body"]

BODY_SECONDS = 5.0
"""For the whole body: whoever sends slower holds a place that others want."""


async def read_body(request: Request, limit: int) -> bytes:
    """The body. Raises `PayloadTooLarge` and `RequestTimeout`; the limit itself is already too large."""
    declared = request.headers.get("content-length", "")
    if declared.isdigit() and int(declared) >= limit:
        raise PayloadTooLarge("request_body", int(declared), limit)
    body = bytearray()
    try:
        async with asyncio.timeout(BODY_SECONDS):
            async for chunk in request.stream():
                body += chunk
                if len(body) >= limit:
                    raise PayloadTooLarge("request_body", limit, limit)
    except (TimeoutError, ClientDisconnect):
        raise RequestTimeout(f"the body must arrive within {BODY_SECONDS:g} s") from None
    return bytes(body)


class Replay:
    """Gives a body that was already read once more."""

    def __init__(self, body: bytes) -> None:
        self._body: bytes | None = body

    async def __call__(self) -> Message:
        if self._body is None:
            return {"type": "http.disconnect"}
        body, self._body = self._body, None
        return {"type": "http.request", "body": body, "more_body": False}
