from __future__ import annotations

import email
import time
from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from e2a_core.mail.trace import received_header, strip_forged_fields

DATE = datetime(2026, 9, 1, 10, 0, tzinfo=UTC)


def received(
    helo: str = "mx.example.org", peer: str | None = "192.0.2.1", recipient: str | None = None
) -> bytes:
    return received_header(
        helo=helo,
        peer=peer,
        by="mail.example.net",
        protocol="ESMTPS",
        queue_id="msg_1",
        instant=DATE,
        recipient=recipient,
    )


def test_the_received_field() -> None:
    assert received(recipient="bot@agents.example.net") == (
        b"Received: from mx.example.org ([192.0.2.1])\r\n\tby mail.example.net with ESMTPS id msg_1\r\n"
        b"\tfor <bot@agents.example.net>;\r\n\tTue, 01 Sep 2026 10:00:00 +0000\r\n"
    )
    assert b"([IPv6:2001:db8::1])" in received(peer="2001:db8::1")
    assert received(helo="", peer=None).startswith(b"Received: from unknown\r\n")


@settings(max_examples=100, deadline=None)
@given(st.text(max_size=400))
def test_whatever_the_peer_calls_itself_stays_in_the_field(helo: str) -> None:
    field = received(helo=helo)
    assert field.isascii()
    assert list(email.message_from_bytes(field + b"\r\n").keys()) == ["Received"]
    assert max(map(len, field.split(b"\r\n"))) < 998


@pytest.mark.parametrize(
    "field",
    [
        b"Authentication-Results: mail.example.net; spf=pass\r\n",
        b"authentication-results:MAIL.Example.NET;\r\n\tspf=pass;\r\n dkim=pass\r\n",
        b"Authentication-Results : mail.example.net 1; none\r\n",
        b"Authentication-Results: mail.example.net/1; none\r\n",
        b"Authentication-Results: (a (nested) comment \\) ) mail.example.net (x); none\r\n",
        b"Authentication-Results:\r\n mail.example.net\r\n ; none\r\n",
        b'Authentication-Results: "mail.example.net"; none\r\n',
        b'Authentication-Results: "mail.\\example.net" 1; none\r\n',
        b"Authentication-Results: mail.example.net.; none\r\n",
        b"Authentication-Results: mail.example.net\n",
        b"Authentication-Results: mail.example.net(c); none\r\n",
        b"X-E2A-Auth-Verified: true\r\n",
        b"x-e2a-AUTH-sender :boss@example.org\r\n\tfolded\r\n",
        b"X-E2A-Auth-: x\n",
    ],
)
def test_fields_in_our_name_are_removed(field: bytes) -> None:
    before, after = (
        b"Subject: x\r\n\tfolded\r\n",
        b"To: a@b.example\r\n\r\nAuthentication-Results: mail.example.net; x\r\n",
    )
    assert strip_forged_fields(before + field + after, "mail.example.net") == before + after
    assert strip_forged_fields(field + field + before + field + after, "Mail.Example.net") == before + after
    junk = b"no field at all\r\n"
    assert strip_forged_fields(before + junk + field + after, "mail.example.net") == before + junk + after


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"Authentication-Results: other.example; x=mail.example.net\r\n\r\n",
        b"Authentication-Results: (mail.example.net) other.example; none\r\n\r\n",
        b"Authentication-Results: mail.example.net.evil.example; none\r\n\r\n",
        b"Authentication-Results: xmail.example.net; none\r\n\r\n",
        b"X-Authentication-Results: mail.example.net; none\r\n\r\n",
        b"ARC-Authentication-Results: i=1; mail.example.net; none\r\n\r\n",
        b"Authentication-Results: \r\n\r\n",
        b"X-E2A-Conversation-Id: conv_1\r\n\r\n",
        b"X-E2A-Auth: true\r\nX-X-E2A-Auth-Verified: true\r\nX-E2A-Auth Verified: true\r\n\r\n",
        b"A: b\r\n X-E2A-Auth-Verified: true\r\n\r\nX-E2A-Auth-Verified: true\r\n",
        b"\r\nAuthentication-Results: mail.example.net; none\r\n",
        b"\xff\x00\r\nbody",
    ],
)
def test_everything_else_is_untouched(raw: bytes) -> None:
    assert strip_forged_fields(raw, "mail.example.net") == raw


def test_an_enormous_header_section_costs_little() -> None:
    raw = b"A:b\r\n" * 1_500_000
    before = time.process_time()
    assert strip_forged_fields(raw, "mail.example.net") is raw
    assert time.process_time() - before < 2


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=100), st.text('(\\)"mail.example/; \r\n\t', max_size=40))
def test_stripping_only_removes(head: bytes, value: str) -> None:
    raw = head + b"\r\nAuthentication-Results:" + value.encode() + b"\r\nTo: x\r\n\r\nbody"
    stripped = strip_forged_fields(raw, "mail.example.net")
    assert len(stripped) <= len(raw)
    assert strip_forged_fields(stripped, "mail.example.net") == stripped
    assert stripped.endswith(b"body")


@pytest.mark.parametrize(
    "field",
    [
        b"Authentication-Results: mail.example.net; dmarc=pass\r\n",
        b"AUTHENTICATION-RESULTS: mail.example.net; dmarc=pass\r\n",
        b"authentication-results \t: MAIL.example.net/1; dmarc=pass\r\n",
        b"Authentication-Results: (a comment) mail.example.net;\r\n\tdmarc=pass\r\n",
        b"X-E2A-AUTH-Verified: true\r\n",
        b"x-e2a-auth-signature : v1\n",
        b"X-E2a-Auth-Verified:\n true\n",
    ],
)
@pytest.mark.parametrize("end", [b"\r\n", b"\n", b"\r\n\n", b"\n\r\n"])
def test_a_forged_field_goes_however_it_is_written(field: bytes, end: bytes) -> None:
    body = end + b"Authentication-Results: mail.example.net; in the text\r\n"
    forged = b"From: a@example.org\r\n" + field + b"Subject: x\r\n" + body
    assert strip_forged_fields(forged, "mail.example.net") == b"From: a@example.org\r\nSubject: x\r\n" + body
