"""What a session has received and not yet used."""

from __future__ import annotations

import asyncio

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from e2a_core.smtpserver.data import BareNewline
from e2a_core.smtpserver.stream import ConnectionClosed, LineTooLong, SessionInput

LIMIT = 16
PIECES = st.lists(st.sampled_from([b"\r\n", b"\n", b"\r", b"a", b"b" * 20]), max_size=12)


def lines_of(pieces: list[bytes]) -> list[object]:
    """What `take_line` gives while `pieces` arrive; a refused line as the type of its exception."""
    source = SessionInput(asyncio.new_event_loop())
    found: list[object] = []
    for piece in pieces:
        source.feed(piece)
        assert len(source.buffer) <= LIMIT + len(piece)
        while True:
            try:
                line = source.take_line(LIMIT)
            except (LineTooLong, BareNewline) as refusal:
                found.append(type(refusal))
                continue
            if line is None:
                break
            found.append(line)
    source._loop.close()
    return found


@given(PIECES)
@settings(max_examples=300, deadline=None)
def test_lines_are_judged_alike_however_they_are_cut(pieces: list[bytes]) -> None:
    whole = b"".join(pieces)
    expected = [
        LineTooLong if len(line) + 1 > LIMIT else line[:-1] if line.endswith(b"\r") else BareNewline
        for line in whole.split(b"\n")[:-1]
    ]
    assert lines_of(pieces) == lines_of([whole]) == expected


@pytest.mark.anyio
async def test_more_waits_for_octets_and_ends_with_the_peer() -> None:
    source = SessionInput(asyncio.get_running_loop())
    waiting = asyncio.create_task(source.more())
    await asyncio.sleep(0)
    assert not waiting.done()
    source.feed(b"x")
    await waiting
    waiting = asyncio.create_task(source.more())
    await asyncio.sleep(0)
    source.feed_eof()
    # The octet before the end is still there to be judged.
    await waiting
    with pytest.raises(ConnectionClosed):
        await source.more()


@pytest.mark.anyio
async def test_discarding_keeps_nothing_and_ends_with_the_peer_or_the_time() -> None:
    source = SessionInput(asyncio.get_running_loop())
    source.feed(b"before")
    await source.discard(0.01)
    source.feed(b"after")
    assert source.buffer == b""
    source.feed_eof()
    await source.discard(60)
