"""Where a callback may go: its URL, and the addresses its host name may have."""

from __future__ import annotations

import asyncio
import ipaddress
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address
from urllib.parse import SplitResult, urlsplit

from e2a_core.authentication.resolver import DnsFailure, RecordType, TemporaryFailure, Void
from e2a_core.core import Core

__all__ = [
    "MAX_URL_LENGTH",
    "BadTarget",
    "Target",
    "UnreachableTarget",
    "addresses_of",
    "is_public",
    "parse_target",
]

MAX_URL_LENGTH = 2048

LOOPBACK_HINT = "; for http:// of this machine, start the deployment with E2A_PUSH_ALLOW_LOOPBACK=true"

LOOPBACK_NAMES = frozenset({"localhost"})

_NAT64 = (ipaddress.ip_network("64:ff9b::/96"), ipaddress.ip_network("64:ff9b:1::/48"))
"""IPv4 addresses as IPv6 (RFC 6052, RFC 8215): a translator would deliver to the IPv4 network behind it."""

_REFUSED_V4 = tuple(
    ipaddress.ip_network(text) for text in ("192.0.0.0/24", "192.88.99.0/24", "198.18.0.0/15", "240.0.0.0/4")
)
"""Not reachable globally in every version of Python's own table (RFC 6890), or a relay to elsewhere (RFC 7526)."""

_REFUSED_V6 = tuple(
    ipaddress.ip_network(text) for text in ("2001::/23", "2002::/16", "3fff::/20", "5f00::/16")
)
"""Special purposes (RFC 2928, RFC 9637, RFC 9602), and 6to4, which carries an IPv4 address."""


class BadTarget(ValueError):
    """The URL can never be called; the text says what would be right."""


class UnreachableTarget(Exception):
    """The host has no address, or one that must not be called; the text says which."""


@dataclass(frozen=True, slots=True)
class Target:
    """A callback: its URL as given, and the host and port to connect to. `host` is lower-case and ASCII."""

    url: str
    scheme: str
    host: str
    port: int


def parse_target(url: str, *, production: bool, allow_loopback: bool) -> Target:
    """Checks a callback URL without DNS.

    It must be `https`, and name its host. Outside production, with `allow_loopback`, it may be `http` and an address
    of the loopback interface. Raises `BadTarget`.
    """
    if len(url) > MAX_URL_LENGTH:
        raise BadTarget(f"must have at most {MAX_URL_LENGTH} characters")
    if any(ord(character) <= 32 or ord(character) == 127 for character in url):
        raise BadTarget("must not contain spaces or control characters")
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise BadTarget("must be an https:// URL") from None
    if parts.username is not None or parts.password is not None:
        raise BadTarget("must not contain a user name or a password")
    if parts.fragment:
        raise BadTarget("must not have a fragment")
    host = _host(parts)
    local = allow_loopback and not production and _is_loopback(host)
    if parts.scheme != "https" and not (local and parts.scheme == "http"):
        hint = "" if production or allow_loopback or not _is_loopback(host) else LOOPBACK_HINT
        raise BadTarget(f"must be an https:// URL{hint}")
    if not local:
        _require_name(host)
    if port == 0:
        raise BadTarget("must have a port from 1 to 65535")
    return Target(url, parts.scheme, host, port or (443 if parts.scheme == "https" else 80))


async def addresses_of(core: Core, target: Target, *, allow_loopback: bool) -> list[str]:
    """Resolves the host now. Returns its addresses if all of them may be called.

    Raises `UnreachableTarget`: an endpoint with one public and one private address is not called at all.
    """
    found = await _resolved(core, target.host)
    for address in found:
        local = allow_loopback and not core.settings.production and address.is_loopback
        if not local and not is_public(address):
            raise UnreachableTarget("the host has an address that is not public")
    return [str(address) for address in found]


def is_public(address: IPv4Address | IPv6Address) -> bool:
    """Whether a callback may connect to the address: it is a unicast address of the global internet (RFC 6890)."""
    if isinstance(address, IPv6Address):
        if address.ipv4_mapped is not None:
            return is_public(address.ipv4_mapped)
        refused = address.is_site_local or any(address in network for network in (*_NAT64, *_REFUSED_V6))
    else:
        refused = any(address in network for network in _REFUSED_V4)
    return address.is_global and not address.is_multicast and not address.is_reserved and not refused


def _host(parts: SplitResult) -> str:
    host = parts.hostname
    if not host:
        raise BadTarget("must name a host")
    try:
        return host.lower() if host.isascii() else host.encode("idna").decode("ascii").lower()
    except UnicodeError:
        raise BadTarget("must name a host that DNS can have") from None


def _is_loopback(host: str) -> bool:
    address = _literal(host)
    return host in LOOPBACK_NAMES or (address is not None and address.is_loopback)


def _require_name(host: str) -> None:
    """Raises `BadTarget` unless the host is a name with a dot: no address in any spelling, no local name."""
    name = host.rstrip(".")
    labels = name.split(".")
    if _literal(host) is not None or labels[-1].isdigit() or labels[-1].startswith("0x"):
        raise BadTarget("must name its host, not give an address")
    if host in LOOPBACK_NAMES or name.endswith(".localhost") or len(labels) < 2 or not all(labels):
        raise BadTarget("must name a public host")


def _literal(host: str) -> IPv4Address | IPv6Address | None:
    try:
        return ipaddress.ip_address(host)
    except ValueError:
        return None


async def _resolved(core: Core, host: str) -> list[IPv4Address | IPv6Address]:
    if (address := _literal(host)) is not None:
        return [address]
    if host in LOOPBACK_NAMES:
        return [IPv4Address("127.0.0.1")]
    kinds: tuple[RecordType, ...] = ("A", "AAAA")
    answers = await asyncio.gather(*(_lookup(core, host.rstrip("."), kind) for kind in kinds))
    found = [ipaddress.ip_address(text) for answer in answers for text in answer]
    if not found:
        raise UnreachableTarget("the host name has no address")
    return found


async def _lookup(core: Core, name: str, kind: RecordType) -> tuple[str, ...]:
    try:
        return (await core.resolver().lookup(name, kind)).addresses
    except Void:
        return ()
    except TemporaryFailure:
        raise UnreachableTarget("the host name could not be resolved") from None
    except DnsFailure:
        raise UnreachableTarget("the host name cannot be resolved") from None
