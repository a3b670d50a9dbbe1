"""Message data over the wire: smuggling, size, memory and time."""

from __future__ import annotations

import asyncio

import pytest

from e2a_core.contract.limits import MAX_MESSAGE_OCTETS
from tests.smtpserver.support import MemoryReceiver, connect, listening

pytestmark = pytest.mark.anyio

SMUGGLED = b"MAIL FROM:<evil@example.org>\r\nRCPT TO:<bot@agents.test>\r\nDATA\r\nforged\r\n.\r\n"
REFUSAL = "550 5.6.11 bare CR or LF in the message (RFC 5321 section 2.3.8)"


@pytest.mark.parametrize(
    "sequence",
    [
        b"\n.\n",
        b"\n.\r\n",
        b"\r.\r",
        b"\r.\r\n",
        b"\r\n.\n",
        b"\r\n.\r",
        b"\n\n.\r\n",
        b"\r\n\x00.\n",
        b"\r\r\n.\r\n",
        b"\r\n.\r\r\n",
    ],
)
@pytest.mark.parametrize("split", [False, True])
async def test_nothing_is_smuggled_and_nothing_stored(sequence: bytes, split: bool) -> None:
    receiver = MemoryReceiver()
    async with listening(receiver) as listener, connect(listener) as client:
        await client.greet()
        await client.begin()
        wire = b"Subject: x\r\n\r\nbody" + sequence + SMUGGLED
        if split:
            for octet in wire:
                client.writer.write(bytes([octet]))
                await asyncio.sleep(0)
        else:
            await client.send(wire)
        assert await client.rest() == [REFUSAL]
        assert receiver.resolved == ["bot@agents.test"]
        assert receiver.messages == []
        assert listener.counters.refused_smuggling == 1


@pytest.mark.parametrize("octet", [b"\r", b"\n"])
@pytest.mark.parametrize(
    "template", [b"Sub%sject: x\r\n\r\nbody", b"S: x\r\n%s\r\nbody", b"S: x\r\n\r\nbo%sdy", b"%s"]
)
async def test_a_bare_cr_or_lf_anywhere_closes_at_once(template: bytes, octet: bytes) -> None:
    receiver = MemoryReceiver()
    async with listening(receiver) as listener, connect(listener) as client:
        await client.greet()
        await client.begin()
        # No terminator: the refusal must not wait for one.
        await client.send(template % octet + b" ")
        assert await client.rest() == [REFUSAL]
    assert receiver.messages == []


async def test_the_terminator_may_arrive_octet_by_octet() -> None:
    receiver = MemoryReceiver()
    async with listening(receiver) as listener, connect(listener) as client:
        await client.greet()
        await client.begin()
        for octet in b"x\r\n..\r\n.\r\nNOOP\r\n":
            await client.send(bytes([octet]))
            await asyncio.sleep(0)
        assert await client.reply() == "250 2.0.0 queued as q1"
        assert await client.reply() == "250 2.0.0 OK"
    assert receiver.messages[0][1] == b"x\r\n.\r\n"


async def test_a_message_of_exactly_the_limit_is_taken_and_one_octet_more_is_not() -> None:
    receiver = MemoryReceiver()
    async with listening(receiver, message_octets=10_000) as listener, connect(listener) as client:
        await client.greet()
        await client.begin()
        assert await client.ask(b"x" * 9_998 + b"\r\n.") == "250 2.0.0 queued as q1"
        await client.begin()
        assert await client.ask(b"x" * 9_999 + b"\r\n.") == "552 5.3.4 message exceeds the size limit"
        await client.begin()
        # RFC 1870 section 2: stuffed dots do not count.
        assert await client.ask(b"..\r\n" * 3_333 + b".") == "250 2.0.0 queued as q2"
        assert listener.counters.refused_size == 1
    assert [len(content) for _, content in receiver.messages] == [10_000, 9_999]


