"""The other side of the demonstration: a sender with a domain, and a relay that keeps what it receives."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from email.message import EmailMessage
from email.policy import SMTP as SMTP_POLICY
from typing import Any

import aiosmtplib
from aiosmtpd.smtp import SMTP, Envelope, Session

from e2a_core.clock import Clock
from e2a_core.signing.dkim import DkimKey, sign
from e2a_mcp.program.demo.dns import Zones

__all__ = ["Capture", "Person"]

DOMAIN = "example.org"
SELECTOR = "demo"


@dataclass(slots=True)
class Person:
    """A person at example.org, a domain that publishes SPF, DKIM and a DMARC policy of reject."""

    clock: Clock
    key: DkimKey = field(default_factory=DkimKey.generate)
    address: str = f"alice@{DOMAIN}"
    message_id: str = f"<first-contact@{DOMAIN}>"

    def zones(self) -> Zones:
        return {
            DOMAIN: {"TXT": ["v=spf1 ip4:127.0.0.1 -all"], "MX": [(10, f"mail.{DOMAIN}")]},
            f"mail.{DOMAIN}": {"A": ["127.0.0.1"]},
            f"{SELECTOR}._domainkey.{DOMAIN}": {"TXT": [self.key.dns_record()]},
            f"_dmarc.{DOMAIN}": {"TXT": ["v=DMARC1; p=reject; adkim=s; aspf=s"]},
        }

    async def write(self, smtp: str, recipient: str, subject: str, text: str) -> str:
        """Sends one signed message over SMTP and returns the server's reply."""
        message = EmailMessage(policy=SMTP_POLICY)
        message["From"] = f"Alice <{self.address}>"
        message["To"] = recipient
        message["Subject"] = subject
        message["Date"] = self.clock.now()
        message["Message-ID"] = self.message_id
        message.set_content(text)
        raw = message.as_bytes()
        signed = sign(raw, self.key, DOMAIN, SELECTOR, self.clock) + raw
        host, _, port = smtp.rpartition(":")
        client = aiosmtplib.SMTP(
            hostname=host, port=int(port), local_hostname=f"mail.{DOMAIN}", start_tls=False
        )
        async with client:
            _, reply = await client.sendmail(self.address, [recipient], signed)
        return reply


class Capture:
    """An SMTP server that accepts everything and forwards nothing."""

    def __init__(self) -> None:
        self.messages: list[tuple[str, list[str], bytes]] = []
        self._arrived = asyncio.Event()
        self._server: asyncio.Server | None = None

    @property
    def port(self) -> int:
        if self._server is None:
            raise RuntimeError("the capturing server has not been started")
        return int(self._server.sockets[0].getsockname()[1])

    async def __aenter__(self) -> Capture:
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(
            lambda: SMTP(self, hostname="relay.example.net", loop=loop), "127.0.0.1", 0
        )
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._server is not None:
            self._server.close()
            await self._server.wait_closed()

    async def handle_DATA(self, server: Any, session: Session, envelope: Envelope) -> str:
        self.messages.append((envelope.mail_from or "", envelope.rcpt_tos, envelope.original_content or b""))
        self._arrived.set()
        return "250 2.0.0 Ok <captured-1@relay.example.net>"

    async def first(self, seconds: float) -> tuple[str, list[str], bytes]:
        """Returns envelope sender, recipients and content of the first message.

        Raises TimeoutError when none arrives within `seconds`.
        """
        async with asyncio.timeout(seconds):
            await self._arrived.wait()
        return self.messages[0]
