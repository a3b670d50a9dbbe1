"""Address fields with faults: every mailbox that can be read is read, and the rest is named."""

from __future__ import annotations

import time

import pytest

from e2a_core.mail.mailboxes import MAX_UNREADABLE, read_mailboxes
from e2a_core.mail.parse import parse_message

ANN = "ann@example.org"


@pytest.mark.parametrize(
    ("value", "name"),
    [
        (f"Example, Ann <{ANN}>", "Example, Ann"),
        (f"Dr. Ann Lee, PhD <{ANN}>", "Dr. Ann Lee, PhD"),
        (f"Ann [Sales] <{ANN}>", "Ann [Sales]"),
        (f"Ann Example (Sales <{ANN}>", "Ann Example (Sales"),
        (f'Ann "The Boss Example <{ANN}>', 'Ann "The Boss Example'),
        (f"Ann Example {ANN}", "Ann Example"),
        (f"<{ANN}> Ann Example", "Ann Example"),
        (f"Ann <{ANN}", "Ann"),
        (f"Ann <{ANN}>>", "Ann"),
        (f"<<{ANN}>>", ""),
        (f"Ann <mailto:{ANN}>", "Ann"),
        (f"'{ANN}'", ""),
        (f'"{ANN}"', ""),
        (f"{ANN} (Ann", "Ann"),
        (f"{ANN};", ""),
        (f"Ann <{ANN}>;", "Ann"),
        (f"Ann <{ANN.replace('@', ' @ ')}> Lee", "Ann Lee"),
        (f"Ann Lee - {ANN}, ", "Ann Lee -"),
        (f"Lee\\, Ann <{ANN}>", "Lee\\, Ann"),
        (f"=?utf-8?q?Ann_=3C{ANN.replace('@', '=40')}=3E?=", "Ann"),
        (f"Ann <ann+old@@example> <{ANN}>", "Ann <ann+old@@example"),
    ],
)
def test_a_faulty_author_is_shown_and_can_be_answered_but_not_authenticated(value: str, name: str) -> None:
    parsed = parse_message(f"From: {value}\r\nSubject: x\r\n\r\nx\r\n".encode())
    assert parsed.author is None or value.endswith(("Lee", "[Sales] <ann@example.org>"))
    assert parsed.header_from == ANN
    assert parsed.shown_author is not None
    assert parsed.shown_author.display_name == name.strip()


@pytest.mark.parametrize(
    ("value", "addresses", "unreadable"),
    [
        ("a@x.example; b@y.example", ["a@x.example", "b@y.example"], []),
        ("Ann <a@x.example>; Bob <b@y.example>;", ["a@x.example", "b@y.example"], []),
        ("a@x.example b@y.example", ["a@x.example", "b@y.example"], []),
        ("a@x.example, broken", ["a@x.example"], ["broken"]),
        ("the whole team, c@d..example, a@x.example", ["a@x.example"], ["the whole team", "c@d..example"]),
        ("Ann <a@x.example, Bob <b@y.example>", ["a@x.example", "b@y.example"], []),
        ('Ann "B <a@x.example>, "Bob" <b@y.example>', ["a@x.example", "b@y.example"], []),
        ("Ann (B <a@x.example>, Bob (y) <b@y.example>", ["a@x.example", "b@y.example"], []),
        ("Lee, Ann <a@x.example>, Doe, Joe <b@y.example>", ["a@x.example", "b@y.example"], []),
        ("Team: a@x.example, b@y.example;, broken", ["a@x.example", "b@y.example"], ["broken"]),
        ("undisclosed-recipients", [], []),
        ("Undisclosed recipients:;", [], []),
        ("Ann <ann at x.example>, b@y.example", ["b@y.example"], ["Ann <ann at x.example>"]),
        ("<>, , a@x.example", ["a@x.example"], []),
        ("=?utf-8?q?Das_=C3=BCbrige_Team?=; a@x.example", ["a@x.example"], ["Das übrige Team"]),
        ("", [], []),
    ],
)
def test_one_faulty_entry_hides_no_other(value: str, addresses: list[str], unreadable: list[str]) -> None:
    found = read_mailboxes(value)
    assert (found.addresses, found.unreadable) == (addresses, unreadable)


def test_what_was_left_out_is_counted() -> None:
    parsed = parse_message(f"Cc: {'x@, ' * 500}a@x.example\r\n\r\nx".encode())
    assert parsed.cc == ["a@x.example"]
    assert parsed.unreadable[0] == "Cc: x@"
    assert parsed.unreadable[-1] == f"and {500 - MAX_UNREADABLE} more"


def test_two_authors_are_shown_but_neither_is_authenticated() -> None:
    parsed = parse_message(b"From: a@x.example, b@y.example\r\n\r\nx")
    assert parsed.author is None
    assert parsed.header_from == "a@x.example"


@pytest.mark.parametrize(
    "piece",
    [
        "(",
        '"',
        '"\\',
        "a@b.example,",
        "<",
        "\\",
        "(a)",
        ":",
        "<a@",
        ',"',
        "(<a@b>,",
        '"<a@b>,"',
        "=?",
        "a@b ",
    ],
)
def test_any_field_is_read_in_linear_time(piece: str) -> None:
    began = time.process_time()
    read_mailboxes("broken x," + piece * (100_000 // len(piece)))
    assert time.process_time() - began < 3
