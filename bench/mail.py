"""The mail that the load client submits: signed in advance, each message with its own Message-ID."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from tests.support.dns import Zones

from e2a_core.clock import SystemClock
from e2a_core.signing.dkim import DkimKey, sign

__all__ = ["SENDER", "Signer", "read_messages", "write_messages"]

DOMAIN = "sender.example"
SENDER = f"ann@{DOMAIN}"
SELECTOR = "bench"
MESSAGE_OCTETS = 4096

_LINE = "The quarterly figures are in, and the delivery of lot {number} moved to the week after next.\r\n"
_LENGTH_OCTETS = 4


class Signer:
    """Makes messages of `MESSAGE_OCTETS` that pass SPF, DKIM and DMARC in the DNS of `zones`."""

    def __init__(self) -> None:
        self._key = DkimKey.generate()
        self._clock = SystemClock()

    @property
    def zones(self) -> Zones:
        return {
            DOMAIN: {"TXT": ["v=spf1 ip4:127.0.0.1 -all"]},
            f"_dmarc.{DOMAIN}": {"TXT": ["v=DMARC1; p=reject"]},
            f"{SELECTOR}._domainkey.{DOMAIN}": {"TXT": [self._key.dns_record()]},
        }

    def message(self, number: int, recipient: str) -> bytes:
        header = (
            f"Received: from desk.{DOMAIN} (desk.{DOMAIN} [192.0.2.7])\r\n"
            f"\tby mail.{DOMAIN} (Postfix) with ESMTPS id 4XBench{number:06d};\r\n"
            "\tMon, 13 Oct 2025 09:12:44 +0000 (UTC)\r\n"
            f"From: Ann Example <{SENDER}>\r\n"
            f"To: The Assistant <{recipient}>\r\n"
            f"Subject: Delivery of lot {number}\r\n"
            "Date: Mon, 13 Oct 2025 09:12:44 +0000\r\n"
            f"Message-ID: <lot-{number}@{DOMAIN}>\r\n"
            "MIME-Version: 1.0\r\n"
            "Content-Type: text/plain; charset=utf-8\r\n"
            "Content-Transfer-Encoding: 7bit\r\n"
            "\r\n"
        ).encode("ascii")
        line = _LINE.format(number=number).encode("ascii")
        room = MESSAGE_OCTETS - len(header) - len(self._signature(header + line))
        body = (line * (room // len(line) + 1))[: room - 2] + b"\r\n"
        unsigned = header + body
        return self._signature(unsigned) + unsigned

    def _signature(self, unsigned: bytes) -> bytes:
        return sign(unsigned, self._key, DOMAIN, SELECTOR, self._clock)


def write_messages(path: Path, messages: Iterator[bytes]) -> None:
    """Writes each message after its length; no line may begin with a dot."""
    with path.open("wb") as file:
        for message in messages:
            file.write(len(message).to_bytes(_LENGTH_OCTETS, "big") + message)


def read_messages(path: Path) -> list[bytes]:
    data, at, messages = path.read_bytes(), 0, []
    while at < len(data):
        start = at + _LENGTH_OCTETS
        at = start + int.from_bytes(data[at:start], "big")
        messages.append(data[start:at])
    return messages
