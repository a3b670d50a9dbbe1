from __future__ import annotations

import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from e2a_core.mail.codes import find_codes, find_verification_links


@pytest.mark.parametrize(
    ("text", "codes"),
    [
        ("Your verification code is:\n\n482 913\n\nIt expires in 10 minutes. © 2026 Example", ["482913"]),
        ("482913 is your Example login code", ["482913"]),
        ("Use G-123456 as your verification code.", ["G-123456"]),
        ("Enter AB3-9XK to finish signing in; this security code is single use", ["AB3-9XK"]),
        ("Your OTP: 4821", ["4821"]),
        ("PIN: 2026", ["2026"]),
        ("Your one-time password\n\n1 2 3 4 5 6\n", ["123456"]),
        ("Ihr Bestätigungscode lautet 482913.", ["482913"]),
        ("Votre code de vérification : 482913", ["482913"]),
        ("Tu código de verificación es 482913", ["482913"]),
        ("Il tuo codice di verifica: 482913", ["482913"]),
        ("Uw verificatiecode is 482913", ["482913"]),
        ("Twój kod weryfikacyjny to 482913", ["482913"]),
        ("Ваш код подтверждения: 482913", ["482913"]),
        ("您的验证码是：482913，5分钟内有效。", ["482913"]),
        ("認証コード：482913", ["482913"]),
        ("인증번호 [482913]", ["482913"]),
        ("Your promo code is SAVE2026", []),
        ("Dress code: casual. Zip code 94107", []),
        ("Meeting in 2026, room 1400", []),
        ("Call +1 555 0100 4821 or pay $4821.00", []),
        ("", []),
    ],
)
def test_codes_are_told_by_the_words_around_them(text: str, codes: list[str]) -> None:
    assert find_codes(text) == codes


def test_the_likeliest_code_comes_first() -> None:
    assert find_codes("Order 55512 was placed. Your security code: 482913. Code name 7777")[0] == "482913"


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
    text = "code " + " code ".join(str(100_000 + number) for number in range(1000))
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
