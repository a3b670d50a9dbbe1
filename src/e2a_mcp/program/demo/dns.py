"""A DNS server on loopback, over UDP and TCP, for tests, the demonstration and benchmarks.

    zones = {"example.org": {"TXT": ["v=spf1 -all"], "MX": [(10, "mail.example.org")]}}
    with DnsServer(zones) as server:
        resolver = Resolver(server.address, SystemClock())

Values are text as in a zone file, except TXT, which is the text itself (a list or tuple gives several strings of one
record), and MX, which may be a (preference, host) pair. `TIMEOUT` (never answered) or `SERVFAIL` may replace the values
of a type or a whole name. A name that is not in the zones but has names below it exists without data; any other is
NXDOMAIN. Aliases are followed as by a recursive server.
"""

from __future__ import annotations

import socket
import socketserver
import threading
from collections import Counter
from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import Any, Final, Self, TypeAlias

import dns.exception
import dns.flags
import dns.message
import dns.name
import dns.rcode
import dns.rdataclass
import dns.rdatatype
import dns.rrset

__all__ = ["SERVFAIL", "TIMEOUT", "DnsServer", "Zones"]

TIMEOUT: Final = "TIMEOUT"
SERVFAIL: Final = "SERVFAIL"

Zones: TypeAlias = Mapping[str, "Mapping[str, Any] | str"]

_MAX_ALIASES = 12
_BIND_ATTEMPTS = 20
_UDP_PAYLOAD_OCTETS = 1232
_STRING_OCTETS = 255


class DnsServer:
    """Answers from `zones`, which may change while it runs; a context manager for sync and async code."""

    def __init__(self, zones: Zones, *, ttl: int = 300, host: str = "127.0.0.1", port: int = 0) -> None:
        self.ttl = ttl
        self.queries: Counter[tuple[str, str]] = Counter()
        """The number of queries for each (name, type)."""
        self.zones = zones
        self._host = host
        self._requested_port = port
        self._servers: list[socketserver.BaseServer] = []
        self._threads: list[threading.Thread] = []

    @property
    def zones(self) -> Zones:
        return self._zones

    @zones.setter
    def zones(self, zones: Zones) -> None:
        self._zones = {name.lower().rstrip("."): records for name, records in zones.items()}
        ancestors = (
            name.split(".")[index:] for name in self._zones for index in range(1, name.count(".") + 1)
        )
        self._empty_nonterminals = {".".join(labels) for labels in ancestors}

    @property
    def port(self) -> int:
        return int(self._servers[0].server_address[1])  # type: ignore[index]

    @property
    def address(self) -> str:
        """`host:port`, as the setting of the resolver takes it."""
        return f"{self._host}:{self.port}"

    def start(self) -> Self:
        for server in self._bound_pair():
            server.dns = self
            thread = threading.Thread(
                target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True
            )
            thread.start()
            self._servers.append(server)
            self._threads.append(thread)
        return self

    def _bound_pair(self) -> tuple[_UdpServer, _TcpServer]:
        """Returns servers for both transports on one port; if a port is free only for UDP, tries another."""
        for attempt in range(_BIND_ATTEMPTS):
            udp = _UdpServer((self._host, self._requested_port), _UdpHandler)
            try:
                return udp, _TcpServer(udp.server_address[:2], _TcpHandler)
            except OSError:
                udp.server_close()
                if self._requested_port or attempt == _BIND_ATTEMPTS - 1:
                    raise
        raise AssertionError("unreachable")

    def stop(self) -> None:
        for server in self._servers:
            server.shutdown()
            server.server_close()
        for thread in self._threads:
            thread.join(timeout=5)
        self._servers.clear()
        self._threads.clear()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    async def __aenter__(self) -> Self:
        return self.start()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def respond(self, wire: bytes, *, limit: int | None) -> bytes | None:
        """Returns the answer to one query in wire form, or None if it must stay unanswered."""
        try:
            query = dns.message.from_wire(wire)
        except dns.exception.DNSException:
            return None
        if len(query.question) != 1:
            return None
        question = query.question[0]
        response = dns.message.make_response(query, recursion_available=True)
        name = _text(question.name)
        rdtype = dns.rdatatype.to_text(question.rdtype)
        self.queries[name, rdtype] += 1
        if not self._fill(response, question.name, rdtype):
            return None
        encoded = response.to_wire(max_size=65535)
        if limit is not None and len(encoded) > limit:
            response.answer.clear()
            response.flags |= dns.flags.TC
            encoded = response.to_wire()
        return encoded

    def _fill(self, response: dns.message.Message, owner: dns.name.Name, rdtype: str) -> bool:
        for _ in range(_MAX_ALIASES):
            name = _text(owner)
            records = self._zones.get(name)
            if records is None:
                if name not in self._empty_nonterminals:
                    response.set_rcode(dns.rcode.NXDOMAIN)
                return True
            values = records if isinstance(records, str) else records.get(rdtype, ())
            if values == TIMEOUT:
                return False
            if values == SERVFAIL:
                response.set_rcode(dns.rcode.SERVFAIL)
                return True
            if values:
                response.answer.append(self._rrset(owner, rdtype, values))
                return True
            alias = () if isinstance(records, str) else records.get("CNAME", ())
            if not alias:
                return True
            response.answer.append(self._rrset(owner, "CNAME", alias))
            owner = response.answer[-1][0].target
        return True

    def _rrset(self, owner: dns.name.Name, rdtype: str, values: Sequence[Any]) -> dns.rrset.RRset:
        texts = [_rdata_text(rdtype, value) for value in ([values] if isinstance(values, str) else values)]
        return dns.rrset.from_text_list(owner, self.ttl, dns.rdataclass.IN, rdtype, texts)


