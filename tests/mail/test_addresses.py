from __future__ import annotations

import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from e2a_core.errors import InvalidRecipient
from e2a_core.mail.addresses import (
    MAX_MAILBOX_CHARS,
    Address,
    header_addresses,
    is_valid_domain,
    normalize_addr_spec,
    parse_address,
    parse_address_list,
    split_plus,
    to_ascii_domain,
)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a@b.example", Address("", "a", "b.example")),
        ("  Ann Lee <Ann.Lee@B.example> ", Address("Ann Lee", "Ann.Lee", "B.example")),
        ('"Lee, Ann" <a+tag@b.example>', Address("Lee, Ann", "a+tag", "b.example")),
        ('"odd local"@b.example', Address("", "odd local", "b.example")),
        ("Jürgen <jürgen@müller.example>", Address("Jürgen", "jürgen", "müller.example")),
        ("a@b.example (Ann)", Address("Ann", "a", "b.example")),
        ("assistant@agents.localhost", Address("", "assistant", "agents.localhost")),
    ],
)
def test_a_caller_gives_one_address(text: str, expected: Address) -> None:
    assert parse_address(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        "",
        " ",
        "ann",
        "@b.example",
        "a@",
        "a@b..example",
        "a@-b.example",
        "a@[192.0.2.1]",
        "a@192.0.2.1",
        "a b@c.example",
        "<>",
        "a@b.example, c@d.example",
        "a@b.example; c@d.example",
        "Group: a@b.example;",
        "Ann <a@b.example",
        "Ann <a@b.example> trailing",
        "a@b.example\r\nBcc: x@y.example",
        "a@b.example\x00",
        '"Ann <a@b.example>',
        "a@b@c.example",
        "l" * 65 + "@b.example",
        "ü" * 33 + "@b.example",
        "l" * 60 + "@" + ".".join(["d" * 60] * 4),
    ],
)
def test_what_is_no_single_address_is_refused_with_what_is_right(text: str) -> None:
    with pytest.raises(InvalidRecipient) as caught:
        parse_address(text)
    assert caught.value.code == "invalid_recipient"
    assert caught.value.message
    if text.strip():
        assert text not in caught.value.message


def test_limits_are_inclusive() -> None:
    local, domain = "l" * 64, ".".join(["d" * 61, "d" * 61, "d" * 61, "d" * 3])
    address = parse_address(f"{local}@{domain}")
    assert len(address.addr_spec) == 254
    with pytest.raises(InvalidRecipient, match="254"):
        parse_address(f"{local}@d{domain}")


def test_a_list_keeps_order_and_names() -> None:
    found = parse_address_list('x@a.example, "Q, R" <y@b.example>')
    assert [str(item) for item in found] == ["x@a.example", '"Q, R" <y@b.example>']


def test_equal_mailboxes_normalize_alike() -> None:
    assert (
        parse_address("Ann@MÜLLER.example").normalized
        == parse_address("ann@xn--mller-kva.example.").normalized
    )
    assert normalize_addr_spec("Ann@B.Example") == "ann@b.example"
    assert normalize_addr_spec("Ann") == "ann"


@pytest.mark.parametrize(
    ("given_as", "normalized"),
    [
        ('"Ann"@b.example', "ann@b.example"),
        ('"a\\nn.lee"@b.example', "ann.lee@b.example"),
        ('"ann lee"@b.example', '"ann lee"@b.example'),
        ('"ann@lee"@b.example', '"ann@lee"@b.example'),
        ('"a\\"b"@b.example', '"a\\"b"@b.example'),
        ('""@b.example', '""@b.example'),
        ('"ann"lee"@b.example', '"ann"lee"@b.example'),
        ('"ann@b.example', '"ann@b.example'),
    ],
)
def test_quotes_without_need_mean_nothing(given_as: str, normalized: str) -> None:
    assert normalize_addr_spec(given_as) == normalized
    assert normalize_addr_spec(normalized) == normalized


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("Ann <a@b.example>", ["a@b.example"]),
        ("a@b.example <a@b.example>", ["a@b.example"]),
        ("[List] Ann <a@b.example>", ["a@b.example"]),
        ("Ann A. Lee <a@b.example>, (x) c@d.example", ["a@b.example", "c@d.example"]),
        ("undisclosed-recipients:;", []),
        ("Team: a@b.example, c@d.example;, e@f.example", ["a@b.example", "c@d.example", "e@f.example"]),
        ("<@relay.example,@other.example:a@b.example>", ["a@b.example"]),
        ("a . b@c . example", ["a.b@c.example"]),
        (",, a@b.example,", ["a@b.example"]),
        ("a@[192.0.2.1]", ["a@[192.0.2.1]"]),
        ("a@b.example, broken", []),
        ("a@b.example c@d.example", []),
        ("Ann <a@b.example", []),
        ("<>", []),
        ("", []),
        ('"a\\"b"@c.example', ['"a\\"b"@c.example']),
    ],
)
def test_a_header_is_read_as_a_whole_or_not_at_all(value: str, expected: list[str]) -> None:
    assert [item.addr_spec for item in header_addresses(value)] == expected


