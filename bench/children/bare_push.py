"""The baseline of push: aiosmtpd with a handler that answers 250 and posts the subject to a URL at once."""

from __future__ import annotations

import asyncio
import contextlib
import sys
from email import message_from_bytes
from typing import Any

import httpx
from aiosmtpd.smtp import SMTP


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
    loop = asyncio.get_running_loop()
    async with httpx.AsyncClient(trust_env=False) as client:
        handler = Posting(client, url)
        server = await loop.create_server(
            lambda: SMTP(handler, hostname="sink.example", loop=loop), "127.0.0.1", 0
        )
        sys.stdout.write(f"{server.sockets[0].getsockname()[1]}\n")
        sys.stdout.flush()
        await server.serve_forever()


if __name__ == "__main__":
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(main(sys.argv[1]))
