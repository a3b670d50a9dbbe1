from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from e2a_core.mail.dsn import RecipientReport, parse_complaint_report, parse_delivery_report
from e2a_core.mail.parse import parse_message

BOUNCE = b"""\
From: Mail Delivery System <MAILER-DAEMON@mx.example.org>
To: bot@agents.example.net
Subject: Undelivered Mail Returned to Sender
Auto-Submitted: auto-replied
Content-Type: multipart/report; report-type=delivery-status; boundary="XX"

--XX
Content-Description: Notification
Content-Type: text/plain; charset=us-ascii

I'm sorry to have to inform you that your message could not be delivered.

--XX
Content-Type: message/delivery-status

Reporting-MTA: dns; mx.example.org
Original-Envelope-Id: env-1
Arrival-Date: Tue, 1 Sep 2026 10:00:00 +0000

Final-Recipient: rfc822; ann@mail.example.org
Original-Recipient: rfc822;ann@example.org
Action: failed
Status: 5.1.1
Diagnostic-Code: smtp; 550 5.1.1 <ann@example.org>:
    Recipient address rejected

Final-Recipient: rfc822; bob@example.org
Action: Delayed
Status: 4.4.1

Final-Recipient: rfc822; carl@example.org
Action: failed
Status: 4.4.7 (delivery time expired)

Final-Recipient: rfc822; dora@example.org
Action: failed
Diagnostic-Code: smtp; 552 5.2.2 mailbox full

Final-Recipient: rfc822; emil@example.org
Action: delivered
Status: 2.0.0

Final-Recipient: rfc822; fritz@example.org
Action: failed

--XX
Content-Type: text/rfc822-headers

From: bot@agents.example.net
Message-ID: <m1@agents.example.net>

--XX--
""".replace(b"\n", b"\r\n")


def test_a_delivery_report_is_typed() -> None:
    report = parse_delivery_report(BOUNCE)
    assert report is not None
    assert report.original_message_id == "<m1@agents.example.net>"
    assert report.original_envelope_id == "env-1"
    assert report.reporting_mta == "mx.example.org"
    assert [(item.address, item.action, item.status, item.bounce_type) for item in report.recipients] == [
        ("ann@example.org", "failed", "5.1.1", "permanent"),
        ("bob@example.org", "delayed", "4.4.1", "transient"),
        ("carl@example.org", "failed", "4.4.7", "transient"),
        ("dora@example.org", "failed", "5.2.2", "permanent"),
        ("emil@example.org", "delivered", "2.0.0", "undetermined"),
        ("fritz@example.org", "failed", "", "undetermined"),
    ]
    assert report.recipients[0].diagnostic.startswith("550 5.1.1 <ann@example.org>:")


def test_the_parsed_message_carries_the_report() -> None:
    parsed = parse_message(BOUNCE, envelope_from="")
    assert parsed.dsn == parse_delivery_report(BOUNCE)
    assert parsed.complaint is None
    assert parsed.auto_submitted is not None
    assert parsed.auto_submitted.kind == "bounce"
    assert parsed.text.startswith("I'm sorry")


def test_the_whole_message_may_be_returned() -> None:
    raw = BOUNCE.replace(b"text/rfc822-headers", b"message/rfc822")
    report = parse_delivery_report(raw)
    assert report is not None
    assert report.original_message_id == "<m1@agents.example.net>"
    assert parse_message(raw).nested[0].header_from == "bot@agents.example.net"


def test_a_report_without_a_first_group_or_returned_message() -> None:
    fields = b"Final-Recipient: a@b.example\nAction: FAILED (x)\nStatus: 5.0.0\n"
    raw = b"Content-Type: message/delivery-status\r\n\r\n" + fields
    report = parse_delivery_report(raw)
    assert report is not None
    assert report.original_message_id is None
    assert report.original_envelope_id is None
    assert report.recipients == [RecipientReport("a@b.example", "failed", "5.0.0", "", "permanent")]


