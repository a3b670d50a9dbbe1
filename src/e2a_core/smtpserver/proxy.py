"""The PROXY protocol, versions 1 and 2, accepted from trusted proxies only.

For a trusted proxy the header is optional. From any other peer it is an unknown command, so that outsiders cannot
choose the address for which SPF is evaluated.
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
_V1_OCTETS = 107
"""Maximum length of a version 1 header, including CRLF."""
_V2_FIXED_OCTETS = 16
"""Length of the fixed part of a version 2 header."""
_V2_REST_OCTETS = 4096
"""Accepted length of the rest: addresses take up to 216 octets, TLVs are ignored. The protocol allows 65535."""


class MalformedHeader(Exception):
    """The input begins like a PROXY header but is not a valid one."""


@dataclass(frozen=True, slots=True)
class ProxiedAddress:
    """The client's address from a PROXY header.

    `local` means that the connection is the proxy's own, such as a health check. Otherwise `ip` is None if the client
    has no IP address.
    """

    ip: str | None
    port: int | None
    local: bool = False


class TrustedProxies:
    """The networks whose PROXY headers are accepted.

    Raises SettingsError if a range is not a network in CIDR notation, or has a zero-length prefix, which would trust
    every peer.
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
    """`address` without a zone, and with an IPv4-mapped IPv6 address as IPv4, for SPF and counters."""
    try:
        return str(_unmap(ip_address(address.partition("%")[0])))
    except ValueError:
        return address


def header_octets(start: bytes | bytearray) -> int | None:
    """The length of the PROXY header at the start of a connection: 0 without one, None if more input is needed.

    Raises MalformedHeader if the header is too long.
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
    """Decode a complete PROXY header. Raises MalformedHeader if it is invalid."""
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
        raise SettingsError(f"trusted proxy range {cidr!r} would trust every address; give a longer prefix")
    return network


def _unmap(ip: IPv4Address | IPv6Address) -> IPv4Address | IPv6Address:
    return ip.ipv4_mapped or ip if isinstance(ip, IPv6Address) else ip
