from __future__ import annotations

import pytest

from e2a_core.mail.automatic import AutoSubmitted, classify_automatic, received_count
from e2a_core.mail.headers import parse_headers


@pytest.mark.parametrize(
    ("header", "envelope_from", "expected"),
    [
        ("Subject: x", "a@b.example", None),
        ("Subject: x", None, None),
        ("Auto-Submitted: no", "a@b.example", None),
        ("Auto-Submitted: No (really)", "a@b.example", None),
        (
            "auto-submitted: auto-replied (vacation)",
            "a@b.example",
            AutoSubmitted("auto-replied", "Auto-Submitted"),
        ),
        ("Auto-Submitted: auto-generated; owner=x", None, AutoSubmitted("auto-generated", "Auto-Submitted")),
        ("Auto-Submitted: auto-notified", None, AutoSubmitted("auto-generated", "Auto-Submitted")),
        ("Auto-Submitted: auto-replied", "", AutoSubmitted("auto-replied", "Auto-Submitted")),
        (
            "Auto-Submitted: no\r\nAuto-Submitted: auto-replied",
            None,
            AutoSubmitted("auto-replied", "Auto-Submitted"),
        ),
        ("Subject: x", "", AutoSubmitted("bounce", "MAIL FROM")),
        ("Subject: x", "<>", AutoSubmitted("bounce", "MAIL FROM")),
        (
            "Content-Type: multipart/report; report-type=delivery-status",
            "",
            AutoSubmitted("bounce", "Content-Type"),
        ),
        (
            "Content-Type: multipart/report; report-type=disposition-notification",
            "",
            AutoSubmitted("auto-replied", "Content-Type"),
        ),
        (
            "Content-Type: multipart/report; report-type=feedback-report",
            None,
            AutoSubmitted("auto-generated", "Content-Type"),
        ),
        ("List-Id: <l.example>\r\nPrecedence: bulk", None, AutoSubmitted("list", "List-Id")),
        ("Precedence: LIST", None, AutoSubmitted("list", "Precedence")),
        ("Precedence: bulk", None, AutoSubmitted("bulk", "Precedence")),
        ("Precedence: junk", None, AutoSubmitted("bulk", "Precedence")),
        ("Precedence: first-class", None, None),
        ("Precedence: auto_reply", None, AutoSubmitted("auto-replied", "Precedence")),
        ("List-Unsubscribe: <https://x.example>", None, AutoSubmitted("bulk", "List-Unsubscribe")),
        ("X-Auto-Response-Suppress: All", None, AutoSubmitted("auto-generated", "X-Auto-Response-Suppress")),
        ("X-Auto-Response-Suppress: None", None, None),
        ("X-Autoreply: yes", None, AutoSubmitted("auto-replied", "X-Autoreply")),
    ],
)
def test_automatic_mail_is_told_by_its_headers(
    header: str, envelope_from: str | None, expected: AutoSubmitted | None
) -> None:
    assert classify_automatic(parse_headers(f"{header}\r\n\r\n".encode()), envelope_from) == expected


def test_hops_are_counted_in_the_header_section_alone() -> None:
    headers = parse_headers(b"Received: a\r\nReceived: b\r\n c\r\nreceived: d\r\n\r\nReceived: e")
    assert received_count(headers) == 3


@pytest.mark.parametrize(
    "header",
    [
        "X-Autorespond: Order",
        "X-Autoresponder: vacation 1.2",
        "X-AutoReply-From: ann@example.org",
        "X-Auto-Generated: 1",
        "X-FC-MachineGenerated: true",
        "X-POST-MessageClass: 9; Autoresponder",
        "X-MS-Exchange-Inbox-Rules-Loop: ann@example.org",
        "X-Failed-Recipients: a@b.example",
        "Subject: Out of Office: Order",
        "Subject: Automatic reply: Order",
        "Subject: Automatische Antwort: Order",
        "Subject: Abwesenheitsnotiz: Order",
        "Subject: =?utf-8?q?R=C3=A9ponse_automatique_=3A_Order?=",
        "Subject: Risposta automatica: Ordine",
        "Subject: [Auto-Reply] Order",
        "Subject: =?utf-8?b?6Ieq5YuV5b+c562UOiDms6jmloc=?=",
        "Subject: Out of office",
        "Subject: Out of Office AutoReply: Order",
        "Subject: Out-of-Office: Order",
        "Subject: [EXTERNAL] Automatic reply: Order",
        "Subject: *** SPAM *** Out of office",
        "Subject: {Disarmed} Abwesenheit: Bestellung",
        "Subject: AUTO: Bob Smith is out of the office (returning 11/30/2026)",
        "Subject: Bob Smith/HQ/Example is out of the office. (returning 30.11.2026)",
        "Subject: AUTO: Max Muster ist ausser Haus",
        "Subject: Odpowiedź automatyczna: Zamówienie",
        "Subject: Автоматичен отговор: Поръчка",
        "Subject: Automatski odgovor: Narudžba",
        "Subject: Automatinis atsakymas: Užsakymas",
        "Subject: Automātiskā atbilde: Pasūtījums",
        "Subject: Automaatvastus: Tellimus",
        "Subject: Balasan otomatis: Pesanan",
        "Subject: 自動返信メール：ご注文",
        "Subject: 自動答覆: 訂單",
        "Subject: پاسخ خودکار: سفارش",
        "Subject: स्वचालित उत्तर: आदेश",
        "Preference: auto_reply",
        "X-Precedence: auto-reply",
        "X-Amazon-Auto-Reply: true",
        "X-Cron-Env: <SHELL=/bin/sh>",
    ],
)
def test_the_marks_of_the_makers(header: str) -> None:
    assert classify_automatic(parse_headers(header.encode() + b"\r\n\r\n"), "a@b.example") is not None


@pytest.mark.parametrize(
    "header",
    [
        "X-Autoreply: no",
        "X-Auto-Generated: false",
        "Subject: Re: Out of Office: Order",
        "Subject: Out of office supplies again",
        "Subject: Automatic reply settings, please help",
        "Subject: Auto-reply: x\r\nAuto-Submitted: no",
        "Subject: On vacation next week, who covers?",
        "Subject: Abwesend am Montag",
        "Subject: Frage zur Abwesenheit: wer kommt?",
        "Subject: [EXTERNAL] Out of office supplies again",
        "Subject: Bob is out of the office today, who covers?",
        "Subject: Auto: who drives?",
        "Subject: [ann] Re: Automatic reply: Order",
        "Subject: Please set an out-of-office message: how?",
        "Precedence: first-class",
        "X-Precedence: normal",
    ],
)
def test_what_a_person_writes(header: str) -> None:
    assert classify_automatic(parse_headers(header.encode() + b"\r\n\r\n"), "a@b.example") is None