@pytest.mark.parametrize(
    ("original", "final", "expected"),
    [
        ("rfc822;ann@a.example", "rfc822; ann@b.example", "ann@a.example"),
        ("utf-8;änn@a.example", "rfc822; ann@b.example", "änn@a.example"),
        ("<ann@a.example>", "rfc822; ann@b.example", "ann@a.example"),
        ("unknown;x400", "rfc822; ann@b.example", "ann@b.example"),
        ("x-local;ann", "rfc822; ann@b.example", "ann@b.example"),
        ("x400; /C=XX/O=ORG/S=ANN/", "rfc822; ann@b.example", "ann@b.example"),
        ("rfc822;", "rfc822; ann@b.example", "ann@b.example"),
        (None, "rfc822; ann@b.example", "ann@b.example"),
        ("rfc822;ann@a.example", None, "ann@a.example"),
        ("rfc822;ann@a.example", "x-unix; ann", "ann@a.example"),
        ("unknown;x400", "x-unix; ann", "x400"),
        (None, "x-unix; ann", "ann"),
    ],
)
def test_the_recipient_is_the_one_written_to(original: str | None, final: str | None, expected: str) -> None:
    fields = [("Original-Recipient", original), ("Final-Recipient", final), ("Action", "failed")]
    group = "".join(f"{name}: {value}\n" for name, value in fields if value is not None)
    report = parse_delivery_report(b"Content-Type: message/delivery-status\r\n\r\n" + group.encode())
    assert report is not None
    assert [item.address for item in report.recipients] == [expected]


def test_ordinary_mail_is_no_report() -> None:
    assert parse_delivery_report(b"Subject: x\r\n\r\nFinal-Recipient: rfc822;a@b.example") is None
    assert parse_complaint_report(b"Subject: x\r\n\r\n") is None


QMAIL = (
    "Hi. This is the qmail-send program at mx.example.org.\n"
    "I'm afraid I wasn't able to deliver your message to the following addresses.\n"
    "This is a permanent error; I've given up. Sorry it didn't work out.\n\n"
    "{recipients}\n\n--- Below this line is a copy of the message.\n\n"
    "Message-ID: <m1@agents.example.net>\n\n<not@named.example>:\n5.1.1\n"
)


@pytest.mark.parametrize(
    ("recipients", "expected"),
    [
        ("<a@b.example>:\nSorry, no mailbox here by that name. (#5.1.1)", [("a@b.example", "5.1.1")]),
        (
            "<a@b.example>:\n192.5.100.1 does not like recipient.\nRemote host said: 550 no\nGiving up on 192.5.100.1.",
            [("a@b.example", "5.0.0")],
        ),
        (
            "<a@b.example>:\nno (#5.1.1)\n\n<c@d.example>:\nI'm not going to try again; too long. (#4.4.1)",
            [("a@b.example", "5.1.1"), ("c@d.example", "4.4.1")],
        ),
        ("<a@b.example>:\n", [("a@b.example", "")]),
        ("a@b.example: no", []),
    ],
)
def test_a_bounce_of_qmail_is_read(recipients: str, expected: list[tuple[str, str]]) -> None:
    text = QMAIL.format(recipients=recipients).replace("\n", "\r\n")
    raw = f"From: MAILER-DAEMON@mx.example.org\r\nSubject: failure notice\r\n\r\n{text}".encode()
    report = parse_message(raw, envelope_from="").dsn
    found = [] if report is None else [(item.address, item.status) for item in report.recipients]
    assert found == expected
    if report is not None:
        assert report.original_message_id == "<m1@agents.example.net>"
    # Whoever has a name of his own writes no bounce.
    assert parse_message(raw, envelope_from="a@b.example").dsn is None


