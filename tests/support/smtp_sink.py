"""A capturing SMTP server on loopback that can be told how to misbehave.

    async with SmtpSink() as sink:
        sink.script.rcpt["nobody@example.org"] = "550 5.1.1 no such user"
        ... submit to sink.host, sink.port ...
        (message,) = await sink.wait_for(1)

It runs in the event loop of its user and needs no test framework.
"""

from __future__ import annotations

import asyncio
import ipaddress
import ssl
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Literal, Self, cast

from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

__all__ = ["CapturedMessage", "Script", "SmtpSink"]

HOST = "127.0.0.1"
TlsMode = Literal["none", "starttls", "implicit"]
DropPoint = Literal["never", "connect", "mail", "rcpt", "data", "content", "reply"]


@dataclass(frozen=True, slots=True)
class CapturedMessage:
    """One accepted message as it arrived; `login` is the authenticated user's name."""

    mail_from: str
    recipients: tuple[str, ...]
    content: bytes
    mail_options: tuple[str, ...]
    ehlo: str
    tls: bool
    login: str | None


@dataclass
class Script:
    """What to answer instead of 250, and where to break the connection.

    `drop` points: `connect` before the banner, `mail`, `rcpt` and `data` instead of a reply to that command,
    `content` after a first piece of the message, `reply` when all of the message is in. `hang` leaves the last
    reply out and the connection open.
    """

    mail: str | None = None
    rcpt: dict[str, str] = field(default_factory=dict)
    data: str | None = None
    final: str = "250 2.0.0 Ok <captured@sink.example>"
    drop: DropPoint = "never"
    hang: bool = False


class SmtpSink:
    """The server; `messages` are those whose final reply was positive or was never given."""

    def __init__(
        self,
        *,
        tls: TlsMode = "none",
        credentials: tuple[str, str] | None = None,
        auth_in_clear: bool = False,
        hide: frozenset[str] = frozenset(),
        size_limit: int = 30_000_000,
    ) -> None:
        self.host = HOST
        self.port = 0
        self.script = Script()
        self.messages: list[CapturedMessage] = []
        self.connections = 0
        self.open_connections = 0
        self.commands: list[str] = []
        self.tls = tls
        self.credentials = credentials
        self.auth_in_clear = auth_in_clear
        self.hide = hide
        self.size_limit = size_limit
        self.live: set[_Connection] = set()
        self.server_context: ssl.SSLContext | None = None
        self.client_context: ssl.SSLContext | None = None
        if tls != "none":
            self.server_context, self.client_context = _tls_contexts()
        self._changed = asyncio.Event()
        self._server: asyncio.Server | None = None

    async def __aenter__(self) -> Self:
        self._server = await asyncio.get_running_loop().create_server(
            lambda: _Connection(self),
            HOST,
            0,
            ssl=self.server_context if self.tls == "implicit" else None,
        )
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._server is not None:
            self._server.close()
        handlers = [task for connection in list(self.live) if (task := connection.abort())]
        for task in handlers:
            # aiosmtpd does not notice the end of a connection whose TLS handshake failed.
            task.cancel()
        await asyncio.gather(*handlers, return_exceptions=True)

    def drop_connections(self) -> None:
        """Break every open connection, as a relay that restarts does."""
        for connection in list(self.live):
            connection.abort()

    async def wait_for(self, count: int, timeout: float = 10.0) -> list[CapturedMessage]:
        """The messages, as soon as there are `count`."""
        await self.wait_until(lambda: len(self.messages) >= count, timeout)
        return self.messages

    async def wait_until(self, condition: Callable[[], bool], timeout: float = 10.0) -> None:
        """Until `condition` holds, looked at whenever something happens here."""
        async with asyncio.timeout(timeout):
            while not condition():
                await self._changed.wait()

    def happened(self) -> None:
        """Wake whoever waits."""
        woken, self._changed = self._changed, asyncio.Event()
        woken.set()


