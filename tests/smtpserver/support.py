"""A receiver that keeps mail in memory, and a client that sends exactly the octets it is told to."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from e2a_core.errors import StoreUnavailable
from e2a_core.smtpserver.limits import IntakeLimits
from e2a_core.smtpserver.listener import SmtpListener
from e2a_core.smtpserver.session import (
    Envelope,
    LoopDetected,
    MessageRefused,
    QuotaExceeded,
    Recipient,
    RecipientDisabled,
    RecipientUnknown,
)

__all__ = ["WAIT_SECONDS", "MemoryReceiver", "RawClient", "connect", "listening"]

WAIT_SECONDS = 10.0
_REPLY = re.compile(rb"[2-5][0-9]{2} [\x20-\x7e]+\r\n")
_CONTINUED = re.compile(rb"[2-5][0-9]{2}-[\x20-\x7e]+\r\n")


class MemoryReceiver:
    """Agents under agents.test; the local part of a recipient or the body of a message asks for a refusal."""

    def __init__(self) -> None:
        self.messages: list[tuple[Envelope, bytes]] = []
        self.resolved: list[str] = []
        self.entered = asyncio.Event()
        self.gate = asyncio.Event()
        self.gate.set()

    async def resolve(self, address: str, mail_from: str) -> Recipient:
        self.resolved.append(address)
        local, _, domain = address.partition("@")
        if local.lower() == "postmaster" and not domain:
            return Recipient(address, "postmaster@agents.test")
        name, _, tag = local.lower().partition("+")
        if name == "down":
            raise StoreUnavailable("the store is down")
        if name == "broken":
            raise RuntimeError("a defect")
        if name == "trashed":
            raise RecipientDisabled
        if name == "full":
            raise QuotaExceeded
        if domain.lower() != "agents.test" or name == "nobody":
            raise RecipientUnknown
        return Recipient(address, f"{name}@agents.test", tag or None)

    async def receive(self, envelope: Envelope, content: bytes) -> str:
        self.entered.set()
        await self.gate.wait()
        if b"X-Want: loop" in content:
            raise LoopDetected
        if b"X-Want: refusal" in content:
            raise MessageRefused(554, "5.7.1", "not\r\nthat")
        if b"X-Want: store-down" in content:
            raise StoreUnavailable("the store is down")
        if b"X-Want: defect" in content:
            raise OSError("a defect")
        self.messages.append((envelope, content))
        return f"q{len(self.messages)}"


class RawClient:
    """Sends octets, reads well-formed replies; AssertionError for one that is not."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    async def send(self, octets: bytes) -> None:
        self.writer.write(octets)
        await self.writer.drain()

    async def reply(self) -> str:
        """The next reply, its lines joined by LF, without CRLF; "" when the server has closed."""
        lines: list[bytes] = []
        async with asyncio.timeout(WAIT_SECONDS):
            while True:
                line = await self.reader.readline()
                if not line:
                    assert not lines, "the connection ended inside a reply"
                    return ""
                lines.append(line)
                if _CONTINUED.fullmatch(line):
                    continue
                assert _REPLY.fullmatch(line), line
                assert {item[:3] for item in lines} == {line[:3]}
                return b"\n".join(item[:-2] for item in lines).decode()

    async def ask(self, line: bytes) -> str:
        await self.send(line + b"\r\n")
        return await self.reply()

    async def rest(self) -> list[str]:
        """All replies until the server closes."""
        found = []
        while text := await self.reply():
            found.append(text)
        return found

    async def greet(self, helo: bytes = b"EHLO client.test") -> None:
        assert (await self.reply()).startswith("220 ")
        assert (await self.ask(helo)).startswith("250")

    async def begin(self, *recipients: bytes, sender: bytes = b"<sender@example.org>") -> None:
        """MAIL and RCPT up to the 354."""
        assert await self.ask(b"MAIL FROM:" + sender) == "250 2.1.0 OK"
        for recipient in recipients or (b"<bot@agents.test>",):
            assert await self.ask(b"RCPT TO:" + recipient) == "250 2.1.5 OK"
        assert (await self.ask(b"DATA")).startswith("354 ")

    async def start_tls(self, context: Any) -> None:
        await self.writer.start_tls(context, server_hostname="mx.test")

    def close(self) -> None:
        self.writer.close()


@asynccontextmanager
async def connect(listener: SmtpListener) -> AsyncIterator[RawClient]:
    host, port = listener.addresses[0]
    reader, writer = await asyncio.open_connection(host, port)
    client = RawClient(reader, writer)
    try:
        yield client
    finally:
        client.close()


@asynccontextmanager
async def listening(receiver: MemoryReceiver, **options: Any) -> AsyncIterator[SmtpListener]:
    """A listener on a free port of loopback; limits are given by name beside the listener's own options."""
    names = IntakeLimits.__slots__
    limits = IntakeLimits(**{name: options.pop(name) for name in list(options) if name in names})
    listener = SmtpListener(receiver, hostname="mx.test", port=0, limits=limits, **options)
    await listener.start()
    try:
        yield listener
    finally:
        await listener.stop(0.01)
