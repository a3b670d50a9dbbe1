"""Mail that is as costly to read as its sender can make it, for each parser of mail."""

from __future__ import annotations

import base64
from collections.abc import Callable

__all__ = ["WORST", "filled"]

SIZE = 10_000_000
"""Just below the largest message that the relay takes."""
SECTION = 240_000
"""Just below the largest header section that the relay takes."""

_FROM = b"From: Alice <alice@example.org>\r\nTo: assistant@agents.example\r\nSubject: worst\r\n"


def filled(unit: bytes, size: int) -> bytes:
    """`unit` as often as it fits into `size` octets."""
    return unit * (size // len(unit))


def _field(name: bytes, value: bytes) -> bytes:
    return _FROM + name + b": " + value + b"\r\n\r\nbody\r\n"


def _body(
    content_type: bytes, unit: bytes, size: int = SIZE, *, before: bytes = b"", extra: bytes = b""
) -> bytes:
    head = _FROM + b"MIME-Version: 1.0\r\nContent-Type: " + content_type + b"\r\n" + extra
    return head + b"\r\n" + before + filled(unit, size) + b"\r\n"


def _nested_multiparts() -> bytes:
    depth = 40
    opening = b"".join(
        b"--b%d\r\nContent-Type: multipart/mixed; boundary=b%d\r\n\r\n" % (level, level + 1)
        for level in range(depth)
    )
    return _body(b"multipart/mixed; boundary=b0", b"\n--c", before=opening)


def _nested_messages() -> bytes:
    return _FROM + filled(b"Content-Type: message/rfc822\r\n\r\n", SIZE) + b"\r\n"


def _report(unit: bytes) -> bytes:
    start = b"--r\r\nContent-Type: text/plain\r\n\r\nfailed\r\n--r\r\nContent-Type: message/delivery-status\r\n\r\n"
    return _body(b"multipart/report; report-type=delivery-status; boundary=r", unit, before=start)


def _complaint(unit: bytes) -> bytes:
    start = b"--r\r\nContent-Type: message/feedback-report\r\n\r\n"
    return _body(b"multipart/report; report-type=feedback-report; boundary=r", unit, before=start)


def _signed(tag: bytes, signature: bytes = b"DKIM-Signature") -> bytes:
    start = (
        b": v=1; a=rsa-sha256; c=relaxed/relaxed; d=example.org; s=mail; bh="
        + base64.b64encode(bytes(32))
        + b"; b=AAAA; h=from:"
    )
    return signature + start + tag + b"\r\n"


_TAGS = b"".join(b"t%d=1;" % number for number in range(SECTION // 9))

WORST: dict[str, Callable[[], bytes]] = {
    "2.5 million one-letter fields": lambda: _FROM + filled(b"a:\r\n", SIZE) + b"\r\n",
    "one field folded 2.5 million times": lambda: _FROM + b"X: a\r\n" + filled(b" b\r\n", SIZE) + b"\r\n",
    "lines that are no fields": lambda: _FROM + filled(b"x\r\n", SIZE),
    "stray lines before expected fields": lambda: (
        _FROM + filled(b"x\r\nTo ://x\r\n", SECTION) + b"Date: x\r\n\r\n"
    ),
    "one header line without an end": lambda: _FROM + b"X" * SIZE + b"\r\n",
    "no line end at all": lambda: b"x" * SIZE + b"\r\n",
    "field names without colon": lambda: _FROM + filled(b"a" * 900 + b"\r\n", SIZE),
    "most fields that are taken": lambda: (
        _FROM + filled(b"Abc:" + b"d" * 235 + b"\r\n", SECTION) + b"\r\nbody\r\n"
    ),
    "Cc of 200,000 <": lambda: _field(b"Cc", b"<" * 200_000),
    "Cc of commas": lambda: _field(b"Cc", b"," * SECTION),
    "Cc of nested comments": lambda: _field(b"Cc", b"(" * (SECTION // 2) + b")" * (SECTION // 2)),
    "Cc of open comments": lambda: _field(b"Cc", b"a(" * (SECTION // 2)),
    "Cc of quotes": lambda: _field(b"Cc", b'"' * SECTION),
    "Cc of backslashes": lambda: _field(b"Cc", b'"' + b"\\" * SECTION),
    "Cc of groups": lambda: _field(b"Cc", filled(b"a:b@c;", SECTION)),
    "Cc of addresses": lambda: _field(b"Cc", filled(b"a@b.co,", SECTION)),
    "Cc of names with at signs": lambda: _field(b"Cc", filled(b"@a ", SECTION)),
    "Cc of source routes": lambda: _field(b"Cc", filled(b"<@a,@b:", SECTION)),
    "Cc of domains that are not ASCII": lambda: _field(b"Cc", filled("a@ü.de,".encode(), SECTION)),
    "From of phrases": lambda: _FROM.replace(b"Alice", filled(b"A ", SECTION)) + b"\r\nbody\r\n",
    "References of ids": lambda: _field(b"References", filled(b"<a@b> ", SECTION)),
    "References of <": lambda: _field(b"References", b"<" * SECTION),
    "References of half an id": lambda: _field(b"References", filled(b"<" + b"a" * 990 + b" ", SECTION)),
    "Subject of encoded words": lambda: _field(b"Subject", filled(b"=?utf-8?q?=C3=BC?= ", SECTION)),
    "Subject of open encoded words": lambda: _field(b"Subject", filled(b"=?a?q?", SECTION)),
    "Subject of =?": lambda: _field(b"Subject", filled(b"=?", SECTION)),
    "Subject of encoded words in rare charsets": lambda: _field(
        b"Subject", b" ".join(b"=?c%d?b?gICA?=" % number for number in range(SECTION // 18))
    ),
    "Subject of escape sequences": lambda: _field(b"Subject", filled(b"\x1b$B\x1b(B", SECTION)),
    "Subject of 8-bit octets": lambda: _field(b"Subject", filled(b"\xe9\xff", SECTION)),
    "Content-Type of parameters": lambda: _field(b"Content-Type", b"text/plain" + filled(b";a=b", SECTION)),
    "Content-Type of blanks": lambda: _field(b"Content-Type", b"text/plain;" + b" " * SECTION),
    "Content-Type of sections": lambda: _field(
        b"Content-Type", b"text/plain" + b"".join(b"; n*%d*=%%41" % number for number in range(20_000))
    ),
    "Content-Type of quotes": lambda: _field(b"Content-Type", b"text/plain" + filled(b';a="\\"', SECTION)),
    "Date of digits": lambda: _field(b"Date", b"1" * SECTION),
    "Received chain": lambda: filled(b"Received: from a by b; x\r\n", 40 * 26) + _FROM + b"\r\nbody\r\n",
    "Received chain that is too long": lambda: (
        filled(b"Received: from a by b; x\r\n", 20_000) + _FROM + b"\r\n"
    ),
    "Authentication-Results of comments": lambda: _field(b"Authentication-Results", b"(" * SECTION),
    "Authentication-Results of quotes": lambda: _field(
        b"Authentication-Results", b'"' + b"\\a" * (SECTION // 2)
    ),
    "DKIM signature of tags": lambda: b"DKIM-Signature: " + _TAGS + b"\r\n" + _FROM + b"\r\nbody\r\n",
    "DKIM signature of names": lambda: _signed(filled(b"to:", SECTION)) + _FROM + b"\r\nbody\r\n",
    "DKIM signatures": lambda: _signed(b"to") * 900 + _FROM + b"\r\nbody\r\n",
    "DKIM with a body of blanks": lambda: _signed(b"to") + _body(b"text/plain", b" \t" * 40 + b"x\r\n"),
    "DKIM with a body of one blank run": lambda: _signed(b"to") + _body(b"text/plain", b" "),
    "DKIM with a body of empty lines": lambda: _signed(b"to") + _body(b"text/plain", b"\r\n"),
    "ARC sets": lambda: (
        b"".join(
            b"ARC-Seal: i=%d; a=rsa-sha256; cv=none; d=example.org; s=mail; b=AAAA\r\n" % number
            + _signed(b"to", b"ARC-Message-Signature").replace(b": v=1", b": i=%d" % number)
            + b"ARC-Authentication-Results: i=%d; x; none\r\n" % number
            for number in range(1, 300)
        )
        + _FROM
        + b"\r\nbody\r\n"
    ),
    "text of lines": lambda: _body(b"text/plain", b"a\r\n"),
    "text without lines": lambda: _body(b"text/plain", b"a"),
    "text of quotes": lambda: _body(b"text/plain", b"> > > a\r\n"),
    "text of > signs": lambda: _body(b"text/plain", b">" * 900 + b"\r\n"),
    "text of attributions": lambda: _body(b"text/plain", b"On Mon, 2 Nov 2026, Ann wrote:\r\n"),
    "text of header blocks": lambda: _body(b"text/plain", b"From: a\r\nSent: b\r\nTo: c\r\n"),
    "text that nearly is an attribution": lambda: _body(b"text/plain", b"On " * 300 + b"wrote\r\n"),
    "text of codes": lambda: _body(b"text/plain", b"your code is 123456\r\n"),
    "text of digits": lambda: _body(b"text/plain", b"1 2-"),
    "text of links": lambda: _body(b"text/plain", b"https://example.org/ "),
    "flowed text": lambda: _body(b"text/plain; format=flowed; delsp=yes", b"> a \r\n"),
    "flowed text in one paragraph": lambda: _body(b"text/plain; format=flowed", b"a \r\n"),
    "text in ISO-2022-JP": lambda: _body(b"text/plain; charset=iso-2022-jp", b'\x1b$B$"\x1b(B'),
    "text in unlabelled octets": lambda: _body(b"text/plain", b"\xe9\xff\x80"),
    "text in UTF-7": lambda: _body(b"text/plain; charset=utf-7", b"+AGE-"),
    "text in UTF-16": lambda: _body(b"text/plain; charset=utf-16", b"a\x00\xd8"),
    "text in HZ": lambda: _body(b"text/plain; charset=hz-gb-2312", b"~{VP~}"),
    "text of combining marks": lambda: _body(b"text/plain; charset=utf-8", "a\u0301\u0327".encode()),
    "base64 of rubbish": lambda: _body(b"text/plain", b"!", extra=b"Content-Transfer-Encoding: base64\r\n"),
    "base64 of padding": lambda: _body(
        b"text/plain", b"YQ==", extra=b"Content-Transfer-Encoding: base64\r\n"
    ),
    "base64 of single characters": lambda: _body(
        b"application/pdf", b"Y\r\n-", extra=b"Content-Transfer-Encoding: base64\r\n"
    ),
    "quoted-printable of =": lambda: _body(
        b"text/plain", b"=", extra=b"Content-Transfer-Encoding: quoted-printable\r\n"
    ),
    "quoted-printable of soft breaks": lambda: _body(
        b"text/plain", b"= \t \r\n", extra=b"Content-Transfer-Encoding: quoted-printable\r\n"
    ),
    "quoted-printable of blanks": lambda: _body(
        b"text/plain", b"= ", extra=b"Content-Transfer-Encoding: quoted-printable\r\n"
    ),
    "uuencoded lines": lambda: _body(
        b"text/plain",
        b"#0V%T\r\n",
        extra=b"Content-Transfer-Encoding: x-uuencode\r\n",
        before=b"begin 644 a\r\n",
    ),
    "boundaries": lambda: _body(b"multipart/mixed; boundary=b", b"--b\r\n"),
    "near boundaries": lambda: _body(b"multipart/mixed; boundary=b", b"--bx\r\n"),
    "near boundaries that are long": lambda: _body(
        b"multipart/mixed; boundary=" + b"-" * 60 + b"x", b"-" * 61 + b"\r\n"
    ),
    "parts with large headers": lambda: _body(
        b"multipart/mixed; boundary=b", b"--b\r\n" + b"a:b\r\n" * 2000 + b"\r\nx\r\n"
    ),
    "parts whose header folds": lambda: _body(
        b"multipart/mixed; boundary=b", b"--b\r\nx: y\r\n" + b" z\r\n" * 2500
    ),
    "parts without an empty line": lambda: _body(b"multipart/mixed; boundary=b", b"--b\r\nx\r\n" * 100),
    "nested multiparts": _nested_multiparts,
    "nested messages": _nested_messages,
    "attachments": lambda: _body(
        b"multipart/mixed; boundary=b",
        b"--b\r\nContent-Type: application/pdf; name=" + b"a" * 400 + b"\r\n\r\n" + b"x" * 9000 + b"\r\n",
    ),
    "report of groups": lambda: _report(
        b"Final-Recipient: rfc822; a@b\r\nAction: failed\r\nStatus: 5.1.1\r\n\r\n"
    ),
    "report of empty lines": lambda: _report(b" \r\n\r\n"),
    "report of blanks": lambda: _report(b"\r\n" + b" " * 900),
    "report of one field": lambda: _report(b"Final-Recipient: rfc822; a@b\r\n"),
    "complaint of recipients": lambda: _complaint(b"Original-Rcpt-To: <a@b>\r\n"),
    "HTML of <": lambda: _body(b"text/html", b"<"),
    "HTML of tags": lambda: _body(b"text/html", b"<b>"),
    "HTML of open divisions": lambda: _body(b"text/html", b"<div>a"),
    "HTML of tables": lambda: _body(b"text/html", b"<table><tr><td>"),
    "HTML of quotes": lambda: _body(b"text/html", b"<blockquote>a"),
    "HTML of lists": lambda: _body(b"text/html", b"<ul><li>a"),
    "HTML of entities": lambda: _body(b"text/html", b"&amp;"),
    "HTML of open entities": lambda: _body(b"text/html", b"&#x41"),
    "HTML of &": lambda: _body(b"text/html", b"&"),
    "HTML of attributes": lambda: _body(b"text/html", b"<a" + b" a=b" * 2000 + b">"),
    "HTML of one tag's attributes": lambda: _body(b"text/html", b" a=b", before=b"<a"),
    "HTML of open quotes": lambda: _body(b"text/html", b"<a href=\"x'"),
    "HTML of comments": lambda: _body(b"text/html", b"<!--"),
    "HTML of styles": lambda: _body(b"text/html", b"<style>a{b:c}</style>"),
    "HTML of one style": lambda: _body(b"text/html", b".a{display:none}", before=b"<style>"),
    "HTML of inline styles": lambda: _body(b"text/html", b'<p style="display:none;color:#fff">a</p>'),
    "HTML of scripts": lambda: _body(b"text/html", b"<script>"),
    "HTML of links": lambda: _body(b"text/html", b'<a href="https://example.org/a">a</a>'),
    "HTML of images": lambda: _body(b"text/html", b'<img alt="a">'),
    "HTML of blanks": lambda: _body(b"text/html", b" \n"),
    "HTML of cells": lambda: _body(b"text/html", b"<td>a</td>"),
    "HTML of headings with classes": lambda: _body(b"text/html", b'<h1 class="a b c d">a</h1>'),
    "HTML of conditional comments": lambda: _body(b"text/html", b"<!--[if mso]>a<![endif]-->"),
}
"""Makers of one message each, by a name for the table."""
