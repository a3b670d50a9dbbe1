"""Bodies in uuencode, which old programs still send."""

from __future__ import annotations

import binascii
import tracemalloc

import pytest

from e2a_core.mail.headers import parse_headers
from e2a_core.mail.mime import mime_leaves

HEAD = b"Content-Type: application/octet-stream\r\nContent-Transfer-Encoding: x-uuencode\r\n\r\n"
DATA = bytes(range(256)) * 2
LINES = [binascii.b2a_uu(DATA[at : at + 45]).rstrip(b"\n") for at in range(0, len(DATA), 45)]


def decoded(body: bytes) -> bytes:
    raw = HEAD + body
    [leaf] = mime_leaves(raw, parse_headers(raw))
    return leaf.content(raw)


@pytest.mark.parametrize("end", [b"\r\n", b"\n", b"\r"])
@pytest.mark.parametrize("before", [[], [b"begin 644 a.bin"], [b"See below.", b"", b"begin 644 a.bin"]])
@pytest.mark.parametrize("after", [[], [b"`", b"end"], [b"end", b"signature"], [b"", b"text"]])
def test_the_file_is_read_with_any_line_end(end: bytes, before: list[bytes], after: list[bytes]) -> None:
    assert decoded(end.join([*before, *LINES, *after])) == DATA


def test_short_lines_take_little_memory() -> None:
    body = b"begin 644 a\r\n" + b"!80``\r\n" * 100_000
    tracemalloc.start()
    try:
        assert decoded(body) == b"a" * 100_000
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 4 * len(body)