def _text(name: dns.name.Name) -> str:
    """Returns the name as the zones spell it: lower-case, without escapes or a final dot."""
    return b".".join(name.labels[:-1]).decode("utf-8", "replace").lower()


def _rdata_text(rdtype: str, value: Any) -> str:
    if rdtype == "TXT":
        strings = [value] if isinstance(value, str | bytes) else list(value) or [""]
        return " ".join(_quoted(string) for string in strings)
    if rdtype == "MX":
        preference, host = value if isinstance(value, tuple) else value.split()
        return f"{preference} {_absolute(str(host))}"
    return _absolute(value) if rdtype in {"PTR", "CNAME"} else str(value)


def _quoted(string: str | bytes) -> str:
    octets = string.encode() if isinstance(string, str) else string
    chunks = [octets[at : at + _STRING_OCTETS] for at in range(0, len(octets), _STRING_OCTETS)] or [b""]
    escaped = [
        "".join(chr(o) if 32 <= o < 127 and o not in b'"\\' else f"\\{o:03d}" for o in c) for c in chunks
    ]
    return " ".join(f'"{chunk}"' for chunk in escaped)


def _absolute(name: str) -> str:
    return name if name.endswith(".") else name + "."


class _UdpServer(socketserver.UDPServer):
    dns: DnsServer
    max_packet_size = 65535


class _TcpServer(socketserver.ThreadingTCPServer):
    dns: DnsServer
    allow_reuse_address = True
    daemon_threads = True


class _UdpHandler(socketserver.BaseRequestHandler):
    server: _UdpServer

    def handle(self) -> None:
        wire, sock = self.request
        response = self.server.dns.respond(wire, limit=_UDP_PAYLOAD_OCTETS)
        if response is not None:
            sock.sendto(response, self.client_address)


class _TcpHandler(socketserver.BaseRequestHandler):
    server: _TcpServer

    def handle(self) -> None:
        self.request.settimeout(5)
        try:
            length = int.from_bytes(_receive(self.request, 2), "big")
            response = self.server.dns.respond(_receive(self.request, length), limit=None)
            if response is not None:
                self.request.sendall(len(response).to_bytes(2, "big") + response)
        except OSError:
            return


def _receive(sock: socket.socket, count: int) -> bytes:
    received = b""
    while len(received) < count:
        chunk = sock.recv(count - len(received))
        if not chunk:
            raise ConnectionError("the client went away")
        received += chunk
    return received
