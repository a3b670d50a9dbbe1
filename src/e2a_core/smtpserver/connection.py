"""One SMTP connection: admission, input and output, deadlines, STARTTLS and closing.

Uses aiosmtpd for its asyncio protocol, session and envelope, verb table and PROXY parser. Replaces its reader, which
cannot look ahead; its timeout, which closes without a reply; its STARTTLS, by asyncio's public one; and its
cancellation of the handler when the peer disconnects, which would interrupt a store transaction.
"""

from __future__ import annotations

import asyncio
import logging
import ssl
from collections.abc import Callable
from dataclasses import dataclass, replace

from aiosmtpd.smtp import SMTP

from e2a_core.smtpserver.counters import IntakeCounters
from e2a_core.smtpserver.deadline import Deadline
from e2a_core.smtpserver.limits import IntakeLimits
from e2a_core.smtpserver.proxy import (
    MalformedHeader,
    TrustedProxies,
    canonical_address,
    decode_header,
    header_octets,
)
from e2a_core.smtpserver.session import Peer, Receiver
from e2a_core.smtpserver.stream import ConnectionClosed, SessionInput
from e2a_core.smtpserver.throttle import ConnectionThrottle, DataMemory, Verdict

__all__ = ["HangUp", "IntakeContext", "SmtpConnection"]

_SHUTTING_DOWN = "421 4.3.2 shutting down, try again later"
_TIMED_OUT = "421 4.4.2 timed out waiting for input"
_GIVES_WAY = "421 4.4.2 silent for too long while others wait"

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, eq=False)
class IntakeContext:
    """The state shared by all connections of one listener; `opened` and `closed` notify the listener.

    `make_room` ends a silent session, of the given address if there is one; it returns False if there is none.
    """

    receiver: Receiver
    hostname: str
    limits: IntakeLimits
    tls: ssl.SSLContext | None
    proxies: TrustedProxies
    counters: IntakeCounters
    throttle: ConnectionThrottle
    memory: DataMemory
    opened: Callable[[SmtpConnection], None]
    closed: Callable[[SmtpConnection], None]
    make_room: Callable[[str | None], bool]


class HangUp(Exception):
    """Send `reply` and close the connection; further input is discarded.

    With `linger`, a peer that is still sending gets time to read the reply.
    """

    def __init__(self, reply: str, *, linger: bool = True) -> None:
        super().__init__(reply)
        self.reply = reply
        self.linger = linger


