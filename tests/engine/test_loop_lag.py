"""Mail at its worst is taken in or refused, and everyone else is served meanwhile."""

from __future__ import annotations

import pytest

from tests.engine.mailbox import inbox
from tests.support.home import ASSISTANT, Home
from tests.support.loop_lag import LoopLag, bring
from tests.support.worst_mail import WORST, filled

pytestmark = pytest.mark.anyio

LONGEST_PAUSE = 1.0
"""A busy machine stretches what takes 50 ms on a quiet one; `python -m bench loop_lag` prints the pauses."""
SAMPLES = (
    "2.5 million one-letter fields",
    "one field folded 2.5 million times",
    "DKIM with a body of blanks",
)


async def _pause(home: Home, content: bytes) -> tuple[int, float]:
    """The reply to the message, and the longest pause of the loop while it is taken in and then read."""
    agent = await home.local.session(home.agent_key)
    async with LoopLag() as lag:
        code = await bring(home.smtp, content, mail_from="alice@example.org", recipient=ASSISTANT)
        for summary in await inbox(agent):
            await agent.messages.get(ASSISTANT, summary.id)
    return code, lag.worst


@pytest.mark.parametrize("name", SAMPLES)
async def test_a_header_section_at_its_worst_does_not_stop_the_loop(home: Home, name: str) -> None:
    code, pause = await _pause(home, WORST[name]())
    assert code in {250, 552}
    assert pause < 2 * LONGEST_PAUSE


@pytest.mark.slow
@pytest.mark.apart
@pytest.mark.timeout(900)
@pytest.mark.parametrize("database_kind", ["sqlite"], indirect=True)
async def test_no_worst_case_stops_the_loop(home: Home) -> None:
    pauses = {}
    for name, make in WORST.items():
        content = make()
        _, pauses[name] = await _pause(home, content)
        if pauses[name] > LONGEST_PAUSE:
            # A pause that comes again is the work; the machine or the garbage collector may have made a single one.
            _, pauses[name] = await _pause(home, content)
    assert {name: round(pause, 3) for name, pause in pauses.items() if pause > LONGEST_PAUSE} == {}


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        (filled(b"X-Antispam: " + b"a" * 900 + b"\r\n", 60_000), 250),
        (b"Cc: a@b.example" + b",\r\n person@example.net" * 800 + b"\r\n", 250),
        (b"X: " + b"a\r\n " * 9_000 + b"a\r\n", 250),
        (b"a:\r\n" * 990, 250),
        (b"a:\r\n" * 1_001, 552),
        (b"X: " + b"a\r\n " * 10_001 + b"a\r\n", 552),
        (b"X: " + b"a\r\n " * 2_500 + b"a\r\n" + (b"Y: " + b"a\r\n " * 4_000 + b"a\r\n") * 2, 552),
        (b"X: " + b"a" * 270_000 + b"\r\n", 552),
        (filled(b"X-Part: " + b"a" * 900 + b"\r\n", 300_000), 552),
        (filled(b"DKIM-Signature: v=1\r\n", 2_000_000), 552),
        (filled(b"Received: from a by b; x\r\n", 2_000_000), 552),
    ],
)
async def test_the_header_section_has_caps(home: Home, fields: bytes, code: int) -> None:
    content = b"From: Alice <alice@example.org>\r\nSubject: caps\r\n" + fields + b"\r\nHello\r\n"
    reply = await bring(home.smtp, content, mail_from="alice@example.org", recipient=ASSISTANT)
    assert reply == code
    agent = await home.local.session(home.agent_key)
    assert len(await inbox(agent)) == (1 if code == 250 else 0)
