"""The connections of the HTTP listener: how many there may be, and how long one may say nothing.

A connection costs a descriptor, which SMTP and the store need too. So a request head has a deadline, an answer has to
be read at some pace, and at a limit the connection that has waited longest for a request gives way to the new one. Only
when all serve a request is the new one refused.
"""

from __future__ import annotations

import asyncio
import math
import re
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from ipaddress import IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Any

from uvicorn.protocols.http.h11_impl import H11Protocol

from e2a_core.http.websocket_connection import WebSocketConnection

__all__ = ["Connection", "ConnectionLimits", "Connections"]

HEAD_SECONDS = 10.0
"""For the head of a request, from the connection or from its first octet on a connection that was used before."""
READING_SECONDS = 20.0
LEAST_READ_OCTETS = 80 * 1024
"""Of an answer that is too long for the kernel's buffers, read in each `READING_SECONDS`: the pace of an old modem."""
_KEY = re.compile(rb"[A-Za-z0-9+/]{22}==")
"""16 octets in base64 (RFC 6455 section 4.1)."""
_REFUSAL = (
    b"HTTP/1.1 503 Service Unavailable\r\nretry-after: 1\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"
)


@dataclass(frozen=True, slots=True)
class ConnectionLimits:
    """Connections in total and of one address; those of `trusted_proxies` count only in total."""

    total: int = 2000
    per_address: int = 500
    trusted_proxies: Sequence[str] = ()


@dataclass(slots=True)
class _Peer:
    """The connections of one address: how many, and those that wait for a request, longest first."""

    connections: int = 0
    waiting: OrderedDict[Connection, None] = field(default_factory=OrderedDict)


class Connections:
    """Admits the connections of one listener."""

    def __init__(self, limits: ConnectionLimits) -> None:
        self._limits = limits
        self._proxies = [ip_network(proxy) for proxy in limits.trusted_proxies]
        self._open: dict[Connection, str] = {}
        self._waiting: OrderedDict[Connection, None] = OrderedDict()
        self._peers: dict[str, _Peer] = {}

    def enter(self, connection: Connection, address: str) -> bool:
        """Counts a connection, which waits for its first request. Returns False if there is no place for it."""
        block = _block(address, self._proxies)
        peer = self._peers.get(block)
        if block and peer is not None and peer.connections >= self._limits.per_address:
            if not self._give_way(peer.waiting):
                return False
        elif len(self._open) >= self._limits.total and not self._give_way(self._waiting):
            return False
        self._open[connection] = block
        self._peers.setdefault(block, _Peer()).connections += 1
        self.waits(connection)
        return True

    def waits(self, connection: Connection) -> None:
        """Notes that the connection waits for a request, from now on unless it did before."""
        if connection in self._open and connection not in self._waiting:
            self._waiting[connection] = None
            self._peers[self._open[connection]].waiting[connection] = None

    def serves(self, connection: Connection) -> None:
        """Notes that the connection has a request under way."""
        if connection in self._waiting:
            del self._waiting[connection]
            del self._peers[self._open[connection]].waiting[connection]

    def leave(self, connection: Connection) -> None:
        """Counts a connection no more; harmless for one that was not counted."""
        if connection not in self._open:
            return
        self.serves(connection)
        block = self._open.pop(connection)
        self._peers[block].connections -= 1
        if not self._peers[block].connections:
            del self._peers[block]

    def _give_way(self, waiting: OrderedDict[Connection, None]) -> bool:
        if not waiting:
            return False
        longest = next(iter(waiting))
        self.leave(longest)
        longest.give_way()
        return True


