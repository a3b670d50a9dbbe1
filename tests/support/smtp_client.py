"""A plain SMTP client for tests: says what each command was answered, and composes and signs the mail it brings."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field

import dkim

__all__ = ["DkimSigner", "Reply", "SmtpExchange", "letter", "submit"]

REPLY_SECONDS = 20.0


@dataclass(frozen=True, slots=True)
class Reply:
    """One SMTP reply; `text` is its lines joined by blanks."""

    code: int
    text: str

    @property
    def enhanced(self) -> str:
        """The code of RFC 3463 the text begins with."""
        return self.text.partition(" ")[0]


@dataclass(slots=True)
class SmtpExchange:
    """What MAIL, each RCPT and the message itself were answered; `final` is None if DATA was not reached."""

    mail: Reply
    recipients: dict[str, Reply] = field(default_factory=dict)
    final: Reply | None = None

    @property
    def accepted(self) -> bool:
        return self.final is not None and self.final.code == 250


@dataclass(frozen=True, slots=True)
class DkimSigner:
    """Signs with dkimpy, which shares no code with what verifies."""

    domain: str
    selector: str
    private_pem: bytes

    def sign(self, content: bytes, *also: bytes) -> bytes:
        signature: bytes = dkim.sign(
            content,
            self.selector.encode(),
            self.domain.encode(),
            self.private_pem,
            include_headers=[b"from", b"to", b"subject", b"message-id", *also],
        )
        return signature + content


async def submit(
    address: tuple[str, int],
    content: bytes,
    *,
    mail_from: str,
    recipients: Sequence[str],
    helo: str = "client.example.org",
    before_content: Callable[[], Awaitable[None]] | None = None,
) -> SmtpExchange:
    """Bring `content` (CRLF line ends) to the server; `before_content` runs between the 354 and the first octet."""
    async with asyncio.timeout(REPLY_SECONDS):
        reader, writer = await asyncio.open_connection(*address)
        try:
            return await _exchange(reader, writer, content, mail_from, recipients, helo, before_content)
        finally:
            writer.close()


async def _exchange(
    reader: asyncio.StreamReader,
    writer: asyncio.StreamWriter,
    content: bytes,
    mail_from: str,
    recipients: Sequence[str],
    helo: str,
    before_content: Callable[[], Awaitable[None]] | None,
) -> SmtpExchange:
    async def command(line: str) -> Reply:
        writer.write(line.encode() + b"\r\n")
        return await _reply(reader)

    await _reply(reader)
    await command(f"EHLO {helo}")
    exchange = SmtpExchange(await command(f"MAIL FROM:<{mail_from}>"))
    for recipient in recipients:
        exchange.recipients[recipient] = await command(f"RCPT TO:<{recipient}>")
    if any(reply.code == 250 for reply in exchange.recipients.values()):
        started = await command("DATA")
        exchange.final = started
        if started.code == 354:
            if before_content is not None:
                await before_content()
            stuffed = (b"\r\n" + content).replace(b"\r\n.", b"\r\n..")[2:]
            writer.write(stuffed + (b"" if stuffed.endswith(b"\r\n") else b"\r\n") + b".\r\n")
            exchange.final = await _reply(reader)
    await command("QUIT")
    return exchange


async def _reply(reader: asyncio.StreamReader) -> Reply:
    lines: list[str] = []
    while True:
        line = (await reader.readline()).decode("utf-8", "replace").rstrip("\r\n")
        if not line:
            raise ConnectionError("the server closed the connection")
        lines.append(line[4:])
        if line[3:4] != "-":
            return Reply(int(line[:3]), " ".join(lines))


def letter(
    *,
    sender: str = "Alice <alice@example.org>",
    to: str = "assistant@agents.example",
    subject: str = "Hello",
    text: str = "Good morning.",
    message_id: str | None = "<letter@example.org>",
    headers: Mapping[str, str | Sequence[str]] | None = None,
    body: bytes | None = None,
) -> bytes:
    """A message with CRLF line ends; `body` replaces a plain `text`, its Content-Type then being in `headers`."""
    extra = dict(headers or {})
    fields = {"From": sender, "To": to, "Subject": subject, "Date": "Mon, 02 Nov 2026 09:30:00 +0000"}
    if message_id is not None:
        fields["Message-ID"] = message_id
    if body is None:
        fields |= {"MIME-Version": "1.0", "Content-Type": "text/plain; charset=utf-8"}
        body = text.replace("\n", "\r\n").encode() + b"\r\n"
    lines = [f"{name}: {value}" for name, value in fields.items() if name not in extra]
    for name, value in extra.items():
        lines += [f"{name}: {item}" for item in ([value] if isinstance(value, str) else value)]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body
