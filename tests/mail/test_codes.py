from __future__ import annotations

import time
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from e2a_core.mail.codes import find_codes, find_verification_links

ANNOUNCED = [
    ("", "Your verification code is:\n\n482 913\n\nIt expires in 10 minutes. © 2026 Example", "482913"),
    ("", "482913 is your Example login code", "482913"),
    ("", "Use G-123456 as your verification code.", "G-123456"),
    ("", "Enter AB3-9XK to finish signing in; this security code is single use", "AB3-9XK"),
    ("", "Your OTP: 4821", "4821"),
    ("", "Type the verification code below on our page:\n\n481 516\n\nCopyright 2026", "481516"),
    ("", "PIN: 2026", "2026"),
    ("", "Your one-time password\n\n1 2 3 4 5 6\n", "123456"),
    ("", "Ihr Bestätigungscode lautet 482913.", "482913"),
    ("", "Votre code de vérification : 482913", "482913"),
    ("", "Tu código de verificación es 482913", "482913"),
    ("", "Il tuo codice di verifica: 482913", "482913"),
    ("", "Uw verificatiecode is 482913", "482913"),
    ("", "Twój kod weryfikacyjny to 482913", "482913"),
    ("", "Ваш код подтверждения: 482913", "482913"),
    ("", "您的验证码是：482913，5分钟内有效。", "482913"),
    ("", "認証コード：482913", "482913"),
    ("", "인증번호 [482913]", "482913"),
    ("Sign in", "ご本人確認のお知らせ\n\n認証コード：qR7tz\n期限：2026/11/22 10:10", "qR7tz"),
    ("", "902417 is your authentication code for Example.\n\n@login.example.org #902417", "902417"),
    ("", "Harbour Library: your verification code is: 275830. It ends at 9:15 PM.", "275830"),
    (
        "",
        "Order 20261122 of 2026 for $1299.\nYour security code is 7731.\nCall 555-0100 with questions.",
        "7731",
    ),
    (
        "",
        "Use the following one-time password to sign in:\n\nKXPW-QRTZ\n\nIt is valid for 10 minutes.",
        "KXPW-QRTZ",
    ),
    ("", "Your verification code: a8k2zq", "a8k2zq"),
    ("", "【示例】您的验证码为 820415，5分钟内有效。客服电话 400-820-8820。", "820415"),
    ("", "Ihr Bestätigungscode lautet: 904 177. Er gilt bis 22.11.2026.", "904177"),
    ("553201 is your Example code", "Someone tries to sign in to your account.", "553201"),
    ("", "Order 55512 was placed. Your security code: 482913. Code name 7777", "482913"),
    ("", "Hej!\n\nDin engångskod är 739204. Den gäller i 5 minuter.", "739204"),
    ("", "Din bekræftelseskode:\n\n  739 204\n", "739204"),
    ("", "Vahvistuskoodisi on 739204", "739204"),
    ("", "Doğrulama kodunuz: 739204", "739204"),
    ("", "Váš ověřovací kód je 739204.", "739204"),
    ("", "Az ellenőrző kódja: 739204", "739204"),
    ("", "Codul de verificare este 739204", "739204"),
    ("", "Ο κωδικός επαλήθευσης είναι 739204", "739204"),
    ("", "Код підтвердження: 739204", "739204"),
    ("", "Mã xác nhận của bạn là 739204", "739204"),
    ("", "Kode verifikasi Anda adalah 739204", "739204"),
    ("", "รหัสยืนยันของคุณคือ 739204", "739204"),
    ("", "رمز التحقق الخاص بك هو ٧٣٩٢٠٤", "739204"),
    ("", "קוד האימות שלך הוא 739204", "739204"),
    ("", "आपका सत्यापन कोड 739204 है", "739204"),
    ("", "Вашият код за потвърждение е 739204", "739204"),
    ("", "Seu código de verificação é 739-204", "739204"),
    ("", "Enter this code to sign in:\n\n7 | 3 | 9 | 2 | 0 | 4\n", "739204"),
    ("", "Your login code\n\n7\n3\n9\n2\n0\n4\n\nThanks", "739204"),
    (
        "",
        (
            "Confirm your email\n\nYour confirmation code is below - enter it in your open browser "
            "window.\n\nXKD-92Q\n"
        ),
        "XKD-92Q",
    ),
    ("Your Slack confirmation code", "Here it is:\n\nQWE-RTY\n", "QWE-RTY"),
    ("", "Use 482913 to verify your account. Acme", "482913"),
    (
        "Verify your sign-in",
        (
            "Hi Ann,\n\nplease use this verification code to complete the sign-in from Chrome on Linux "
            "(IP 203.0.113.7, 22 Nov 2026 10:01):\n\n  482913\n\nIf it was not you, ignore it. Ref 8812345"
        ),
        "482913",
    ),
    ("", "ワンタイムパスワード\n\n123 456\n\n有効期限は10分です", "123456"),
    ("", "登录验证码：ab12CD，请勿泄露", "ab12CD"),
    ("", "Your code: KXPWQ", "KXPWQ"),
    ("", "Your Acme code is kxp9wq", "kxp9wq"),
    ("", "Kod: 482913 (ważny 10 minut)", "482913"),
    ("", "Your sign-in code is\n\nkxpwqz\n\nIt expires soon.", "kxpwqz"),
    ("739204 - dein Anmeldecode", "Hallo", "739204"),
    ("", "Security code 1234 5678 is valid for 10 minutes", "12345678"),
    ("", "Your temporary verification code is 12-34-56.", "123456"),
    ("", "Your authentication code\n739204\nTicket 998877\nHelp: 0800 123456", "739204"),
    ("", "Account 55667788: your one-time passcode is 739204", "739204"),
    ("", "2FA code: 2026", "2026"),
    ("", "Din BankID-kod\n\nDin säkerhetskod: 4821", "4821"),
    ("", "Please type in the code 739204 to confirm your login code request.", "739204"),
    ("", "739204 ist Ihr Code für Beispiel", "739204"),
    ("", "739204 est votre code Exemple", "739204"),
    ("", "G-739204 es tu código de verificación de Ejemplo", "G-739204"),
    ("", "Для входа введите код 739204", "739204"),
    ("", "您的登入驗證碼為「739204」", "739204"),
    ("", "[예시] 인증번호는 739204 입니다.", "739204"),
]
"""Subject, text, and the code that comes first."""


