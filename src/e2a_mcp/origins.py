"""Which hosts and origins `/mcp` answers: the defence against DNS rebinding that the transport asks for."""

from __future__ import annotations

from collections.abc import Iterable
from urllib.parse import urlsplit

__all__ = ["HostPolicy"]

_LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})


def _host_of(authority: str) -> str | None:
    """The host of a `Host` header without its port, an IPv6 address without its brackets (RFC 9110 7.2)."""
    try:
        parts = urlsplit(f"//{authority}")
        # Reading the port checks it.
        _ = parts.port
    except ValueError:
        return None
    if parts.path or parts.query or parts.fragment or "@" in authority:
        return None
    return parts.hostname


class HostPolicy:
    """The hosts a request may name, and the origins a browser may send it from.

    Allowed are the loopback names, the listener's own host, that of the public URL and those listed. An origin is
    allowed when it is listed or when its host is allowed.
    """

    def __init__(
        self, *, listener_host: str, public_url: str, hosts: Iterable[str], origins: Iterable[str]
    ) -> None:
        public = urlsplit(public_url).hostname if public_url else None
        names = {_host_of(host) or host.lower() for host in hosts}
        self._hosts = _LOOPBACK | {listener_host.lower()} | names | ({public} if public else set())
        self.origins = frozenset(origin.rstrip("/").lower() for origin in origins)

    def allows_host(self, host: str | None) -> bool:
        return host is not None and _host_of(host) in self._hosts

    def allows_origin(self, origin: str | None) -> bool:
        """A request without `Origin` does not come from a browser's page."""
        if origin is None:
            return True
        if origin.lower() in self.origins:
            return True
        parts = urlsplit(origin)
        return parts.scheme in {"http", "https"} and _host_of(parts.netloc) in self._hosts
