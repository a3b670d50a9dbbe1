from __future__ import annotations

import email
import email.policy
import itertools
import re
from collections.abc import Callable
from datetime import datetime, timedelta, timezone
from email.message import EmailMessage

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from e2a_core.errors import InvalidRequest
from e2a_core.mail.addresses import Address
from e2a_core.mail.attachments import attachment_content
from e2a_core.mail.generate import OutgoingAttachment, OutgoingMessage, generate_message, needs_smtputf8
from e2a_core.mail.parse import parse_message
from e2a_core.mail.quoting import tidy

ANN = Address("Ann", "ann", "example.org")
BOT = Address("", "bot", "agents.example.net")
DATE = datetime(2026, 9, 1, 12, 0, tzinfo=timezone(timedelta(hours=2)))


def boundaries() -> Callable[[], str]:
    numbers = itertools.count()
    return lambda: f"{next(numbers):032x}"


def write(draft: OutgoingMessage) -> bytes:
    return generate_message(draft, message_id="<m1@agents.example.net>", date=DATE, boundary=boundaries())


def judge(raw: bytes) -> EmailMessage:
    """Python's own parser, and the rules no composed message may break."""
    assert b"\n" not in raw.replace(b"\r\n", b"")
    assert b"\r" not in raw.replace(b"\r\n", b"")
    assert max(map(len, raw.split(b"\r\n"))) <= 998
    header, _, _ = raw.partition(b"\r\n\r\n")
    assert all(len(line) <= 78 or b" " not in line.strip() for line in header.split(b"\r\n"))
    message = email.message_from_bytes(raw, policy=email.policy.default)
    assert not message.defects
    for part in message.walk():
        assert not part.defects
    return message


def test_a_plain_message_is_as_simple_as_can_be() -> None:
    raw = write(OutgoingMessage(sender=BOT, to=[ANN], subject="Hello", text="Hi Ann,\nall well?"))
    assert raw.decode("ascii").split("\r\n") == [
        "From: bot@agents.example.net",
        "To: Ann <ann@example.org>",
        "Subject: Hello",
        "Date: Tue, 01 Sep 2026 10:00:00 +0000",
        "Message-ID: <m1@agents.example.net>",
        "Auto-Submitted: auto-generated",
        "MIME-Version: 1.0",
        "Content-Type: text/plain; charset=us-ascii",
        "Content-Transfer-Encoding: 7bit",
        "",
        "Hi Ann,",
        "all well?",
        "",
    ]


def test_a_full_message_round_trips_through_another_parser() -> None:
    name = "Übersicht über alles, was wir dieses Jahr gemeinsam erreicht haben – Fassung 12.pdf"
    draft = OutgoingMessage(
        sender=Address("Jürgen, der Bote", "bot", "agents.example.net"),
        to=[ANN, Address('Lee, Bob "B"', "bob", "example.org")],
        cc=[Address("名前" * 30, "c", "bücher.example")],
        reply_to=[BOT],
        subject="Grüße 🎉 " * 20,
        text="Schöne Grüße\n" + "word " * 60,
        html="<p>Schöne Grüße <img src='cid:logo@x'></p>",
        attachments=[
            OutgoingAttachment(name, "application/pdf", bytes(range(256)) * 20),
            OutgoingAttachment("logo.png", "image/png", b"png", "logo@x"),
        ],
        in_reply_to="<p@example.org>",
        references=[f"<{number}-{'x' * 40}@example.org>" for number in range(30)],
        conversation_id="conv_1",
        auto_submitted="auto-replied",
        extra_headers=[("List-Unsubscribe", "<https://example.net/u/1>")],
    )
    raw = write(draft)
    message = judge(raw)
    assert message["from"].addresses[0].display_name == "Jürgen, der Bote"
    assert [item.addr_spec for item in message["to"].addresses] == ["ann@example.org", "bob@example.org"]
    assert message["to"].addresses[1].display_name == 'Lee, Bob "B"'
    # Some versions of that parser keep the blanks between encoded words of a display name.
    assert message["cc"].addresses[0].display_name.replace(" ", "") == "名前" * 30
    assert message["cc"].addresses[0].domain == "xn--bcher-kva.example"
    assert message["subject"] == ("Grüße 🎉 " * 20).strip()
    assert message["references"].split() == list(draft.references)
    assert message["auto-submitted"] == "auto-replied"
    assert message["x-e2a-conversation-id"] == "conv_1"
    assert message.get_content_type() == "multipart/mixed"
    alternative, pdf = message.iter_parts()
    assert [part.get_content_type() for part in alternative.walk()] == [
        "multipart/alternative",
        "text/plain",
        "multipart/related",
        "text/html",
        "image/png",
    ]
    assert tidy(message.get_body(("plain",)).get_content()) == tidy(draft.text or "")  # type: ignore[union-attr]
    assert pdf.get_filename() == name
    assert pdf.get_content() == bytes(range(256)) * 20

    ours = parse_message(raw)
    assert ours.subject == message["subject"]
    assert ours.text == tidy(draft.text or "")
    assert ours.html is not None
    assert [item.filename for item in ours.attachments] == ["logo.png", name]
    assert ours.references == list(draft.references)


def test_mail_without_visible_recipients_names_none() -> None:
    assert b"To: undisclosed-recipients:;\r\n" in write(OutgoingMessage(sender=BOT, text="x"))
    raw = write(OutgoingMessage(sender=BOT, cc=[ANN], text="x"))
    assert b"\r\nTo:" not in raw
    assert b"\r\nCc: Ann <ann@example.org>\r\n" in raw


