"""Below the commands: caps, deadlines, TLS, half-dead peers."""

from __future__ import annotations

import asyncio
import contextlib
import datetime
import ipaddress
import ssl
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from tests.smtpserver.support import MemoryReceiver, connect, listening
from tests.support.waiting import until

pytestmark = pytest.mark.anyio


@pytest.fixture(scope="module")
def tls_contexts(tmp_path_factory: pytest.TempPathFactory) -> tuple[ssl.SSLContext, ssl.SSLContext]:
    """A server context with a self-signed certificate, and a client context that trusts it."""
    path = tmp_path_factory.mktemp("tls") / "server.pem"
    _write_certificate(path)
    server = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    server.load_cert_chain(path)
    return server, ssl.create_default_context(cafile=str(path))


def _write_certificate(path: Path) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "mx.test")])
    now = datetime.datetime.now(datetime.UTC)
    names = x509.SubjectAlternativeName(
        [x509.DNSName("mx.test"), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]
    )
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(hours=1))
        .not_valid_after(now + datetime.timedelta(hours=1))
        .add_extension(names, critical=False)
        .sign(key, hashes.SHA256())
    )
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    path.write_bytes(private + certificate.public_bytes(serialization.Encoding.PEM))


Contexts = tuple[ssl.SSLContext, ssl.SSLContext]


async def test_starttls_forgets_the_plain_session_and_delivers(tls_contexts: Contexts) -> None:
    receiver = MemoryReceiver()
    async with listening(receiver, tls=tls_contexts[0]) as listener, connect(listener) as client:
        await client.reply()
        assert (await client.ask(b"EHLO plain.test")).endswith("250 STARTTLS")
        assert await client.ask(b"MAIL FROM:<s@example.org>") == "250 2.1.0 OK"
        assert await client.ask(b"STARTTLS now") == "501 5.5.4 STARTTLS takes no argument"
        assert await client.ask(b"STARTTLS") == "220 2.0.0 ready to start TLS"
        await client.start_tls(tls_contexts[1])
        assert await client.ask(b"RCPT TO:<bot@agents.test>") == "503 5.5.1 say MAIL first"
        assert await client.ask(b"MAIL FROM:<s@example.org>") == "503 5.5.1 say EHLO first"
        assert "STARTTLS" not in await client.ask(b"EHLO secret.test")
        assert await client.ask(b"STARTTLS") == "503 5.5.1 TLS is already active"
        await client.begin()
        assert await client.ask(b"x" * 300_000 + b"\r\n.") == "250 2.0.0 queued as q1"
        assert await client.ask(b"QUIT") == "221 2.0.0 bye"
        assert await client.reply() == ""
        assert listener.counters.tls_sessions == 1
    [(envelope, _)] = receiver.messages
    assert envelope.peer.tls
    assert envelope.peer.helo == "secret.test"


async def test_plaintext_behind_starttls_is_never_executed(tls_contexts: Contexts) -> None:
    receiver = MemoryReceiver()
    injected = b"EHLO evil.test\r\nMAIL FROM:<evil@example.org>\r\nRCPT TO:<evil@agents.test>\r\n"
    async with listening(receiver, tls=tls_contexts[0]) as listener, connect(listener) as client:
        await client.greet()
        await client.send(b"STARTTLS\r\n" + injected)
        assert await client.reply() == "220 2.0.0 ready to start TLS"
        await client.start_tls(tls_contexts[1])
        # A command the attacker prepared would be answered first, and would have said EHLO.
        assert await client.ask(b"MAIL FROM:<s@example.org>") == "503 5.5.1 say EHLO first"
        assert await client.ask(b"NOOP") == "250 2.0.0 OK"
    assert receiver.resolved == []


async def test_half_a_plaintext_line_is_not_completed_inside_tls(tls_contexts: Contexts) -> None:
    async with listening(MemoryReceiver(), tls=tls_contexts[0]) as listener, connect(listener) as client:
        await client.greet()
        await client.send(b"STARTTLS\r\nEHLO evil.test ")
        assert await client.reply() == "220 2.0.0 ready to start TLS"
        await client.start_tls(tls_contexts[1])
        assert await client.ask(b"x") == "500 5.5.1 command not recognized"


async def test_a_failed_handshake_ends_the_session(tls_contexts: Contexts) -> None:
    async with listening(MemoryReceiver(), tls=tls_contexts[0]) as listener, connect(listener) as client:
        await client.greet()
        assert await client.ask(b"STARTTLS") == "220 2.0.0 ready to start TLS"
        await client.send(b"MAIL FROM:<s@example.org>\r\n")
        await until(lambda: listener.counters.connections_open == 0)
        assert listener.counters.tls_failures == 1


