"""Where the header section of a message ends, whatever is missing or astray."""

from __future__ import annotations

import pytest

from e2a_core.authentication.canonical import SignedMessage
from e2a_core.mail.headers import MAX_HEADER_BYTES, parse_headers
from e2a_core.mail.parse import parse_message

HEAD = b"From: ann@example.org\r\nTo: b@example.net\r\nSubject: Receipt\r\nDate: x\r\nMIME-Version: 1.0\r\n"


@pytest.mark.parametrize(
    ("below", "body"),
    [
        (b"Content-Type: text/plain\r\nDear customer,\r\nyou owe 77 EUR.\r\n\r\nBye\r\n", b"Dear customer,"),
        (b"Content-Type: text/html\r\n<!DOCTYPE html>\r\n<p>Paid: 12</p>\r\n", b"<!DOCTYPE html>"),
        (b"Content-Type: text/html\r\n<p>Paid: 12 EUR</p>\r\n", b"<p>Paid"),
        (b'<div style="color:red">\r\nhi\r\n\r\nmore\r\n', b"<div"),
        (b"https://example.org/invoice\r\n\r\nmore\r\n", b"https://"),
        (b"--b\r\nContent-Language: en\r\n\r\nx\r\n--b--\r\n", b"--b"),
        (b"* one item\r\n* two\r\n\r\n", b"* one"),
        (b"Your total is: 12 EUR\r\n\r\n", b"Your total"),
        (b"\xe4\xbd\xa0\xe5\xa5\xbd\r\n\r\n", b"\xe4\xbd\xa0"),
        (b"Dear all\r\nDate: tomorrow\r\nTo: everyone\r\n\r\n", b"Dear all"),
        (b"\r\nbody\r\n", b"body"),
        (b"\nbody\n", b"body"),
    ],
)
def test_a_missing_empty_line_loses_nothing(below: bytes, body: bytes) -> None:
    raw = HEAD + below
    headers = parse_headers(raw)
    assert raw[headers.body_offset :].startswith(body)
    assert headers.get("subject") == "Receipt"


@pytest.mark.parametrize(
    "raw",
    [
        b"From ann@example.org Sun Nov 22 10:00:00 2026\r\nFrom: a@b.example\r\nSubject: s\r\n\r\nbody\r\n",
        b">From ann Sun\r\nFrom: a@b.example\r\nSubject: s\r\n\r\nbody\r\n",
        b"Received: from x\r\nby y with ESMTP\r\nFrom: a@b.example\r\nSubject: s\r\n\r\nbody\r\n",
        b"From: a@b.example\r\nstray\r\nX-Other: 1\r\nalso stray\r\nSubject: s\r\n\r\nbody\r\n",
        b"From: a@b.example\r\nSubject: s\r\n\r\nbody\r\n",
    ],
)
def test_a_stray_line_hides_no_field_below_it(raw: bytes) -> None:
    headers = parse_headers(raw)
    assert (headers.get("from"), headers.get("subject")) == ("a@b.example", "s")
    assert raw[headers.body_offset :] == b"body\r\n"


@pytest.mark.parametrize(
    ("raw", "text"),
    [
        (b"Just words\r\n\r\nand more\r\n", "Just words\n\nand more"),
        (b"Hello\r\n", "Hello"),
        (b"\r\nHello\r\n", "Hello"),
        (b"We meet at 12:30\r\n", "We meet at 12:30"),
        (b"<p>Hello: you</p>\r\n", "<p>Hello: you</p>"),
    ],
)
def test_a_message_without_a_header_is_all_body(raw: bytes, text: str) -> None:
    assert parse_message(raw).text == text


def test_a_second_author_below_a_stray_line_leaves_none() -> None:
    assert parse_message(b"From: a@b.example\r\nstray\r\nFrom: c@d.example\r\n\r\n").author is None


@pytest.mark.parametrize("stray", [b"stray", b"<p>Evil: text</p>", b"https://evil.example/", b"two words: x"])
def test_no_signature_covers_a_header_section_with_a_stray_line(stray: bytes) -> None:
    assert not SignedMessage.parse(HEAD + stray + b"\r\n\r\nbody\r\n").well_formed
    assert SignedMessage.parse(HEAD + b"\r\nbody\r\n").well_formed


@pytest.mark.parametrize(
    "fields",
    [b"a:\r\n" * 1001, b"a: " + b"b" * MAX_HEADER_BYTES + b"\r\n", b"a: b" + b"\r\n c" * 10_001 + b"\r\n"],
)
def test_a_header_section_beyond_a_cap_is_said_to_be(fields: bytes) -> None:
    assert parse_headers(HEAD + fields + b"\r\nbody").oversized
    assert not parse_headers(HEAD + fields[: len(fields) // 4] + b"\r\n\r\nbody").oversized