@pytest.mark.parametrize(("subject", "text", "code"), ANNOUNCED)
def test_a_code_is_told_by_the_words_around_it(subject: str, text: str, code: str) -> None:
    assert find_codes(text, subject=subject)[:1] == [code]


def test_mail_without_a_code_has_none() -> None:
    """Receipts, shipping, invoices, bookings, meetings and newsletters in many languages."""
    mails = (Path(__file__).parent / "mails_without_code.txt").read_text("utf-8").split("\n=====\n")
    assert len(mails) >= 100
    assert {mail: codes for mail in mails if (codes := find_codes(mail))} == {}


@pytest.mark.parametrize(
    "text",
    [
        "Your promo code is SAVE2026",
        "Dress code: casual. Zip code 94107",
        "Meeting in 2026, room 1400",
        "Call +1 555 0100 4821 or pay $4821.00",
        "Booking confirmed. Confirmation code: X7K9QP. Flight BA 1234",
        "Join Zoom Meeting\nMeeting ID: 812 3456 7890\nPasscode: 482913",
        "Never tell anybody your verification code. Order 884422 has shipped.",
        "",
    ],
)
def test_a_reference_or_price_is_no_code(text: str) -> None:
    assert find_codes(text) == []


def test_html_alone_is_read() -> None:
    html = "<p>Your verification code is</p><table><tr><td><h1>482913</h1></td></tr></table>"
    assert find_codes("", html) == ["482913"]


def test_verification_links() -> None:
    text = "Confirm here: https://x.example/verify?token=a.b-c. Or see https://x.example/blog\nhttp://x.example/verify"
    html = (
        '<a href="https://t.example/c/abc">Confirm your email</a>'
        '<a href="https://t.example/unsubscribe?login">Sign in</a>'
        '<a href="https://x.example/logo-login.png">pic</a> <a href="http://x.example/reset">Reset</a>'
        '<a href="https://x.example/r/1">Passwort zurücksetzen</a> <a href="https://t.example/c/abc">Confirm again</a>'
    )
    assert find_verification_links(text, None) == ["https://x.example/verify?token=a.b-c"]
    assert find_verification_links(text, html) == [
        "https://t.example/c/abc",
        "https://x.example/r/1",
        "https://x.example/verify?token=a.b-c",
    ]


def test_results_are_bounded() -> None:
    text = " ".join(f"Your code is {100_000 + number}." for number in range(1000))
    assert len(find_codes(text)) == 5
    assert (
        len(find_verification_links(" ".join(f"https://x.example/verify/{number}" for number in range(100))))
        == 10
    )


@settings(max_examples=200, deadline=None)
@given(st.text(max_size=300), st.text(max_size=300))
def test_any_text_can_be_searched(text: str, html: str) -> None:
    find_codes(text, html)
    find_verification_links(text, html)


@pytest.mark.parametrize(
    "piece", ["code 1234 ", "1 ", "A1", "https://", "https://[", "A-1-", "verification ", "pin: 12 34 56 "]
)
def test_adversarial_text_costs_little(piece: str) -> None:
    text = piece * (1_000_000 // len(piece))
    before = time.process_time()
    find_codes(text)
    find_verification_links(text)
    assert time.process_time() - before < 5
