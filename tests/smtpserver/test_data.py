"""Where a message ends, what it must not contain, and dot transparency."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from e2a_core.smtpserver.data import BareNewline, DataScanner, unstuff

# Short strings over what matters, so that every combination of them comes up.
WIRE = st.lists(st.sampled_from([b"\r\n", b"\r\n", b".", b"\r", b"\n", b"a"]), max_size=12).map(b"".join)
LINES = st.lists(st.sampled_from([b"", b".", b"..", b".a", b"a", b"a.", b"\x00\xff"]), max_size=8)


def stuffed(content: bytes) -> bytes:
    """What a sender makes of `content`, line by line as RFC 5321 section 4.5.2 says."""
    lines = content.split(b"\r\n")[:-1]
    return b"".join((b"." if line.startswith(b".") else b"") + line + b"\r\n" for line in lines) + b".\r\n"


def feed(wire: bytes, cuts: list[int]) -> tuple[bytes, bytes] | None:
    """(content, what follows) of `wire` arriving in pieces, None while unfinished."""
    buffer, scanner = bytearray(), DataScanner()
    edges = sorted({min(cut, len(wire)) for cut in cuts} | {0, len(wire)})
    for start, stop in pairwise(edges):
        buffer += wire[start:stop]
        if (end := scanner.scan(buffer)) is not None:
            return b"".join(unstuff(buffer, end)), bytes(buffer[end:]) + wire[stop:]
    return None


def oracle(wire: bytes) -> tuple[bytes, bytes] | None:
    """The same by the definition, one line at a time."""
    rest, content = wire, b""
    while b"\r\n" in rest:
        line, rest = rest.split(b"\r\n", 1)
        if b"\r" in line or b"\n" in line:
            raise BareNewline
        if line == b".":
            return content, rest
        content += line.removeprefix(b".") + b"\r\n"
    if b"\n" in rest or b"\r" in rest.removesuffix(b"\r"):
        raise BareNewline
    return None


@given(LINES, WIRE, st.lists(st.integers(0, 60), max_size=8))
@settings(max_examples=300, deadline=None)
def test_what_was_stuffed_comes_back_however_it_is_cut(
    lines: list[bytes], after: bytes, cuts: list[int]
) -> None:
    content = b"".join(line + b"\r\n" for line in lines)
    found = feed(stuffed(content) + after, cuts)
    assert found == (content, after)


@given(WIRE, st.lists(st.integers(0, 30), max_size=8))
@settings(max_examples=1000, deadline=None)
def test_any_octets_are_judged_as_by_definition(wire: bytes, cuts: list[int]) -> None:
    try:
        expected = oracle(wire)
    except BareNewline:
        with pytest.raises(BareNewline):
            feed(wire, cuts)
    else:
        assert feed(wire, cuts) == expected


def test_a_bare_newline_is_found_before_the_end_arrives() -> None:
    scanner = DataScanner()
    with pytest.raises(BareNewline):
        scanner.scan(bytearray(b"body\n.\nMAIL"))


def test_trimming_keeps_a_terminator_cut_in_two() -> None:
    buffer, scanner = bytearray(), DataScanner()
    dropped = 0
    for octet in b"x" * 1000 + b"\r\n.\r":
        buffer.append(octet)
        assert scanner.scan(buffer) is None
        dropped += scanner.trim(buffer)
        assert len(buffer) <= 5
    buffer += b"\nQUIT"
    end = scanner.scan(buffer)
    assert end is not None
    assert buffer[end:] == b"QUIT"
    assert dropped + len(buffer) == 1000 + len(b"\r\n.\r\nQUIT")


def test_a_line_of_a_trimmed_message_is_not_taken_for_its_start() -> None:
    buffer, scanner = bytearray(b"x" * 100 + b"\r\n"), DataScanner()
    assert scanner.scan(buffer) is None
    scanner.trim(buffer)
    buffer += b"a.\r\n"
    assert scanner.scan(buffer) is None