def test_a_complaint_names_what_is_complained_about() -> None:
    raw = b"""\
From: abuse@isp.example
Content-Type: multipart/report; report-type=feedback-report; boundary=b

--b
Content-Type: text/plain

abuse report
--b
Content-Type: message/feedback-report

Feedback-Type: Abuse
User-Agent: Loop/1.0
Version: 1
Original-Rcpt-To: <ann@isp.example>
Original-Rcpt-To: bob@isp.example

--b
Content-Type: message/rfc822

Message-ID: <m9@agents.example.net>

x
--b--
""".replace(b"\n", b"\r\n")
    complaint = parse_complaint_report(raw)
    assert complaint is not None
    assert complaint.feedback_type == "abuse"
    assert complaint.original_recipients == ["ann@isp.example", "bob@isp.example"]
    assert complaint.original_message_id == "<m9@agents.example.net>"
    assert complaint.user_agent == "Loop/1.0"
    assert parse_message(raw).complaint == complaint


_LINES = st.sampled_from(
    [
        b"Final-Recipient: rfc822; a@b", b"Final-Recipient:", b"Action: failed", b"Status: 5.1.1",
        b"Status: x", b"", b" fold", b":", b"Reporting-MTA: ;", b"Diagnostic-Code: smtp; =?utf-8?q?=",
        b"\xff\x00", b"Original-Envelope-Id:",
    ]
)  # fmt: skip


@settings(max_examples=200, deadline=None)
@given(st.lists(_LINES | st.binary(max_size=20), max_size=30).map(b"\r\n".join))
def test_any_octets_are_a_report(body: bytes) -> None:
    assert parse_delivery_report(b"Content-Type: message/delivery-status\r\n\r\n" + body) is not None
    assert parse_complaint_report(b"Content-Type: message/feedback-report\r\n\r\n" + body) is not None


_STATUS_PART = (
    "Content-Type: multipart/report; report-type=delivery-status; boundary=d\r\n\r\n--d\r\n"
    "Content-Type: text/plain\r\n\r\n{text}\r\n--d\r\nContent-Type: message/delivery-status\r\n\r\n"
    "Reporting-MTA: dns; mx.example.net\r\n{extra}\r\nFinal-Recipient: rfc822; u@example.net\r\n"
    "Action: failed\r\nDiagnostic-Code: smtp; {diagnostic}\r\n--d--\r\n"
)


@pytest.mark.parametrize(
    ("fields", "extra", "text"),
    [
        ("", "X-Original-Message-ID: <sent@e.example>\r\n", ""),
        ("", "Original-Envelope-Id: <sent@e.example>\r\n", ""),
        ("In-Reply-To: <sent@e.example>\r\n", "", ""),
        ("References: <root@e.example> <sent@e.example>\r\n", "", ""),
        ("X-Original-Message-ID: <sent@e.example>\r\n", "", ""),
        ("", "", "Your message:\r\n> Message-ID: <sent@e.example>\r\n> Subject: x"),
    ],
)
def test_every_place_that_names_the_message(fields: str, extra: str, text: str) -> None:
    raw = (fields + _STATUS_PART.format(extra=extra, text=text, diagnostic="550 no such user")).encode()
    report = parse_delivery_report(raw)
    assert report is not None
    assert report.original_message_id == "<sent@e.example>"
    [recipient] = report.recipients
    assert (recipient.status, recipient.bounce_type) == ("5.0.0", "permanent")


@pytest.mark.parametrize(
    ("words", "status"),
    [
        ("550 5.1.1 no such user", "5.1.1"),
        ("550 no such user", "5.0.0"),
        ("SMTP error from remote mail server after RCPT TO: 452 mailbox full", "4.0.0"),
        ("retry timeout exceeded", ""),
    ],
)
def test_a_notification_in_words(words: str, status: str) -> None:
    raw = (
        "X-Failed-Recipients: u4@example.net\r\nContent-Type: text/plain\r\n\r\nCould not be delivered.\r\n\r\n"
        f"  u4@example.net\r\n    {words}\r\n\r\n---- copy ----\r\n\r\nMessage-ID: <sent@e.example>\r\nSubject: x\r\n"
    )
    report = parse_delivery_report(raw.encode())
    assert report is not None
    assert report.original_message_id == "<sent@e.example>"
    assert [(item.address, item.action, item.status) for item in report.recipients] == [
        ("u4@example.net", "failed", status)
    ]