async def test_a_handshake_that_never_comes_times_out(tls_contexts: Contexts) -> None:
    limits = {"handshake_seconds": 0.1}
    async with (
        listening(MemoryReceiver(), tls=tls_contexts[0], **limits) as listener,
        connect(listener) as client,
    ):
        await client.greet()
        assert await client.ask(b"STARTTLS") == "220 2.0.0 ready to start TLS"
        await until(lambda: listener.counters.connections_open == 0)


async def test_silence_after_starttls_times_out(tls_contexts: Contexts) -> None:
    limits = {"command_seconds": 0.5}
    async with (
        listening(MemoryReceiver(), tls=tls_contexts[0], **limits) as listener,
        connect(listener) as client,
    ):
        await client.greet()
        await client.ask(b"STARTTLS")
        await client.start_tls(tls_contexts[1])
        assert await client.rest() == ["421 4.4.2 timed out waiting for input"]


async def test_smuggling_inside_tls_closes_too(tls_contexts: Contexts) -> None:
    receiver = MemoryReceiver()
    async with listening(receiver, tls=tls_contexts[0]) as listener, connect(listener) as client:
        await client.greet()
        await client.ask(b"STARTTLS")
        await client.start_tls(tls_contexts[1])
        assert (await client.ask(b"EHLO secret.test")).startswith("250")
        await client.begin()
        await client.send(b"body\n.\r\nMAIL FROM:<evil@example.org>\r\n")
        assert [reply[:3] for reply in await client.rest()] == ["550"]
    assert receiver.messages == []


async def test_an_idle_session_is_told_that_it_timed_out() -> None:
    async with listening(MemoryReceiver(), command_seconds=0.1) as listener, connect(listener) as client:
        await client.greet()
        assert await client.rest() == ["421 4.4.2 timed out waiting for input"]
        await until(lambda: listener.counters.connections_open == 0)


async def test_trickling_does_not_extend_the_time_for_a_command() -> None:
    async with listening(MemoryReceiver(), command_seconds=0.3) as listener, connect(listener) as client:
        await client.greet()
        replies = asyncio.create_task(client.rest())
        while not replies.done():
            client.writer.write(b"N")
            await asyncio.sleep(0.01)
        assert await replies == ["421 4.4.2 timed out waiting for input"]


async def test_activity_keeps_a_session_alive() -> None:
    async with listening(MemoryReceiver(), command_seconds=0.4) as listener, connect(listener) as client:
        await client.greet()
        for _ in range(8):
            await asyncio.sleep(0.1)
            assert await client.ask(b"NOOP") == "250 2.0.0 OK"


async def test_connections_in_all_are_capped_and_a_slot_is_given_back() -> None:
    async with listening(MemoryReceiver(), connections=2) as listener:
        async with connect(listener) as one, connect(listener) as two:
            await one.greet()
            await two.greet()
            async with connect(listener) as three:
                assert await three.rest() == ["421 4.7.0 too many connections, try again later"]
            assert await one.ask(b"QUIT") == "221 2.0.0 bye"
            one.close()
            await until(lambda: listener.counters.connections_open == 1)
            async with connect(listener) as four:
                await four.greet()
        assert listener.counters.connections_refused == 1


@pytest.mark.parametrize("cap", ["connections", "connections_per_address"])
@pytest.mark.parametrize("said", [b"", b"EH"])
async def test_who_says_nothing_gives_way_to_who_has_mail(cap: str, said: bytes) -> None:
    async with (
        listening(MemoryReceiver(), **{cap: 2}, silent_seconds=0.1) as listener,
        connect(listener) as silent,
        connect(listener) as speaking,
    ):
        assert (await silent.reply()).startswith("220 ")
        await silent.send(said)
        await speaking.greet()

        async def let_in() -> bool:
            assert await speaking.ask(b"NOOP") == "250 2.0.0 OK"
            async with connect(listener) as late:
                return (await late.reply()).startswith("220 ")

        await until(let_in)
        assert await silent.rest() == ["421 4.4.2 silent for too long while others wait"]
        assert await speaking.ask(b"NOOP") == "250 2.0.0 OK"


async def test_connections_per_address_are_capped() -> None:
    async with listening(MemoryReceiver(), connections_per_address=1) as listener, connect(listener) as one:
        await one.greet()
        async with connect(listener) as two:
            assert await two.rest() == ["421 4.7.0 too many connections from your address, try again later"]
        # Another loopback address is another peer.
        host, port = listener.addresses[0]
        reader, writer = await asyncio.open_connection(host, port, local_addr=("127.0.0.2", 0))
        assert (await reader.readline()).startswith(b"220 ")
        writer.close()
        assert await one.ask(b"NOOP") == "250 2.0.0 OK"
        one.close()
        await until(lambda: listener.counters.connections_open == 0)
        async with connect(listener) as three:
            await three.greet()