async def test_the_default_limit_holds_to_the_octet() -> None:
    receiver = MemoryReceiver()
    limit = MAX_MESSAGE_OCTETS
    async with listening(receiver) as listener, connect(listener) as client:
        await client.greet()
        await client.begin()
        assert await client.ask((b"x" * 62 + b"\r\n") * (limit // 64) + b".") == "250 2.0.0 queued as q1"
        await client.begin()
        assert (await client.ask((b"x" * 62 + b"\r\n") * (limit // 64) + b"\r\n.")).startswith("552 5.3.4 ")
    assert [len(content) for _, content in receiver.messages] == [limit]


async def test_one_endless_line_is_bounded_by_the_message_size_only() -> None:
    receiver = MemoryReceiver()
    async with listening(receiver) as listener, connect(listener) as client:
        await client.greet()
        await client.begin()
        assert await client.ask(b"x" * 2_000_000 + b"\r\n.") == "250 2.0.0 queued as q1"


async def test_an_oversized_message_is_read_to_its_end_and_the_session_goes_on() -> None:
    receiver = MemoryReceiver()
    async with listening(receiver, message_octets=10_000) as listener, connect(listener) as client:
        await client.greet()
        await client.begin()
        assert (
            await client.ask(b"x" * 30_000 + b"\r\n.\r\nNOOP") == "552 5.3.4 message exceeds the size limit"
        )
        assert await client.reply() == "250 2.0.0 OK"
        await client.begin()
        assert await client.ask(b"x\r\n.") == "250 2.0.0 queued as q1"


async def test_a_message_beyond_all_measure_is_cut_off() -> None:
    receiver = MemoryReceiver()
    async with (
        listening(receiver, message_octets=10_000, linger_seconds=0.2) as listener,
        connect(listener) as client,
    ):
        await client.greet()
        await client.begin()
        client.writer.write(b"x" * 1_000_000)
        assert await client.rest() == ["552 5.3.4 message exceeds the size limit"]
        assert listener.counters.refused_size == 1


async def test_a_bare_newline_in_an_oversized_message_is_still_seen() -> None:
    async with listening(MemoryReceiver(), message_octets=10_000) as listener, connect(listener) as client:
        await client.greet()
        await client.begin()
        await client.send(b"x" * 20_000)
        await asyncio.sleep(0)
        await client.send(b"\n.\r\n" + SMUGGLED)
        assert await client.rest() == [REFUSAL]


async def test_messages_in_flight_share_a_memory_budget() -> None:
    receiver = MemoryReceiver()
    receiver.gate.clear()
    async with listening(receiver, data_memory_octets=100_000) as listener:
        async with connect(listener) as first, connect(listener) as second:
            for client in (first, second):
                await client.greet()
                await client.begin()
            await first.send(b"x" * 90_000 + b"\r\n.\r\n")
            await receiver.entered.wait()
            await second.send(b"y" * 90_000)
            await asyncio.sleep(0.05)
            assert (await second.ask(b"\r\n.")).startswith("452 4.3.1 ")
            receiver.gate.set()
            assert await first.reply() == "250 2.0.0 queued as q1"
            await second.begin()
            assert await second.ask(b"y" * 90_000 + b"\r\n.") == "250 2.0.0 queued as q2"
        assert listener.counters.tempfail == 1


async def test_silence_in_data_times_out() -> None:
    async with listening(MemoryReceiver(), data_seconds=0.1) as listener, connect(listener) as client:
        await client.greet()
        await client.begin()
        await client.send(b"Subject: x\r\n")
        assert await client.rest() == ["421 4.4.2 timed out waiting for input"]
        assert listener.counters.timeouts == 1


async def test_trickling_does_not_extend_the_time_for_a_message() -> None:
    receiver = MemoryReceiver()
    async with (
        listening(receiver, data_seconds=5.0, data_total_seconds=0.3) as listener,
        connect(listener) as client,
    ):
        await client.greet()
        await client.begin()
        replies = asyncio.create_task(client.rest())
        while not replies.done():
            client.writer.write(b"x")
            await asyncio.sleep(0.01)
        assert await replies == ["421 4.4.2 timed out waiting for input"]


async def test_a_slow_receiver_is_not_a_timeout() -> None:
    receiver = MemoryReceiver()
    receiver.gate.clear()
    async with (
        listening(receiver, data_seconds=0.1, command_seconds=0.1) as listener,
        connect(listener) as client,
    ):
        await client.greet()
        await client.begin()
        await client.send(b"x\r\n.\r\n")
        await receiver.entered.wait()
        await asyncio.sleep(0.3)
        receiver.gate.set()
        assert await client.reply() == "250 2.0.0 queued as q1"
