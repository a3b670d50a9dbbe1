"""The hosts and origins that `/mcp` answers: the defence against DNS rebinding that the MCP transport requires."""

from __future__ import annotations

from collections.abc import Iterable
from urllib.parse import urlsplit

from starlette.types import Scope

from e2a_core.http.hosts import HostNames

__all__ = ["HostPolicy"]


class HostPolicy:
    """The hosts a request may name, and the origins a browser may send it from.

    Allowed hosts are the loopback names, the listener's own host, the host of the public URL and those in
    `E2A_MCP_ALLOWED_HOSTS`. An origin is allowed if it is in `E2A_MCP_ALLOWED_ORIGINS` or its host is allowed.
    """

    def __init__(
        self, *, listener_host: str, public_url: str, hosts: Iterable[str], origins: Iterable[str]
    ) -> None:
        self._hosts = HostNames(listener_host=listener_host, public_url=public_url, hosts=hosts)
        self.origins = frozenset(origin.rstrip("/").lower() for origin in origins)

    def allows_request(self, scope: Scope) -> bool:
        """See `HostNames.allows_request`."""
        return self._hosts.allows_request(scope)

    def allows_host(self, host: str | None) -> bool:
        return self._hosts.allows(host)

    def allows_origin(self, origin: str | None) -> bool:
        """Returns True for an allowed origin, and for None: without `Origin` no page of a browser sent the request."""
        if origin is None:
            return True
        if origin.lower() in self.origins:
            return True
        parts = urlsplit(origin)
        return parts.scheme in {"http", "https"} and self._hosts.allows(parts.netloc)
