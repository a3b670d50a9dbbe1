"""The arguments of MAIL and RCPT."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from e2a_core.smtpserver.paths import MalformedArgument, MalformedPath, parse_path_argument


@pytest.mark.parametrize(
    ("argument", "address", "parameters"),
    [
        ("FROM:<>", "", {}),
        ("FROM:<a@b.example>", "a@b.example", {}),
        ("From:  <a@b.example>  SIZE=1  body=8BITMIME", "a@b.example", {"SIZE": "1", "BODY": "8BITMIME"}),
        ("FROM:<@r1.example,@r2.example:a@b.example>", "a@b.example", {}),
        ('FROM:<"a b\\"@c"@b.example> X', '"a b\\"@c"@b.example', {"X": None}),
        ("FROM:<a@[IPv6:2001:db8::1]>", "a@[IPv6:2001:db8::1]", {}),
        ("FROM:<ä@ö.example>", "ä@ö.example", {}),
        ("FROM:<a..b.@x_y.example>", "a..b.@x_y.example", {}),
        ("FROM:<postMaster>", "postMaster", {}),
        ("FROM:<b+" + "v" * 100 + "@b.example>", "b+" + "v" * 100 + "@b.example", {}),
    ],
)
def test_accepted(argument: str, address: str, parameters: dict[str, str | None]) -> None:
    path = parse_path_argument("FROM", argument)
    assert (path.address, dict(path.parameters)) == (address, parameters)


@pytest.mark.parametrize(
    "argument",
    ["FROM:<a>", "FROM:<a@>", "FROM:<@b>", "FROM:<a@b@c>", "FROM:<a b@c>", "FROM:<a@b..c>", "FROM:<a@-..>",
     "FROM:<a @b>", "FROM:<a@ b>",
     "FROM:<a@b", "FROM:<<a@b>>", "FROM:<a@[]>", "FROM:<@r:>", 'FROM:<"a@b>', "FROM:<poſtmaster>",
     "FROM:<" + "ä" * 160 + "@b.example>"],
)  # fmt: skip
def test_malformed_paths(argument: str) -> None:
    with pytest.raises(MalformedPath):
        parse_path_argument("FROM", argument)


@pytest.mark.parametrize(
    "argument",
    ["", "FROM", "FROM <a@b>", "TO:<a@b>", "FROM:<a@b>X=1", "FROM:<a@b> =1", "FROM:<a@b> X=",
     "FROM:<a@b> X=ä", "FROM:<a@b> X=1 x=2", "FROM:c@d <a@b>",
     "FROM:Ann <a@b> <c@d>", "FROM:<a@b>, <c@d>", "FROM:Ann", "TO :<a@b>"],
)  # fmt: skip
def test_malformed_arguments(argument: str) -> None:
    with pytest.raises(MalformedArgument) as caught:
        parse_path_argument("FROM", argument)
    assert caught.type is MalformedArgument


@given(st.text(alphabet='<>@,:."\\[] aA=ä0-', max_size=60).map("FROM:<{}".format))
@settings(max_examples=500, deadline=None)
def test_any_text_parses_or_is_refused(argument: str) -> None:
    try:
        path = parse_path_argument("FROM", argument)
    except MalformedArgument:
        return
    assert path.address in argument


@pytest.mark.parametrize("part", ["a.", '"\\"', "@a,", "a@a:", "\\", "..", "[["])
def test_long_nonsense_takes_no_time(part: str) -> None:
    """The line limit bounds the input; the time must not grow faster than it."""
    with pytest.raises(MalformedArgument):
        parse_path_argument("FROM", "FROM:<" + part * 20_000)


@pytest.mark.parametrize(
    ("argument", "address"),
    [
        ("FROM:a@b.example", "a@b.example"),
        ("FROM: a@b.example", "a@b.example"),
        ("FROM:a@b.example SIZE=10", "a@b.example"),
        ("FROM:<a@b.example.>", "a@b.example"),
        ("FROM:<@relay.example:a@b.example>", "a@b.example"),
        ("FROM:< a@b.example >", "a@b.example"),
        ("FROM:< a@b.example > SIZE=10", "a@b.example"),
        ("FROM: Ann <a@b.example>", "a@b.example"),
        ('FROM:"Ann, Sales" <a@b.example> SIZE=10', "a@b.example"),
        ("FROM :<a@b.example>", "a@b.example"),
        ("From : a@b.example  SIZE=10", "a@b.example"),
        ("FROM:< >", ""),
        ("FROM: Daemon <>", ""),
    ],
)
def test_what_devices_write_has_one_meaning(argument: str, address: str) -> None:
    assert parse_path_argument("FROM", argument).address == address
