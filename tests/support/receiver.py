"""An HTTP server that plays the endpoint of callbacks: it keeps what it got, and answers as a script says."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

__all__ = ["DROP", "HANG", "Received", "Receiver", "receiving"]

HANG = 0
"""A status of the script that means no answer at all."""
DROP = -1
"""A status of the script that means that the connection is closed without an answer."""


@dataclass(frozen=True, slots=True)
class Received:
    """One request; `headers` have lower-case names."""

    path: str
    headers: dict[str, str]
    body: bytes


@dataclass(slots=True)
class Receiver:
    """`script` gives the statuses of the next requests, then `status` holds. `answer` makes the body of an answer.

    `path_status` gives a path a status of its own, and `extra` are further fields of each answer.
    """

    port: int = 0
    status: int = 200
    script: list[int] = field(default_factory=list)
    requests: list[Received] = field(default_factory=list)
    answer: Callable[[Received], bytes] = lambda _: b"{}"
    extra: dict[str, str] = field(default_factory=dict)
    path_status: dict[str, int] = field(default_factory=dict)

    def url(self, path: str = "/hook") -> str:
        return f"http://127.0.0.1:{self.port}{path}"

    def on(self, path: str) -> list[Received]:
        return [item for item in self.requests if item.path == path]

    def then(self, statuses: Iterable[int]) -> None:
        self.script.extend(statuses)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while await self._one(reader, writer):
                pass
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    async def _one(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
        pairs = (line.partition(":") for line in head[1:] if line)
        headers = {name.strip().lower(): value.strip() for name, _, value in pairs}
        body = await reader.readexactly(int(headers.get("content-length", "0")))
        received = Received(head[0].split()[1], headers, body)
        self.requests.append(received)
        status = self.path_status.get(received.path, self.status)
        if self.script:
            status = self.script.pop(0)
        if status == HANG:
            await asyncio.sleep(3600)
        if status == DROP:
            return False
        content = self.answer(received)
        fields = {"content-length": str(len(content)), **self.extra}
        lines = "".join(f"{name}: {value}\r\n" for name, value in fields.items())
        writer.write(f"HTTP/1.1 {status} Said\r\n{lines}\r\n".encode() + content)
        await writer.drain()
        return True


@asynccontextmanager
async def receiving(tls: ssl.SSLContext | None = None) -> AsyncIterator[Receiver]:
    """A receiver on a free port of the loopback interface."""
    receiver = Receiver()
    tasks: set[asyncio.Task[None]] = set()

    def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.get_running_loop().create_task(receiver.serve(reader, writer))
        tasks.add(task)
        task.add_done_callback(tasks.discard)

    server = await asyncio.start_server(connected, "127.0.0.1", 0, ssl=tls)
    receiver.port = server.sockets[0].getsockname()[1]
    try:
        yield receiver
    finally:
        server.close()
        for task in tuple(tasks):
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
