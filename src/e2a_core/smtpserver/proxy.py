"""The PROXY protocol, versions 1 and 2, believed from trusted peers only.

A trusted peer may send the header or not; an untrusted one that sends it is answered like anyone who sends
nonsense, so nobody outside can choose the address SPF is evaluated for.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

from aiosmtpd.proxy_protocol import V2_CMD, V2_SIGNATURE, get_proxy

from e2a_core.errors import SettingsError

__all__ = [
    "MalformedHeader",
    "ProxiedAddress",
    "TrustedProxies",
    "canonical_address",
    "decode_header",
    "header_octets",
]

_V1_SIGNATURE = b"PROXY "
# "108 bytes are enough to store all the line and a trailing zero", says the protocol of version 1.
_V1_OCTETS = 107
_V2_FIXED_OCTETS = 16
# Addresses take 216 at most, the rest are TLVs nobody here reads; the protocol would allow 65535.
_V2_REST_OCTETS = 4096


class MalformedHeader(Exception):
    """Begins like a PROXY header and is none."""


@dataclass(frozen=True, slots=True)
class ProxiedAddress:
    """What a header says about the client. `local` means the connection is the proxy's own, as health checks are.

    `ip` is None when the client has no IP address, which is not the same: nothing is known about it then.
    """

    ip: str | None
    port: int | None
    local: bool = False


class TrustedProxies:
    """The networks whose PROXY header is believed.

    Raises SettingsError for what is no network in CIDR notation, and for a zero-length prefix, which would let
    anybody name any address.
    """

    def __init__(self, cidrs: Iterable[str] = ()) -> None:
        self._networks = [_parse_network(cidr) for cidr in cidrs]

    def __contains__(self, address: str) -> bool:
        if not self._networks:
            return False
        try:
            ip = _unmap(ip_address(address))
        except ValueError:
            return False
        return any(ip in network for network in self._networks)


def canonical_address(address: str) -> str:
    """`address` as SPF and counters want it: without a zone, and IPv4 as IPv4 though a dual-stack socket took it."""
    try:
        return str(_unmap(ip_address(address.partition("%")[0])))
    except ValueError:
        return address


def header_octets(start: bytes | bytearray) -> int | None:
    """How long the header is that a connection begins with: 0 for none, None while `start` is too short to tell.

    Raises MalformedHeader for one longer than its version allows.
    """
    if start.startswith(V2_SIGNATURE):
        if len(start) < _V2_FIXED_OCTETS:
            return None
        rest = int.from_bytes(start[14:16], "big")
        if rest > _V2_REST_OCTETS:
            raise MalformedHeader("header too long")
        whole = _V2_FIXED_OCTETS + rest
        return whole if len(start) >= whole else None
    if start.startswith(_V1_SIGNATURE):
        end = start.find(b"\r\n", 0, _V1_OCTETS) + 2
        if end >= 2:
            return end
        if len(start) >= _V1_OCTETS:
            raise MalformedHeader("header too long")
        return None
    begun = bytes(start)
    return None if V2_SIGNATURE.startswith(begun) or _V1_SIGNATURE.startswith(begun) else 0


async def decode_header(header: bytes) -> ProxiedAddress:
    """What a whole header says; raises MalformedHeader."""
    reader = asyncio.StreamReader()
    reader.feed_data(header)
    reader.feed_eof()
    data = await get_proxy(reader)
    if not data:
        raise MalformedHeader(data.error)
    if data.command == V2_CMD.LOCAL:
        return ProxiedAddress(None, None, local=True)
    if isinstance(data.src_addr, IPv4Address | IPv6Address):
        return ProxiedAddress(str(_unmap(data.src_addr)), data.src_port)
    return ProxiedAddress(None, None)


def _parse_network(cidr: str) -> IPv4Network | IPv6Network:
    try:
        network = ip_network(cidr.strip())
    except ValueError as error:
        raise SettingsError(f"trusted proxy range {cidr!r} is not a network in CIDR notation") from error
    if network.prefixlen == 0:
        raise SettingsError(f"trusted proxy range {cidr!r} would trust everybody")
    return network


def _unmap(ip: IPv4Address | IPv6Address) -> IPv4Address | IPv6Address:
    return ip.ipv4_mapped or ip if isinstance(ip, IPv6Address) else ip
