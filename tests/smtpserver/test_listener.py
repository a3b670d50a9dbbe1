"""Opening and closing the listener, and many sessions at once."""

from __future__ import annotations

import asyncio
import gc
import socket
from typing import Any

import aiosmtplib
import pytest

from e2a_core.errors import SettingsError
from e2a_core.smtpserver.limits import IntakeLimits
from e2a_core.smtpserver.listener import SmtpListener
from tests.smtpserver.support import MemoryReceiver, connect, listening
from tests.support.waiting import until

pytestmark = pytest.mark.anyio


async def test_port_zero_picks_a_free_one_and_stop_gives_it_back() -> None:
    listener = SmtpListener(MemoryReceiver(), hostname="mx.test", port=0)
    assert not listener.addresses
    await listener.start()
    [(host, port)] = listener.addresses
    assert (host, port > 0) == ("127.0.0.1", True)
    taken = SmtpListener(MemoryReceiver(), hostname="mx.test", port=port)
    with pytest.raises(OSError, match="in use"):
        await taken.start()
    await listener.stop(0)
    await listener.stop(0)
    with pytest.raises(ConnectionRefusedError):
        await asyncio.open_connection(host, port)


async def test_stop_lets_data_finish_and_sends_idle_peers_away() -> None:
    receiver = MemoryReceiver()
    async with (
        listening(receiver) as listener,
        connect(listener) as idle,
        connect(listener) as sending,
        connect(listener) as waiting,
    ):
        await idle.greet()
        for client in (sending, waiting):
            await client.greet()
            await client.begin()
        receiver.gate.clear()
        await waiting.send(b"waiting\r\n.\r\n")
        await receiver.entered.wait()
        stop = asyncio.create_task(listener.stop(30))
        assert await idle.rest() == ["421 4.3.2 shutting down, try again later"]
        await sending.send(b"sending\r\n.\r\n")
        receiver.gate.set()
        for client in (sending, waiting):
            assert [reply[:7] for reply in await client.rest()] == ["250 2.0", "421 4.3"]
            client.close()
        await stop
    assert len(receiver.messages) == 2


async def test_stop_cuts_off_what_outlasts_the_grace() -> None:
    receiver = MemoryReceiver()
    receiver.gate.clear()
    async with listening(receiver) as listener, connect(listener) as stuck, connect(listener) as silent:
        for client in (stuck, silent):
            await client.greet()
            await client.begin()
        await stuck.send(b"x\r\n.\r\n")
        await receiver.entered.wait()
        async with asyncio.timeout(5):
            await listener.stop(0.1)
        assert listener.counters.connections_open == 0
        for client in (stuck, silent):
            assert await client.rest() == []
    assert receiver.messages == []


async def test_stop_does_not_wait_for_peers_that_were_already_told_to_go() -> None:
    async with (
        listening(MemoryReceiver(), idle_commands=1, linger_seconds=60) as listener,
        connect(listener) as busy,
        connect(listener) as idle,
    ):
        for client in (busy, idle):
            await client.greet()
        assert (await busy.ask(b"NOOP")).startswith("421 4.7.0 ")
        assert (await idle.ask(b"BDAT 1")).startswith("502 ")
        async with asyncio.timeout(5):
            await listener.stop(30)
        assert await busy.rest() == await idle.rest() == []


async def test_nobody_is_accepted_while_a_message_finishes() -> None:
    async with listening(MemoryReceiver()) as listener, connect(listener) as busy:
        await busy.greet()
        await busy.begin()
        host, port = listener.addresses[0]
        stop = asyncio.create_task(listener.stop(30))
        await asyncio.sleep(0)
        with pytest.raises(ConnectionRefusedError):
            await asyncio.open_connection(host, port)
        assert (await busy.ask(b"x\r\n.")).startswith("250 ")
        busy.close()
        await stop


async def test_many_sessions_at_once() -> None:
    receiver = MemoryReceiver()

    async def deliver(port: int, number: int) -> None:
        client = aiosmtplib.SMTP(hostname="127.0.0.1", port=port, use_tls=False, start_tls=False)
        async with client:
            for turn in range(5):
                text = f"Subject: {number}-{turn}\r\n\r\nbody\r\n"
                await client.sendmail("s@example.org", ["bot@agents.test", "two@agents.test"], text)

    async with listening(receiver) as listener:
        async with asyncio.timeout(60):
            await asyncio.gather(*(deliver(listener.addresses[0][1], number) for number in range(40)))
        await until(lambda: listener.counters.connections_open == 0)
        assert listener.counters.accepted == 200
        assert listener.counters.connections == 40
    assert len({content for _, content in receiver.messages}) == 200


def test_limits_must_be_positive() -> None:
    with pytest.raises(SettingsError, match="recipients"):
        IntakeLimits(recipients=0)


async def test_a_peer_that_leaves_as_it_is_told_to_go_is_no_failure() -> None:
    failures: list[dict[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(lambda loop, context: failures.append(context))
    async with listening(MemoryReceiver(), idle_commands=1) as listener:
        peer = await asyncio.to_thread(socket.create_connection, listener.addresses[0])
        assert (await asyncio.to_thread(peer.recv, 1000)).startswith(b"220 ")
        # The 421 meets a socket that is closed already, and is answered with a reset.
        peer.sendall(b"NOOP\r\nNOOP\r\n")
        peer.close()
        await until(lambda: listener.counters.connections_open == 0)
    gc.collect()
    await asyncio.sleep(0)
    assert failures == []