def test_display_names_are_decoded_after_the_grammar() -> None:
    """An encoded comma or bracket must not become syntax."""
    (found,) = header_addresses("=?utf-8?q?Evil_=3Cx=40evil=2Eexample=3E=2C?= <a@b.example>")
    assert found == Address("Evil <x@evil.example>,", "a", "b.example")


@pytest.mark.parametrize(
    ("local", "expected"),
    [
        ("agent+tag", ("agent", "tag")),
        ("agent", ("agent", None)),
        ("agent+", ("agent", "")),
        ("+x", ("+x", None)),
        ("a+b+c", ("a", "b+c")),
    ],
)
def test_subaddresses(local: str, expected: tuple[str, str | None]) -> None:
    assert split_plus(local) == expected


@pytest.mark.parametrize(
    ("domain", "expected"),
    [
        ("Example.COM", "example.com"),
        ("example.com.", "example.com"),
        ("bücher.example", "xn--bcher-kva.example"),
        ("localhost", "localhost"),
        ("a_b.example", "a_b.example"),
        ("", None),
        (".", None),
        ("a..b", None),
        (".a", None),
        ("-a.example", None),
        ("a-.example", None),
        ("a" * 64 + ".example", None),
        ("1.2.3.4", None),
        ("[1.2.3.4]", None),
        ("exa mple.com", None),
        ("example.com\n", None),
        ("a." * 127 + "example", None),
    ],
)
def test_domains(domain: str, expected: str | None) -> None:
    assert to_ascii_domain(domain) == expected
    assert is_valid_domain(domain) is (expected is not None)


_PIECES = st.sampled_from([*'<>@,;:()"\\[] .+', "a", "b.example", "=?utf-8?q?x?=", "ü", "\r\n", "\x00"])


@settings(max_examples=200, deadline=None)
@given(st.lists(_PIECES, max_size=40).map("".join) | st.text(max_size=80))
def test_any_text_is_an_address_or_refused(text: str) -> None:
    header_addresses(text)
    try:
        address = parse_address(text)
    except InvalidRecipient:
        return
    assert parse_address(str(address)) == address
    assert "\n" not in str(address)


@settings(max_examples=100, deadline=None)
@given(st.text(max_size=300))
def test_any_text_is_a_domain_or_not(text: str) -> None:
    found = to_ascii_domain(text)
    assert found is None or to_ascii_domain(found) == found


def test_adversarial_address_fields_are_read_in_linear_time() -> None:
    for piece in ("(", '"', "a@b.example,", "<", "\\", "a ", "(a)", ":", "[a"):
        header_addresses(piece * (200_000 // len(piece)))


@pytest.mark.parametrize(
    "piece", [",", "[[],", "a,", " ", "(", '"', '"\\"', "<", ":", "a:;", "a.", "@", "é,", "a, <"]
)
def test_a_text_that_is_no_address_is_refused_in_linear_time(piece: str) -> None:
    started = time.process_time()
    for chars in (MAX_MAILBOX_CHARS, 60_000, 1_000_000):
        with pytest.raises(InvalidRecipient):
            parse_address(piece * (chars // len(piece)))
    assert time.process_time() - started < 1


def test_a_long_name_with_commas_is_still_a_name() -> None:
    name = ", ".join(["Department of Letters"] * 80)
    assert parse_address(f"{name} <letters@example.org>").display_name == name
    with pytest.raises(InvalidRecipient, match="at most 2000 characters"):
        parse_address(f"{name * 2} <letters@example.org>")
