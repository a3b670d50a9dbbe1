"""Sends one HTTP request again and again over several keep-alive connections and prints how long it took.

    python -m bench.children.http_load METHOD URL KEY BODY CONCURRENCY CALLS

`{n}` in BODY becomes the number of the request. Answers are read whole and dropped.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from urllib.parse import urlsplit

SECONDS = 600.0


class Connection:
    """One keep-alive connection that repeats the same request."""

    def __init__(self, method: str, url: str, key: str, body: str) -> None:
        parts = urlsplit(url)
        target = parts.path + (f"?{parts.query}" if parts.query else "")
        self._address = parts.hostname or "", parts.port or 80
        self._head = (
            f"{method} {target} HTTP/1.1\r\nHost: {parts.netloc}\r\nAuthorization: Bearer {key}\r\n"
            "Accept: application/json\r\nContent-Type: application/json\r\n"
        )
        self._body = body

    async def open(self) -> None:
        self._reader, self._writer = await asyncio.open_connection(*self._address)

    async def call(self, number: int) -> bytes:
        """Returns the body of one answer. Raises RuntimeError unless its status is a success."""
        body = self._body.replace("{n}", str(number)).encode()
        self._writer.write(f"{self._head}Content-Length: {len(body)}\r\n\r\n".encode() + body)
        head = (await self._reader.readuntil(b"\r\n\r\n")).decode("latin-1").lower()
        length = head.partition("content-length:")[2].partition("\r\n")[0]
        answer = await self._reader.readexactly(int(length))
        if not head.startswith("http/1.1 2"):
            raise RuntimeError(f"{head!r} {answer[:500]!r}")
        return answer


async def main(method: str, url: str, key: str, body: str, concurrency: str, calls: str) -> None:
    connections = [Connection(method, url, key, body) for _ in range(int(concurrency))]
    for connection in connections:
        await connection.open()
    answer = await connections[0].call(0)
    left = iter(range(1, int(calls) + 1))

    async def work(connection: Connection) -> None:
        for number in left:
            await connection.call(number)

    started = time.perf_counter()
    async with asyncio.timeout(SECONDS):
        await asyncio.gather(*(work(connection) for connection in connections))
    seconds = time.perf_counter() - started
    sys.stdout.write(json.dumps({"seconds": seconds, "calls": int(calls), "answer": answer.decode()}))


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