class Connection(H11Protocol):
    """One connection, which tells `connections` whether it waits or serves."""

    def __init__(
        self, connections: Connections, *, sockets: re.Pattern[str] | None = None, **arguments: Any
    ) -> None:
        super().__init__(**arguments)
        self._connections = connections
        self._sockets = sockets
        self._upgraded = False
        self.ws_protocol_class = partial(WebSocketConnection, partial(connections.leave, self))  # type: ignore[assignment]
        self._deadline: asyncio.TimerHandle | None = None
        self._reading: asyncio.TimerHandle | None = None
        self._unread = 0.0
        self._complete_later = False

    def give_way(self) -> None:
        """Closes the connection at once; what it has not read would keep its descriptor open."""
        if self.transport.get_write_buffer_size():
            self.transport.abort()
        else:
            self.transport.close()

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        if self._connections.enter(self, self.client[0] if self.client else ""):
            self._expect_head()
        else:
            transport.write(_REFUSAL)
            transport.close()

    def data_received(self, data: bytes) -> None:
        if self.transport.is_closing():
            return
        super().data_received(data)
        if self._upgraded:
            return
        if self._is_serving:
            self._connections.serves(self)
            self._forget_deadline()
        elif self._deadline is None and not self._complete_later:
            self._expect_head()

    def handle_websocket_upgrade(self, event: Any) -> None:
        """Hands the connection over; it keeps its place as one that serves until the WebSocket is lost."""
        self._upgraded = True
        self._connections.serves(self)
        self._forget_deadline()
        super().handle_websocket_upgrade(event)

    def _should_upgrade(self) -> bool:
        """Whether this is a WebSocket's handshake (RFC 6455 section 4.2.1), on a path that has one.

        Any other upgrade is ignored (RFC 9110 section 7.8), and the request answered as it would be without.
        """
        path = self._sockets is not None and self._sockets.fullmatch(self.scope["path"])
        if not path or self.scope["method"] != "GET" or self.scope["http_version"] != "1.1":
            return False
        given = {name: value for name, value in self.headers if name.startswith(b"sec-websocket-")}
        upgrade = (self._get_upgrade() or b"").strip()
        return (
            upgrade == b"websocket"
            and given.get(b"sec-websocket-version") == b"13"
            and _KEY.fullmatch(given.get(b"sec-websocket-key", b"").strip()) is not None
        )

    def pause_writing(self) -> None:
        super().pause_writing()
        self._expect_reading()

    def resume_writing(self) -> None:
        super().resume_writing()
        self._unread = math.inf
        if self._complete_later:
            self._complete_later = False
            self.on_response_complete()

    def on_response_complete(self) -> None:
        if self.flow.write_paused:
            # The next request, sent ahead, would hold a place while its answer waits for this one to be read.
            self._complete_later = True
            return
        super().on_response_complete()
        self._expect_reading()
        # A request that was sent ahead may be under way already.
        if not self._is_serving:
            self._connections.waits(self)

    def connection_lost(self, exc: Exception | None) -> None:
        self._forget_deadline()
        if self._reading is not None:
            self._reading.cancel()
        self._connections.leave(self)
        super().connection_lost(exc)

    @property
    def _is_serving(self) -> bool:
        return self.cycle is not None and not self.cycle.response_complete

    def _expect_head(self) -> None:
        self._deadline = self.loop.call_later(HEAD_SECONDS, self.transport.close)

    def _expect_reading(self) -> None:
        unread = self.transport.get_write_buffer_size()
        if self._reading is None and unread:
            self._unread = unread
            self._reading = self.loop.call_later(READING_SECONDS, self._look_what_is_read)

    def _look_what_is_read(self) -> None:
        self._reading = None
        unread = self.transport.get_write_buffer_size()
        if unread and unread > self._unread - LEAST_READ_OCTETS:
            self.transport.abort()
        else:
            self._expect_reading()

    def _forget_deadline(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None


def _block(address: str, proxies: Sequence[IPv4Network | IPv6Network]) -> str:
    """What counts as one address: for IPv6 the /64, the smallest block of one site; "" for a trusted proxy."""
    try:
        ip = ip_address(address)
    except ValueError:
        return address
    if any(ip in proxy for proxy in proxies):
        return ""
    if not isinstance(ip, IPv6Address):
        return address
    return str(ip.ipv4_mapped) if ip.ipv4_mapped else ip.exploded[:19]
