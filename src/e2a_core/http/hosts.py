"""The hosts that a request may name: the defence against DNS rebinding, for every route but the probes.

A page of a browser can have its own name resolve to this machine. Its requests then name that host.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable
from functools import lru_cache
from urllib.parse import urlsplit

from starlette.types import Scope

__all__ = ["HostNames", "host_of"]

_LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})


@lru_cache(maxsize=64)
def host_of(authority: str) -> str | None:
    """Returns the host in a `Host` header, without port or IPv6 brackets (RFC 9110 section 7.2), or None.

    Nearly all requests name one of a few, so that the latest are remembered.
    """
    try:
        parts = urlsplit(f"//{authority}")
        # Raises ValueError for a port that is not a number.
        _ = parts.port
    except ValueError:
        return None
    if parts.path or parts.query or parts.fragment or "@" in authority:
        return None
    return parts.hostname


class HostNames:
    """The loopback names, the listener's own host, the host of the public URL, and `hosts`."""

    def __init__(self, *, listener_host: str, public_url: str, hosts: Iterable[str]) -> None:
        public = urlsplit(public_url).hostname if public_url else None
        names = {host_of(host) or host.lower() for host in hosts}
        self.names = _LOOPBACK | {listener_host.lower()} | names | ({public} if public else set())

    def allows(self, host: str | None) -> bool:
        return host is not None and host_of(host) in self.names

    def allows_request(self, scope: Scope) -> bool:
        """Returns True if the one `Host` of a request is allowed, or is the IP address that it was sent to."""
        given = [value.decode("latin-1") for name, value in scope["headers"] if name == b"host"]
        if len(given) != 1:
            return False
        return self.allows(given[0]) or _is_address(host_of(given[0]), scope.get("server"))


def _is_address(host: str | None, server: tuple[str, int | None] | None) -> bool:
    if host is None or server is None:
        return False
    try:
        return ipaddress.ip_address(host) == ipaddress.ip_address(server[0])
    except ValueError:
        return False
