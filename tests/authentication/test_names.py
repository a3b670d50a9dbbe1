from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from e2a_core.authentication.names import address_domain, is_below, normalize_domain, printable


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Example.ORG", "example.org"),
        ("example.org.", "example.org"),
        (" example.org ", "example.org"),
        ("localhost", "localhost"),
        ("sel_1._domainkey.example.org", "sel_1._domainkey.example.org"),
        ("bücher.example", "xn--bcher-kva.example"),
        ("BÜCHER.example", "xn--bcher-kva.example"),
        ("例え。テスト", "xn--r8jz45g.xn--zckzah"),
        ("xn--bcher-kva.example", "xn--bcher-kva.example"),
        ("", None),
        (".", None),
        ("a..b", None),
        ("[192.0.2.1]", None),
        ("192.0.2.1", None),
        ("exa mple.org", None),
        ("example.org\r\nX: y", None),
        ("a" * 64 + ".org", None),
        (".".join(["a" * 60] * 4) + ".example", "a" * 60 + "." + ".".join(["a" * 60] * 3) + ".example"),
        (".".join(["a" * 60] * 5), None),
        ("\ufdfa" * 60 + ".example", None),
    ],
)
def test_normalize_domain(text: str, expected: str | None) -> None:
    assert normalize_domain(text) == expected


def test_address_domain() -> None:
    assert address_domain('"a@b"@Example.org') == "example.org"
    assert address_domain("nobody") is None


def test_is_below() -> None:
    assert is_below("a.example.org", "example.org")
    assert is_below("example.org", "example.org")
    assert not is_below("badexample.org", "example.org")
    assert not is_below("example.org", "a.example.org")


def test_printable_replaces_and_cuts() -> None:
    assert printable("a\r\nb\u2028c\x1b") == "a??b?c?"
    assert printable("x" * 300, 10) == "xxxxxxx..."


@given(st.text())
@settings(max_examples=300, deadline=None)
def test_a_normalized_domain_is_a_fixed_point(text: str) -> None:
    name = normalize_domain(text)

    assert name is None or (name.isascii() and len(name) <= 253 and normalize_domain(name) == name)