async def test_messages_per_connection_are_capped() -> None:
    async with (
        listening(MemoryReceiver(), messages_per_connection=2) as listener,
        connect(listener) as client,
    ):
        await client.greet()
        for _ in range(2):
            await client.begin()
            assert (await client.ask(b"x\r\n.")).startswith("250 ")
        assert await client.ask(b"MAIL FROM:<>") == "421 4.7.0 too many messages on this connection"
        assert await client.reply() == ""


async def test_commands_without_mail_are_capped_and_a_message_resets_the_count() -> None:
    async with listening(MemoryReceiver(), idle_commands=5) as listener, connect(listener) as client:
        await client.greet()
        for _ in range(3):
            assert await client.ask(b"NOOP") == "250 2.0.0 OK"
        await client.begin()
        assert (await client.ask(b"x\r\n.")).startswith("250 ")
        await client.send(b"NOOP\r\n" * 10)
        assert await client.rest() == ["250 2.0.0 OK"] * 5 + ["421 4.7.0 too many commands without a message"]


async def test_errors_are_capped() -> None:
    async with listening(MemoryReceiver(), errors=3) as listener, connect(listener) as client:
        await client.greet()
        await client.ask(b"MAIL FROM:<>")
        await client.send(b"RCPT TO:<nobody@agents.test>\r\n" * 10)
        assert [reply[:3] for reply in await client.rest()] == ["550"] * 4 + ["421"]
        assert listener.counters.abuse_disconnects == 1


async def test_recipients_are_capped_and_the_first_ones_get_the_message() -> None:
    receiver = MemoryReceiver()
    async with listening(receiver, recipients=2, errors=1, deferrals=6) as listener:
        async with connect(listener) as client:
            await client.greet()
            await client.begin(b"<a@agents.test>", b"<b@agents.test>")
            await client.ask(b"x\r\n.")
            await client.ask(b"MAIL FROM:<>")
            for name in (b"a", b"b"):
                assert await client.ask(b"RCPT TO:<%s@agents.test>" % name) == "250 2.1.5 OK"
            for _ in range(6):
                assert await client.ask(b"RCPT TO:<c@agents.test>") == "452 4.5.3 too many recipients"
            assert (await client.ask(b"DATA")).startswith("354 ")
            assert await client.ask(b"x\r\n.") == "250 2.0.0 queued as q2"
        assert listener.counters.rejected_too_many_recipients == 6
    assert [r.agent for r in receiver.messages[1][0].recipients] == ["a@agents.test", "b@agents.test"]


async def test_endless_deferrals_count_as_errors() -> None:
    async with listening(MemoryReceiver(), deferrals=5, errors=2) as listener, connect(listener) as client:
        await client.greet()
        await client.ask(b"MAIL FROM:<>")
        await client.send(b"RCPT TO:<down@agents.test>\r\n" * 20)
        assert [reply[:3] for reply in await client.rest()] == ["451"] * 8 + ["421"]


async def test_a_peer_that_does_not_read_is_dropped() -> None:
    limits = {"command_seconds": 0.3, "linger_seconds": 0.2, "idle_commands": 10**9}
    async with listening(MemoryReceiver(), **limits) as listener:
        host, port = listener.addresses[0]
        reader, writer = await asyncio.open_connection(host, port, limit=1)
        assert reader
        assert isinstance(writer.transport, asyncio.Transport)
        writer.transport.pause_reading()
        # A long reply to a short command fills the socket's buffers soon.
        flood = asyncio.create_task(_flood(writer, b"EHLO x\r\n" * 1000))
        await until(lambda: listener.counters.connections_open == 1)
        await until(lambda: listener.counters.connections_open == 0)
        assert listener.counters.timeouts == 1
        flood.cancel()
        writer.transport.abort()


async def _flood(writer: asyncio.StreamWriter, octets: bytes) -> None:
    with contextlib.suppress(ConnectionError):
        while True:
            writer.write(octets)
            await writer.drain()


async def test_commands_are_read_no_faster_than_they_are_worked_on() -> None:
    receiver = MemoryReceiver()
    receiver.gate.clear()
    async with listening(receiver) as listener, connect(listener) as client:
        await client.greet()
        await client.begin()
        await client.send(b"x\r\n.\r\n")
        await receiver.entered.wait()
        client.writer.write(b"NOOP " + b"x" * 50_000_000)
        [session] = listener._sessions
        await until(lambda: not session._wire.is_reading())
        assert len(session.input.buffer) < 1_000_000
        receiver.gate.set()
        assert await client.reply() == "250 2.0.0 queued as q1"
        client.writer.transport.abort()
