"""Submits prepared messages over several SMTP sessions at once and prints how long it took.

    python -m bench.children.smtp_load HOST PORT SESSIONS SENDER RECIPIENT FILE

Every session is open before the clock starts, and takes the next message as soon as its last one is acknowledged. The
commands of an envelope go out together if the server announces PIPELINING (RFC 2920), else one by one.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from bench.mail import read_messages

SECONDS = 600.0
_ENVELOPE_REPLIES = (b"250", b"250", b"354")


class Session(asyncio.Protocol):
    """One connection: greets, waits for the start, then submits until nothing is left."""

    def __init__(self, load: Load) -> None:
        self._load = load
        self._transport: asyncio.WriteTransport | None = None
        self._received = b""
        self._expected = [b"220"]
        self._step: Callable[[], None] = self._greet
        self._message = b""
        self._pipelining = False
        self._commands: list[tuple[bytes, bytes]] = []

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.WriteTransport)
        self._transport = transport

    def connection_lost(self, error: Exception | None) -> None:
        self._load.fail("the server closed a connection")

    def data_received(self, data: bytes) -> None:
        lines = (self._received + data).split(b"\r\n")
        self._received = lines.pop()
        for line in lines:
            self._pipelining |= line[4:].upper() == b"PIPELINING"
            if line[3:4] == b"-":
                continue
            if line[:3] != self._expected.pop(0):
                self._load.fail(f"unexpected reply {line!r}")
                return
        if not self._expected and not self._received:
            self._step()

    def submit(self) -> None:
        """Sends the next envelope; the message follows when the server asks for it."""
        message = next(self._load.messages, None)
        if message is None:
            self._load.done(self)
            return
        self._message = message
        commands = self._load.envelope
        if self._pipelining:
            self._send(b"".join(commands), _ENVELOPE_REPLIES, self._content)
        else:
            self._commands = list(zip(commands, _ENVELOPE_REPLIES, strict=True))
            self._next_command()

    def _next_command(self) -> None:
        command, reply = self._commands.pop(0)
        self._send(command, [reply], self._next_command if self._commands else self._content)

    def _greet(self) -> None:
        self._send(b"EHLO mail.sender.example\r\n", [b"250"], lambda: self._load.ready(self))

    def _content(self) -> None:
        self._send(self._message + b".\r\n", [b"250"], self._accepted)

    def _accepted(self) -> None:
        self._load.accepted += 1
        self.submit()

    def _send(self, data: bytes, expected: Sequence[bytes], step: Callable[[], None]) -> None:
        assert self._transport is not None
        self._expected, self._step = list(expected), step
        self._transport.write(data)


class Load:
    """All sessions of one run."""

    def __init__(self, sender: str, recipient: str, messages: list[bytes], sessions: int) -> None:
        self.envelope = (
            f"MAIL FROM:<{sender}>\r\n".encode(),
            f"RCPT TO:<{recipient}>\r\n".encode(),
            b"DATA\r\n",
        )
        self.messages: Iterator[bytes] = iter(messages)
        self.accepted = 0
        self._sessions = sessions
        self._waiting: list[Session] = []
        self._busy: set[Session] = set()
        self._started = 0.0
        self._finished: asyncio.Future[float] = asyncio.get_running_loop().create_future()

    def ready(self, session: Session) -> None:
        self._waiting.append(session)
        if len(self._waiting) == self._sessions:
            self._busy = set(self._waiting)
            self._started = time.perf_counter()
            for each in self._waiting:
                each.submit()

    def done(self, session: Session) -> None:
        self._busy.discard(session)
        if not self._busy and not self._finished.done():
            self._finished.set_result(time.perf_counter() - self._started)

    def fail(self, reason: str) -> None:
        if not self._finished.done():
            self._finished.set_exception(RuntimeError(reason))

    async def seconds(self) -> float:
        return await asyncio.wait_for(self._finished, SECONDS)


async def main(host: str, port: str, sessions: str, sender: str, recipient: str, file: str) -> None:
    load = Load(sender, recipient, read_messages(Path(file)), int(sessions))
    loop = asyncio.get_running_loop()
    for _ in range(int(sessions)):
        await loop.create_connection(lambda: Session(load), host, int(port))
    seconds = await load.seconds()
    sys.stdout.write(json.dumps({"seconds": seconds, "accepted": load.accepted}))


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
