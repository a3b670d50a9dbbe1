"""The baseline of push: aiosmtpd with a handler that answers 250 and posts the subject to a URL at once."""

from __future__ import annotations

import asyncio
import contextlib
import sys
from email import message_from_bytes
from typing import Any

import httpx

from bench.children.bare_smtp import serve


class Posting:
    def __init__(self, client: httpx.AsyncClient, url: str) -> None:
        self._client = client
        self._url = url
        self._posts: set[asyncio.Task[httpx.Response]] = set()

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:
        body = {"data": {"subject": message_from_bytes(envelope.content)["Subject"]}}
        post = asyncio.create_task(self._client.post(self._url, json=body))
        self._posts.add(post)
        post.add_done_callback(self._posts.discard)
        return "250 OK"


async def main(url: str) -> None:
    async with httpx.AsyncClient(trust_env=False) as client:
        await serve(Posting(client, url))


if __name__ == "__main__":
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(main(sys.argv[1]))
