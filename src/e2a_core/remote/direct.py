"""A WebSocket of a deployment, at its own address only."""

from __future__ import annotations

from websockets.asyncio.client import connect

__all__ = ["connect_directly"]


class connect_directly(connect):
    """`connect` without redirects: some versions of the library take the key along to another origin."""

    def process_redirect(self, exc: Exception) -> Exception | str:
        return exc
