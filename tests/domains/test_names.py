"""What may be registered, however it is written."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from e2a_core.domains.names import (
    ancestors,
    is_at_or_below,
    parse_domain,
    refuse_public_suffix,
    reserved_below,
)
from e2a_core.errors import InvalidDomain


@pytest.mark.parametrize(
    ("text", "domain"),
    [
        ("example.com", "example.com"),
        (" EXAMPLE.Com ", "example.com"),
        ("bücher.example", "xn--bcher-kva.example"),
        ("XN--BCHER-kva.Example", "xn--bcher-kva.example"),
        ("faß.de", "xn--fa-hia.de"),
        ("1.example.com", "1.example.com"),
        (f"{'a' * 63}.example", f"{'a' * 63}.example"),
    ],
)
def test_one_spelling_for_every_way_to_write_it(text: str, domain: str) -> None:
    assert parse_domain(text) == domain


@pytest.mark.parametrize(
    "text",
    [
        "",
        " ",
        "localhost",
        "example.com.",
        ".example.com",
        "example..com",
        "bü..example",
        "bü.example.",
        "192.0.2.1",
        "[192.0.2.1]",
        "2001:db8::1",
        "a_b.example",
        "-a.example",
        "a-.example",
        "exa mple.com",
        "owner@example.com",
        "https://example.com",
        f"{'a' * 64}.example",
        "a." * 130 + "example",
        "ü." * 5000 + "example",
        "xn--zzzzzz--.example",
        "\ud800.example",
        "\x00.example",
        "☃.example",
    ],
)
def test_what_is_no_domain(text: str) -> None:
    with pytest.raises(InvalidDomain) as refusal:
        parse_domain(text)
    assert (refusal.value.code, refusal.value.status) == ("invalid_domain", 400)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("owner@example.com", "without the part before the @"),
        ("https://example.com", "without a scheme or a path"),
        ("example.com/", "without a scheme or a path"),
        ("mailto:owner@example.com", "without the part before the @"),
        ("*.example.com", "without a wildcard"),
        ("localhost", "such as example.com"),
    ],
)
def test_why_it_is_none(text: str, why: str) -> None:
    with pytest.raises(InvalidDomain, match=f"{why}$"):
        parse_domain(text)
    refuse_public_suffix(text)


@settings(max_examples=200, deadline=None)
@given(st.text(max_size=300) | st.from_regex(r"[a-zß.ü-]{1,40}"))
def test_any_text_is_a_domain_or_refused(text: str) -> None:
    try:
        domain = parse_domain(text)
    except InvalidDomain:
        return
    assert parse_domain(domain) == domain
    assert domain.isascii()
    assert len(domain) <= 253


def test_how_domains_stand_to_each_other() -> None:
    assert ancestors("a.b.example") == ["b.example", "example"]
    assert is_at_or_below("a.b.example", "b.example")
    assert not is_at_or_below("ab.example", "b.example")
    assert reserved_below("bounce.example.com", "example.com")
    assert reserved_below("x.bounce.example.com", "example.com")
    assert not reserved_below("bounce.x.example.com", "example.com")
