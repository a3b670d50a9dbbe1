"""The hosts and origins that `/mcp` answers: the defence against DNS rebinding that the MCP transport requires."""

from __future__ import annotations

from collections.abc import Iterable
from urllib.parse import urlsplit

__all__ = ["HostPolicy"]

_LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})


def _host_of(authority: str) -> str | None:
    """Returns the host in a `Host` header, without port or IPv6 brackets (RFC 9110 section 7.2), or None."""
    try:
        parts = urlsplit(f"//{authority}")
        # Raises ValueError for a port that is not a number.
        _ = parts.port
    except ValueError:
        return None
    if parts.path or parts.query or parts.fragment or "@" in authority:
        return None
    return parts.hostname


class HostPolicy:
    """The hosts a request may name, and the origins a browser may send it from.

    Allowed hosts are the loopback names, the listener's own host, the host of the public URL and those in
    `E2A_MCP_ALLOWED_HOSTS`. An origin is allowed if it is in `E2A_MCP_ALLOWED_ORIGINS` or its host is allowed.
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
        """Returns True for an allowed origin, and for None: without `Origin` no page of a browser sent the request."""
        if origin is None:
            return True
        if origin.lower() in self.origins:
            return True
        parts = urlsplit(origin)
        return parts.scheme in {"http", "https"} and _host_of(parts.netloc) in self._hosts
