"""Whatever a peer sends, it gets well-formed replies and the listener lives on."""

from __future__ import annotations

import asyncio
import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from e2a_core.smtpserver.limits import IntakeLimits
from e2a_core.smtpserver.listener import SmtpListener
from tests.smtpserver.support import WAIT_SECONDS, MemoryReceiver

COMMANDS = st.sampled_from(
    [
        b"EHLO c.test\r\n",
        b"HELO c.test\r\n",
        b"MAIL FROM:<s@example.org>\r\n",
        b"MAIL FROM:<s@example.org> SIZE=5 BODY=8BITMIME\r\n",
        b"MAIL FROM:<>\r\n",
        b"RCPT TO:<bot@agents.test>\r\n",
        b"RCPT TO:<nobody@agents.test>\r\n",
        b"RCPT TO:<down@agents.test>\r\n",
        b"RCPT TO:<broken@agents.test>\r\n",
        b"DATA\r\n",
        b"Subject: x\r\n\r\nbody\r\n.\r\n",
        b"X-Want: defect\r\n.\r\n",
        b".\r\n",
        b"..\r\n",
        b"RSET\r\n",
        b"NOOP\r\n",
        b"VRFY x\r\n",
        b"HELP\r\n",
        b"STARTTLS\r\n",
        b"AUTH PLAIN\r\n",
        b"QUIT\r\n",
        b"\r\n",
        b"\n",
        b"\r",
        b"x" * 3000,
    ]
)
SESSIONS = st.lists(st.one_of(COMMANDS, st.binary(max_size=30)), max_size=25)
REPLIES = re.compile(rb"(?:[2-5][0-9]{2}[ -][\x20-\x7e]+\r\n)*")


async def converse(pieces: list[bytes]) -> tuple[bytes, MemoryReceiver, SmtpListener]:
    receiver = MemoryReceiver()
    limits = IntakeLimits(
        message_octets=500, errors=10, idle_commands=15, linger_seconds=0.5, command_seconds=5
    )
    listener = SmtpListener(receiver, hostname="mx.test", port=0, limits=limits)
    await listener.start()
    try:
        async with asyncio.timeout(WAIT_SECONDS):
            reader, writer = await asyncio.open_connection(*listener.addresses[0])
            for piece in pieces:
                writer.write(piece)
                await asyncio.sleep(0)
            writer.write_eof()
            replies = await reader.read()
            writer.close()
    finally:
        await listener.stop(1)
    return replies, receiver, listener


@given(SESSIONS)
@pytest.mark.slow
@pytest.mark.apart
@settings(max_examples=200, deadline=None)
def test_every_session_gets_well_formed_replies_and_an_end(pieces: list[bytes]) -> None:
    replies, receiver, listener = asyncio.run(converse(pieces))
    assert replies.startswith(b"220 ")
    assert REPLIES.fullmatch(replies)
    assert listener.counters.connections_open == 0
    assert listener.counters.accepted == len(receiver.messages) == replies.count(b"queued as")
    for envelope, content in receiver.messages:
        assert envelope.recipients
        assert len(content) <= 500
        stray = content.replace(b"\r\n", b"")
        assert b"\r" not in stray
        assert b"\n" not in stray