def test_html_alone_still_has_a_plain_part() -> None:
    message = judge(write(OutgoingMessage(sender=BOT, to=[ANN], html="<p>Hi <b>Ann</b></p>")))
    assert message.get_body(("plain",)).get_content().strip() == "Hi Ann"  # type: ignore[union-attr]


def test_an_embedded_message_keeps_its_octets_and_is_not_encoded() -> None:
    inner = b"From: x@y.example\r\nSubject: inner\r\n\r\nbody\r\n"
    raw = write(
        OutgoingMessage(
            sender=BOT, to=[ANN], text="x", attachments=[OutgoingAttachment("i.eml", "message/rfc822", inner)]
        )
    )
    judge(raw)
    meta, content, _ = attachment_content(raw, 0)
    assert (meta.content_type, content) == ("message/rfc822", inner)
    eight_bit = inner.replace(b"body", "böse".encode())
    raw = write(
        OutgoingMessage(
            sender=BOT,
            to=[ANN],
            text="x",
            attachments=[OutgoingAttachment("i.eml", "message/rfc822", eight_bit)],
        )
    )
    meta, content, _ = attachment_content(raw, 0)
    assert (meta.content_type, content) == ("application/octet-stream", eight_bit)


def test_lines_a_server_would_rewrite_are_protected() -> None:
    raw = write(OutgoingMessage(sender=BOT, to=[ANN], text="From here on\n.\n" + "x" * 2000))
    assert b"\r\nFrom here" not in raw
    assert tidy(judge(raw).get_content()) == "From here on\n.\n" + "x" * 2000


def test_smtputf8_is_needed_only_for_local_parts() -> None:
    plain = OutgoingMessage(sender=BOT, to=[Address("Jürgen", "j", "müller.example")], text="x")
    assert not needs_smtputf8(plain)
    assert write(plain).isascii()
    utf8 = OutgoingMessage(sender=BOT, to=[Address("Jürgen", "jürgen", "müller.example")], text="x")
    assert needs_smtputf8(utf8)
    assert "<jürgen@müller.example>".encode() in write(utf8)


@pytest.mark.parametrize(
    ("change", "location"),
    [
        ({"subject": "x\r\nBcc: y@z.example"}, "body.subject"),
        ({"subject": "x\ny"}, "body.subject"),
        ({"subject": "x\x00"}, "body.subject"),
        ({"sender": Address("x\r\nX: y", "a", "b.example")}, "body.from"),
        ({"to": [Address("", "a", "b.example\r\nX: y")]}, "body.to"),
        ({"cc": [Address("", "a\nb", "b.example")]}, "body.cc"),
        ({"conversation_id": "a\nb"}, "body.conversation_id"),
        ({"in_reply_to": "<a@b>\r\nX: y"}, "in_reply_to"),
        ({"references": ["<a@b>", "no brackets"]}, "references"),
        ({"auto_submitted": "no\r\nX: y"}, "auto_submitted"),
        ({"attachments": [OutgoingAttachment("a\r\nb", "text/csv", b"")]}, "body.attachments[0].filename"),
        (
            {"attachments": [OutgoingAttachment("a", "text/csv\r\nX: y", b"")]},
            "body.attachments[0].content_type",
        ),
        ({"attachments": [OutgoingAttachment("a", "a/b; ü=x", b"")]}, "body.attachments[0].content_type"),
        ({"attachments": [OutgoingAttachment("a", "csv", b"")]}, "body.attachments[0].content_type"),
        (
            {"attachments": [OutgoingAttachment("a", "image/png", b"", "x>\r\nY: z")]},
            "body.attachments[0].content_id",
        ),
        ({"extra_headers": [("X-A", "b\r\nBcc: c")]}, "headers.X-A"),
        ({"extra_headers": [("Bcc", "c@d.example")]}, "headers.'Bcc'"),
        ({"extra_headers": [("X A", "c")]}, "headers.'X A'"),
    ],
)
def test_no_value_can_begin_a_header(change: dict[str, object], location: str) -> None:
    fields: dict[str, object] = {"sender": BOT, "to": [ANN], "text": "x", **change}
    with pytest.raises(InvalidRequest) as caught:
        write(OutgoingMessage(**fields))  # type: ignore[arg-type]
    assert caught.value.fields[0][0] == location


_LINE = st.text(st.characters(exclude_categories=["Cs", "Cc", "Zl", "Zp"]), max_size=200)
_TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=300)


@settings(max_examples=200, deadline=None)
@given(subject=_LINE, name=_LINE, filename=_LINE, text=_TEXT, data=st.binary(max_size=300))
def test_whatever_is_composed_reads_back(
    subject: str, name: str, filename: str, text: str, data: bytes
) -> None:
    draft = OutgoingMessage(
        sender=Address(name, "bot", "agents.example.net"),
        to=[ANN],
        subject=subject,
        text=text,
        attachments=[OutgoingAttachment(filename, "application/octet-stream", data, None)],
    )
    raw = write(draft)
    assert raw.isascii()
    assert max(map(len, raw.split(b"\r\n"))) <= 998
    parsed = parse_message(raw)
    assert parsed.subject == _cleaned(subject)
    assert parsed.author is not None
    assert parsed.author.addr_spec == "bot@agents.example.net"
    assert parsed.author.display_name == _cleaned(name)
    assert [item.size_bytes for item in parsed.attachments] == [len(data)]
    assert attachment_content(raw, 0)[1] == data
    judged = email.message_from_bytes(raw, policy=email.policy.default)
    assert judged.is_multipart()
    assert len(list(judged.walk())) == 3


def _cleaned(value: str) -> str:
    return re.sub("[\x00-\x1f\x7f\x85\u2028\u2029]+", " ", value.removeprefix("\ufeff")).strip()
