"""The PROXY protocol: who is believed, and what is made of a header."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from e2a_core.errors import SettingsError
from e2a_core.smtpserver.proxy import (
    MalformedHeader,
    TrustedProxies,
    canonical_address,
    decode_header,
    header_octets,
)
from tests.smtpserver.support import MemoryReceiver, connect, listening
from tests.support.waiting import until

SIGNATURE = b"\r\n\r\n\x00\r\nQUIT\n"
TRUSTED = TrustedProxies(["127.0.0.0/8"])


def v2(command: int, family: int, body: bytes) -> bytes:
    return SIGNATURE + struct.pack("!BBH", 0x20 | command, family, len(body)) + body


V4_BODY = socket.inet_aton("192.0.2.9") + socket.inet_aton("198.51.100.1") + struct.pack("!HH", 4321, 25)
V6_BODY = (
    socket.inet_pton(socket.AF_INET6, "2001:db8::9")
    + socket.inet_pton(socket.AF_INET6, "2001:db8::1")
    + struct.pack("!HH", 4321, 25)
)
TLV = b"\x02\x00\x02mx"


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("header", "ip", "port"),
    [
        (b"PROXY TCP4 192.0.2.9 198.51.100.1 4321 25\r\n", "192.0.2.9", 4321),
        (b"PROXY TCP6 2001:db8::9 2001:db8::1 4321 25\r\n", "2001:db8::9", 4321),
        (b"PROXY TCP6 ::ffff:192.0.2.9 ::1 4321 25\r\n", "192.0.2.9", 4321),
        (b"PROXY UNKNOWN\r\n", None, None),
        (b"PROXY UNKNOWN ffff::1 ffff::2 1 2\r\n", None, None),
        (v2(1, 0x11, V4_BODY), "192.0.2.9", 4321),
        (v2(1, 0x11, V4_BODY + TLV), "192.0.2.9", 4321),
        (v2(1, 0x21, V6_BODY), "2001:db8::9", 4321),
        (v2(1, 0x00, b""), None, None),
        (v2(1, 0x31, b"\0" * 216), None, None),
    ],
)
async def test_a_trusted_peer_speaks_for_the_client(header: bytes, ip: str | None, port: int | None) -> None:
    receiver = MemoryReceiver()
    async with listening(receiver, proxies=TRUSTED) as listener, connect(listener) as client:
        for octet in header:
            client.writer.write(bytes([octet]))
            await asyncio.sleep(0)
        await client.greet()
        await client.begin()
        assert await client.ask(b"x\r\n.") == "250 2.0.0 queued as q1"
    peer = receiver.messages[0][0].peer
    assert (peer.ip, peer.port) == (ip, port)


@pytest.mark.anyio
async def test_a_local_command_leaves_the_address_of_the_proxy() -> None:
    receiver = MemoryReceiver()
    async with listening(receiver, proxies=TRUSTED) as listener, connect(listener) as client:
        await client.send(v2(0, 0x00, b""))
        await client.greet()
        await client.begin()
        assert await client.ask(b"x\r\n.") == "250 2.0.0 queued as q1"
    assert receiver.messages[0][0].peer.ip == "127.0.0.1"


@pytest.mark.anyio
async def test_a_trusted_peer_may_leave_the_header_out() -> None:
    async with listening(MemoryReceiver(), proxies=TRUSTED, proxy_header_seconds=0.1) as listener:
        async with connect(listener) as client:
            await client.greet()
        async with connect(listener) as client:
            await client.send(b"EHLO early.test\r\n")
            assert (await client.reply()).startswith("220 ")
            assert (await client.reply()).startswith("250")


@pytest.mark.anyio
@pytest.mark.parametrize(
    "header",
    [
        b"PROXY TCP4 192.0.2.9 198.51.100.1 4321\r\n",
        b"PROXY TCP4 192.0.2.999 198.51.100.1 4321 25\r\n",
        b"PROXY TCP4 192.0.2.9 198.51.100.1 4321 99999\r\n",
        b"PROXY \r\n",
        b"PROXY " + b"x" * 200,
        b"PROXY TCP4 192.0.2.9",
        v2(1, 0x11, V4_BODY[:5]),
        v2(7, 0x11, V4_BODY),
        SIGNATURE + b"\x31\x11\x00\x0c" + V4_BODY,
        SIGNATURE + b"\x21\x11\xff\xff",
    ],
)
async def test_a_malformed_header_closes_without_a_word(header: bytes) -> None:
    async with listening(MemoryReceiver(), proxies=TRUSTED, proxy_header_seconds=0.2) as listener:
        async with connect(listener) as client:
            await client.send(header)
            with contextlib.suppress(ConnectionResetError):
                assert await client.reader.read() == b""
        await until(lambda: listener.counters.connections_open == 0)


@pytest.mark.anyio
@pytest.mark.parametrize("proxies", [TrustedProxies(), TrustedProxies(["192.0.2.0/24", "2001:db8::/32"])])
async def test_an_untrusted_peer_is_never_believed(proxies: TrustedProxies) -> None:
    receiver = MemoryReceiver()
    async with listening(receiver, proxies=proxies) as listener, connect(listener) as client:
        await client.send(b"PROXY TCP4 192.0.2.9 198.51.100.1 4321 25\r\n")
        assert (await client.reply()).startswith("220 ")
        assert await client.reply() == "500 5.5.1 command not recognized"
        assert (await client.ask(b"EHLO client.test")).startswith("250")
        await client.begin()
        assert await client.ask(b"x\r\n.") == "250 2.0.0 queued as q1"
    assert receiver.messages[0][0].peer.ip == "127.0.0.1"


@pytest.mark.anyio
async def test_clients_behind_a_proxy_are_counted_by_their_own_address() -> None:
    async with (
        listening(MemoryReceiver(), proxies=TRUSTED, connections_per_address=1) as listener,
        connect(listener) as one,
        connect(listener) as two,
        connect(listener) as three,
    ):
        await one.send(b"PROXY TCP4 192.0.2.1 198.51.100.1 1 25\r\n")
        await one.greet()
        await two.send(b"PROXY TCP4 192.0.2.2 198.51.100.1 1 25\r\n")
        await two.greet()
        await three.send(b"PROXY TCP4 192.0.2.1 198.51.100.1 2 25\r\n")
        assert [reply[:9] for reply in await three.rest()] == ["421 4.7.0"]


@pytest.mark.parametrize("cidr", ["0.0.0.0/0", "::/0", "10.0.0.1/8", "nonsense", "", "10.0.0.0/33"])
def test_a_range_that_trusts_everybody_or_is_none_is_refused(cidr: str) -> None:
    with pytest.raises(SettingsError):
        TrustedProxies(["10.0.0.0/8", cidr])


def test_trust_by_range() -> None:
    proxies = TrustedProxies(["10.0.0.0/8", "192.0.2.1", "2001:db8::/32"])
    trusted = ["10.1.2.3", "::ffff:10.1.2.3", "192.0.2.1", "2001:db8::5"]
    assert [address in proxies for address in [*trusted, "192.0.2.2", "::1", "", "nonsense"]] == [
        True
    ] * 4 + [False] * 4


def test_canonical_address() -> None:
    given_addresses = ["::ffff:192.0.2.1", "fe80::1%eth0", "2001:DB8:0::1", "192.0.2.1", ""]
    assert [canonical_address(a) for a in given_addresses] == [
        "192.0.2.1",
        "fe80::1",
        "2001:db8::1",
        "192.0.2.1",
        "",
    ]


@given(
    st.one_of(
        st.binary(max_size=200),
        st.binary(max_size=60).map(lambda b: SIGNATURE + b),
        st.binary(max_size=60).map(lambda b: b"PROXY " + b + b"\r\n"),
        st.text(alphabet="TCP46UNKOW 0123456789.:af", max_size=60).map(lambda t: f"PROXY {t}\r\n".encode()),
    )
)
@settings(max_examples=300, deadline=None)  # fmt: skip
def test_any_octets_are_a_header_or_not(start: bytes) -> None:
    try:
        length = header_octets(start)
        if length:
            asyncio.run(decode_header(start[:length]))
    except MalformedHeader:
        return
    assert length is None or length <= len(start)