class _Connection(SMTP):
    """One client's connection, following the script."""

    def __init__(self, sink: SmtpSink) -> None:
        super().__init__(
            _Handler(sink),
            hostname="sink.example",
            ident="sink",
            data_size_limit=sink.size_limit,
            enable_SMTPUTF8="SMTPUTF8" not in sink.hide,
            tls_context=sink.server_context if sink.tls == "starttls" else None,
            auth_require_tls=not sink.auth_in_clear and sink.tls != "implicit",
            auth_exclude_mechanism=() if sink.credentials else ("LOGIN", "PLAIN"),
            authenticator=_authenticator(sink.credentials),
            loop=asyncio.get_running_loop(),
        )
        self._sink = sink
        self._counted = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        if not self._counted:
            self._counted = True
            self._sink.connections += 1
            self._sink.open_connections += 1
            self._sink.live.add(self)
            self._sink.happened()
        super().connection_made(transport)
        if self._sink.script.drop == "connect":
            self.abort()

    def connection_lost(self, error: Exception | None) -> None:
        if self in self._sink.live:
            self._sink.live.discard(self)
            self._sink.open_connections -= 1
            self._sink.happened()
        super().connection_lost(error)

    def abort(self) -> asyncio.Task[None] | None:
        if self.transport is not None:
            cast("asyncio.WriteTransport", self.transport).abort()
        task: asyncio.Task[None] | None = self._handler_coroutine
        return task

    async def smtp_EHLO(self, hostname: str) -> None:
        self._sink.commands.append(f"EHLO {hostname}")
        await super().smtp_EHLO(hostname)

    async def smtp_MAIL(self, arg: str) -> None:
        self._sink.commands.append(f"MAIL {arg}")
        if self._sink.script.drop == "mail":
            self.abort()
        else:
            await super().smtp_MAIL(arg)

    async def smtp_RCPT(self, arg: str) -> None:
        self._sink.commands.append(f"RCPT {arg}")
        if self._sink.script.drop == "rcpt":
            self.abort()
        else:
            await super().smtp_RCPT(arg)

    async def smtp_RSET(self, arg: str) -> None:
        self._sink.commands.append("RSET")
        await super().smtp_RSET(arg)

    async def smtp_QUIT(self, arg: str) -> None:
        self._sink.commands.append("QUIT")
        self._sink.happened()
        await super().smtp_QUIT(arg)

    async def smtp_DATA(self, arg: str) -> None:
        self._sink.commands.append("DATA")
        script = self._sink.script
        if script.data is not None:
            await self.push(script.data)
        elif script.drop == "data":
            self.abort()
        elif script.drop == "content":
            await self.push("354 go ahead")
            await self._reader.read(1)
            self.abort()
        else:
            await super().smtp_DATA(arg)


class _Handler:
    def __init__(self, sink: SmtpSink) -> None:
        self._sink = sink

    async def handle_EHLO(
        self, server: SMTP, session: Session, envelope: Envelope, hostname: str, responses: list[str]
    ) -> list[str]:
        session.host_name = hostname
        kept = [line for line in responses[:-1] if line[4:].split(" ")[0] not in self._sink.hide]
        return [*kept, responses[-1]]

    async def handle_MAIL(
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        if self._sink.script.mail is not None:
            return self._sink.script.mail
        # aiosmtpd takes an empty reverse-path for a missing MAIL command.
        envelope.mail_from = address or "<>"
        envelope.mail_options.extend(options)
        return "250 2.1.0 Ok"

    async def handle_RCPT(
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        reply = self._sink.script.rcpt.get(address, "250 2.1.5 Ok")
        if reply.startswith("2"):
            envelope.rcpt_tos.append(address)
        return reply

    async def handle_DATA(self, server: Any, session: Session, envelope: Envelope) -> str:
        script = self._sink.script
        reply = script.final
        if reply.startswith("2") or script.drop == "reply" or script.hang:
            self._sink.messages.append(_captured(server, session, envelope))
            self._sink.happened()
        if script.drop == "reply":
            server.abort()
        if script.hang:
            await asyncio.Event().wait()
        return reply


def _captured(server: SMTP, session: Session, envelope: Envelope) -> CapturedMessage:
    content, transport = envelope.original_content, server.transport
    assert content is not None
    sender = envelope.mail_from or ""
    return CapturedMessage(
        mail_from="" if sender == "<>" else sender,
        recipients=tuple(envelope.rcpt_tos),
        content=content,
        mail_options=tuple(envelope.mail_options),
        ehlo=session.host_name or "",
        tls=transport is not None and transport.get_extra_info("sslcontext") is not None,
        login=session.auth_data.decode() if session.auth_data else None,
    )


def _authenticator(credentials: tuple[str, str] | None) -> Any:
    def authenticate(
        server: SMTP, session: Session, envelope: Envelope, mechanism: str, data: LoginPassword
    ) -> AuthResult:
        given = data.login.decode(), data.password.decode()
        return AuthResult(success=given == credentials, handled=False, auth_data=data.login)

    return authenticate


def _tls_contexts() -> tuple[ssl.SSLContext, ssl.SSLContext]:
    """A server context with a fresh certificate for loopback, and a client context that trusts only it."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "sink.example")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(
            x509.SubjectAlternativeName(
                [x509.IPAddress(ipaddress.ip_address(HOST)), x509.DNSName("localhost")]
            ),
            critical=False,
        )
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    certificate_pem = certificate.public_bytes(serialization.Encoding.PEM)
    key_pem = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "sink.pem")
        path.write_bytes(certificate_pem + key_pem)
        server.load_cert_chain(path)
    client = ssl.create_default_context(cadata=certificate_pem.decode("ascii"))
    return server, client
