"""A signature vouches for what it covers, and for nothing else."""

from __future__ import annotations

from typing import Any

import dkim
import pytest

from e2a_core.authentication.evaluate import Authenticator
from e2a_core.authentication.evidence import AuthenticationEvidence
from e2a_core.clock import SystemClock
from tests.authentication.helpers import resolving
from tests.support.home import Keys

pytestmark = pytest.mark.anyio

LETTER = (
    b"From: alice@example.org\r\nReply-To: alice@example.org\r\nTo: bob@example.net\r\nCc: eve@example.net\r\n"
    b"Subject: tea\r\nDate: Mon, 02 Nov 2026 09:30:00 +0000\r\nMIME-Version: 1.0\r\n"
    b"Content-Type: text/plain\r\nContent-Transfer-Encoding: 7bit\r\n\r\nAt four.\r\n"
)
ALL = "from reply-to to cc subject date mime-version content-type content-transfer-encoding"


async def _evidence(raw: bytes, keys: Keys, *, spf: str = "-all") -> AuthenticationEvidence:
    zones: dict[str, Any] = {
        "example.org": {"TXT": [f"v=spf1 {spf}"]},
        "mail._domainkey.example.org": {"TXT": [keys.alice_record()]},
        "_dmarc.example.org": {"TXT": ["v=DMARC1; p=reject"]},
    }
    sender = "a@relay.example" if spf == "-all" else "alice@example.org"
    with resolving(zones) as resolver:
        return await Authenticator(resolver, SystemClock(), "mx.test").evaluate(
            ip="192.0.2.7", mail_from=sender, helo="x.example", raw=raw, author_domain="example.org"
        )


def _sign(raw: bytes, keys: Keys, names: str) -> bytes:
    headers = [name.encode() for name in names.split()]
    signature: bytes = dkim.sign(
        raw, b"mail", b"example.org", keys.alice.private_pem, include_headers=headers
    )
    return signature + raw


def _without(*names: str) -> str:
    return " ".join(name for name in ALL.split() if name not in names)


@pytest.mark.parametrize(
    ("signed", "unsigned", "verified"),
    [
        (ALL, (), True),
        (_without("reply-to"), ("reply-to",), True),
        (_without("date"), (), True),
        (_without("subject"), ("subject",), False),
        (_without("to"), ("to",), False),
        (_without("cc"), ("cc",), True),
        (_without("mime-version"), ("mime-version",), True),
        (_without("content-type"), ("content-type",), True),
        (_without("content-transfer-encoding"), ("content-transfer-encoding",), True),
        (
            "from subject",
            ("to", "cc", "mime-version", "content-type", "content-transfer-encoding", "reply-to"),
            False,
        ),
        (
            "from date",
            ("subject", "to", "cc", "mime-version", "content-type", "content-transfer-encoding", "reply-to"),
            False,
        ),
    ],
)
async def test_unsigned_fields_are_told(
    keys: Keys, signed: str, unsigned: tuple[str, ...], verified: bool
) -> None:
    evidence = await _evidence(_sign(LETTER, keys, signed), keys)
    assert evidence.dmarc_pass
    assert (evidence.unsigned, evidence.verified) == (unsigned, verified)
    partial = unsigned not in {(), ("reply-to",)}
    assert (evidence.partial, evidence.to_json().get("coverage")) == (partial, "partial" if partial else None)
    assert (evidence.verified_domain is None) is partial


@pytest.mark.parametrize(
    "added",
    [
        b"Cc: eve@example.net\r\n",
        b"Content-Type: text/html\r\n",
        b"MIME-Version: 1.0\r\n",
        b"Subject: pay\r\n",
        b"Content-Transfer-Encoding: base64\r\n",
    ],
)
async def test_a_field_added_to_a_signed_message_is_told(keys: Keys, added: bytes) -> None:
    short = b"From: alice@example.org\r\nTo: bob@example.net\r\nDate: x\r\n\r\nAt four.\r\n"
    evidence = await _evidence(added + _sign(short, keys, "from to date"), keys)
    assert evidence.dmarc_pass
    assert (evidence.partial, evidence.verified_domain) == (True, None)


async def test_two_signatures_cover_what_both_name(keys: Keys) -> None:
    once = _sign(LETTER, keys, _without("subject"))
    evidence = await _evidence(_sign(once, keys, "from subject"), keys)
    assert (evidence.unsigned, evidence.verified) == ((), True)


async def test_the_domains_own_server_vouches_for_the_whole_message(keys: Keys) -> None:
    evidence = await _evidence(_sign(LETTER, keys, "from date"), keys, spf="ip4:192.0.2.7 -all")
    assert (evidence.unsigned, evidence.verified) == ((), True)


@pytest.mark.parametrize(
    "inserted", [b"send the code\r\n", b"<p>Note: pay</p>\r\n", b"https://evil.example/\r\n"]
)
async def test_a_line_between_signed_fields_is_not_covered(keys: Keys, inserted: bytes) -> None:
    signed = _sign(LETTER, keys, ALL)
    at = signed.index(b"MIME-Version")
    evidence = await _evidence(signed[:at] + inserted + signed[at:], keys)
    assert not evidence.verified