class SmtpConnection(SMTP):
    """The connection below the commands; a subclass implements `converse`."""

    def __init__(self, context: IntakeContext, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__(None, hostname=context.hostname, ident="ESMTP e2a", loop=loop)
        self.context = context
        self.limits = context.limits
        self.counters = context.counters
        self.input = SessionInput(loop)
        self.deadline = Deadline(loop, self._time_out)
        self.peer = Peer(None, None, None, tls=False, esmtp=False)
        self.busy = False
        self.silent_since: float | None = None
        self._wire: asyncio.Transport
        self._replies = bytearray()
        self._draining = False
        self._finished = False

    async def converse(self) -> None:
        """Exchange commands and replies until ConnectionClosed or HangUp is raised."""
        raise NotImplementedError

    # Callbacks of asyncio

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._wire = transport
        self.input.attach(transport)
        name = transport.get_extra_info("peername") or ("", 0)
        self.peer = replace(self.peer, ip=canonical_address(str(name[0])) or None, port=int(name[1]))
        super().connection_made(transport)
        self.context.opened(self)

    def data_received(self, data: bytes) -> None:
        self.input.feed(data)

    def eof_received(self) -> bool:
        self.input.feed_eof()
        # A peer that has closed its sending side still waits for replies; TLS cannot be half closed.
        return not self.peer.tls

    def connection_lost(self, error: Exception | None) -> None:
        self.input.feed_eof()
        asyncio.StreamReaderProtocol.connection_lost(self, error)

    def _reset_timeout(self, duration: float | None = None) -> None:
        """Disables the library's timer."""

    # For the listener

    def drain(self) -> None:
        """Close the connection once the command in progress, such as DATA, has its reply."""
        self._draining = True
        if self._finished:
            self._wire.close()
        elif not self.busy:
            self.input.interrupt(HangUp(_SHUTTING_DOWN, linger=False))

    def give_way(self) -> None:
        """Close the connection, which waits for a command."""
        self.silent_since = None
        if not self.input.interrupt(HangUp(_GIVES_WAY, linger=False)):
            self._wire.abort()

    def abort(self) -> None:
        """Drop the connection and cancel the command in progress."""
        self._wire.abort()
        if self._handler_coroutine is not None:
            self._handler_coroutine.cancel()

    # For the commands

    def reply(self, text: str) -> None:
        """Queue one reply line; replies to pipelined commands are sent together (RFC 2920 section 3.2)."""
        self._replies += text.encode("ascii", "replace") + b"\r\n"

    async def push(self, status: str | bytes) -> None:
        self._replies += (status.encode("ascii", "replace") if isinstance(status, str) else status) + b"\r\n"
        await self.flush()

    async def flush(self) -> None:
        """Send the queued replies. Raises ConnectionClosed if the peer has disconnected."""
        if not self._replies:
            return
        self._send()
        self.deadline.set(self.limits.command_seconds)
        try:
            await self._writer.drain()
        except OSError as error:
            raise ConnectionClosed from error

    async def read_line(self) -> bytes:
        """The next command line without CRLF. Raises LineTooLong, BareNewline, ConnectionClosed or HangUp."""
        limit = self.limits.command_octets
        line = self.input.take_line(limit)
        if line is None:
            await self.flush()
            self.deadline.set(self.limits.command_seconds)
            self.silent_since = self.loop.time()
            while (line := self.input.take_line(limit)) is None:
                self.leave_if_draining()
                await self.input.more()
            self.silent_since = None
        self.deadline.suspend()
        return line

    def leave_if_draining(self) -> None:
        if self._draining:
            raise HangUp(_SHUTTING_DOWN)

    async def start_tls(self, context: ssl.SSLContext) -> None:
        """Switch to TLS and discard everything learned from the client before (RFC 3207 section 4.2).

        Pauses reading and drops buffered plaintext first, so that commands an attacker appended to STARTTLS are not
        executed as the client's. Raises ConnectionClosed if the handshake fails.
        """
        await self.flush()
        self._wire.pause_reading()
        self.input.clear()
        self.peer = replace(self.peer, helo=None, tls=True, esmtp=False)
        try:
            await self._writer.start_tls(context, ssl_handshake_timeout=self.limits.handshake_seconds)
        except OSError as error:
            self.counters.tls_failures += 1
            _log.info("TLS handshake with %s failed: %s", self.peer.ip, type(error).__name__)
            self._wire.abort()
            raise ConnectionClosed from error
        self.counters.tls_sessions += 1
        transport = self._writer.transport
        assert isinstance(transport, asyncio.Transport)
        self._wire = transport
        self.input.attach(transport)

    # From greeting to close

    async def _handle_client(self) -> None:
        self.counters.connections += 1
        self.counters.connections_open += 1
        try:
            await self._serve()
        except HangUp as end:
            self.reply(end.reply)
            self._send()
            self._finished = True
            self.deadline.cancel()
            if end.linger:
                await self._linger()
        except ConnectionClosed:
            pass
        finally:
            self._close()
            self.counters.connections_open -= 1
            self.context.closed(self)

    async def _serve(self) -> None:
        throttle = self.context.throttle
        verdict = throttle.enter()
        if verdict is not Verdict.ADMITTED and self.context.make_room(None):
            verdict = throttle.enter(for_another=True)
        if verdict is not Verdict.ADMITTED:
            self._turn_away(verdict)
        try:
            nearest = self.peer.ip or ""
            await self._learn_peer(nearest)
            address = self.peer.ip or nearest
            verdict = throttle.claim(address)
            if verdict is not Verdict.ADMITTED and self.context.make_room(address):
                verdict = throttle.claim(address, for_another=True)
            if verdict is not Verdict.ADMITTED:
                self._turn_away(verdict)
            try:
                self.leave_if_draining()
                self.reply(f"220 {self.hostname} {self.__ident__}")
                await self.converse()
            finally:
                throttle.release(address)
        finally:
            throttle.leave()

    def _turn_away(self, verdict: Verdict) -> None:
        self.counters.connections_refused += 1
        _log.info("connection from %s refused: %s", self.peer.ip, verdict.value)
        # Lingering would let a refused peer occupy a connection.
        raise HangUp(f"421 4.7.0 {verdict.value}, try again later", linger=False)

    async def _learn_peer(self, nearest: str) -> None:
        """Replace the peer's address by the client's if the peer is a trusted proxy and sends a PROXY header."""
        if nearest not in self.context.proxies:
            return
        buffer = self.input.buffer
        try:
            async with asyncio.timeout(self.limits.proxy_header_seconds):
                while (length := header_octets(buffer)) is None:
                    await self.input.more()
            if not length:
                return
            client = await decode_header(bytes(buffer[:length]))
        except TimeoutError:
            if buffer:
                self._distrust(nearest)
            return
        except MalformedHeader:
            self._distrust(nearest)
        del buffer[:length]
        if not client.local:
            self.peer = replace(self.peer, ip=client.ip, port=client.port)

    def _distrust(self, nearest: str) -> None:
        _log.warning("malformed PROXY header from %s", nearest)
        raise ConnectionClosed

    def _time_out(self) -> None:
        self.counters.timeouts += 1
        _log.info("session with %s timed out", self.peer.ip)
        if not self.input.interrupt(HangUp(_TIMED_OUT)):
            # The peer does not read replies, so another one is useless.
            self._wire.abort()

    async def _linger(self) -> None:
        """Wait briefly for the peer to close.

        Closing a socket with unread input sends a reset, which may destroy the last reply before the peer reads it.
        """
        if self._wire.can_write_eof() and not self._wire.is_closing():
            try:
                self._wire.write_eof()
            except OSError:
                # The peer has already disconnected.
                return
            await self.input.discard(self.limits.linger_seconds)

    def _send(self) -> None:
        if not self._wire.is_closing():
            self._wire.write(bytes(self._replies))
        self._replies.clear()

    def _close(self) -> None:
        """Close the connection; abort it after `linger_seconds` if the peer does not read or does not end TLS."""
        self.deadline.cancel()
        if not self._wire.is_closing():
            self._wire.close()
            if self.peer.tls or self._wire.get_write_buffer_size():
                self.loop.call_later(self.limits.linger_seconds, self._wire.abort)
