"""One SMTP connection to the upstream relay: opening it, and mail transactions over it (RFC 5321).

The library's `sendmail` does not report whether the message was complete when a connection broke. That decides between
a retry and an unknown outcome, so the transaction is driven command by command here.
"""

from __future__ import annotations

import asyncio
import re
import ssl
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import cast

import aiosmtplib
from aiosmtplib.errors import SMTPException, SMTPResponseException
from aiosmtplib.protocol import SMTPProtocol
from aiosmtplib.response import SMTPResponse

from e2a_core.submission.outcome import (
    FailureKind,
    RecipientOutcome,
    classify_reply,
    failed,
    succeeded,
    unknown,
)
from e2a_core.submission.transports.base import BeforeContent
from e2a_core.submission.transports.config import Timeouts, UpstreamConfig

__all__ = ["RelayUnavailable", "SmtpSession", "Transaction"]

_CHUNK = 64 * 1024
"""Octets written at a time, so that a large message is not copied into the connection's buffer at once."""
_BARE_CR_OR_LF = re.compile(rb"\r(?!\n)|(?<!\r)\n")
_UNSENDABLE_ADDRESS = re.compile(r"[\x00-\x20<>\x7f\ud800-\udfff]")
_LOST = (SMTPException, OSError, TimeoutError)


class RelayUnavailable(Exception):
    """The relay cannot be reached, or TLS or authentication failed. `code` is its reply code, if any."""

    def __init__(self, message: str, code: int | None = None) -> None:
        super().__init__(message)
        self.code = code


@dataclass(frozen=True, slots=True)
class Transaction:
    """The result of one mail transaction; `reply` is the text of the reply that accepted the message.

    `may_repeat` is True if the relay disconnected before DATA, so that nothing was submitted and the transaction can be
    repeated on another connection at once.
    """

    outcomes: tuple[RecipientOutcome, ...]
    reply: str = ""
    may_repeat: bool = False


class _Ledger:
    """The recipients of one transaction; each gets its outcome once."""

    def __init__(self, recipients: Sequence[str]) -> None:
        self._outcomes: dict[str, RecipientOutcome | None] = dict.fromkeys(recipients)

    @property
    def open(self) -> list[str]:
        return [address for address, outcome in self._outcomes.items() if outcome is None]

    @property
    def outcomes(self) -> tuple[RecipientOutcome, ...]:
        return tuple(outcome for outcome in self._outcomes.values() if outcome is not None)

    def settle(self, outcomes: Iterable[RecipientOutcome]) -> None:
        self._outcomes.update((outcome.address, outcome) for outcome in outcomes)

    def refuse(self, addresses: Iterable[str], reply: SMTPResponse) -> None:
        self.settle(failed(addresses, classify_reply(reply.code), reply.message, reply.code))


class SmtpSession:
    """An open, secured and authenticated connection, ready for a mail transaction."""

    def __init__(self, smtp: aiosmtplib.SMTP, protocol: SMTPProtocol, timeouts: Timeouts) -> None:
        self._smtp = smtp
        self._protocol = protocol
        self._timeouts = timeouts
        # The writer is used only for its flow control (`drain`), which the protocol supports.
        transport = cast("asyncio.WriteTransport", protocol.transport)
        self._writer = asyncio.StreamWriter(transport, protocol, None, asyncio.get_running_loop())

    @classmethod
    async def open(cls, config: UpstreamConfig) -> SmtpSession:
        """Connects, greets, starts TLS and authenticates. Raises `RelayUnavailable` with the reason."""
        smtp = aiosmtplib.SMTP(
            hostname=config.host,
            port=config.port,
            local_hostname=config.ehlo_name,
            timeout=config.timeouts.connect,
            use_tls=config.port in config.implicit_tls_ports,
            start_tls=False,
            tls_context=config.tls_context,
        )
        try:
            await smtp.connect()
            await smtp.ehlo()
            await _secure(smtp, config)
            await _log_in(smtp, config)
            if smtp.protocol is None:
                raise RelayUnavailable("the relay disconnected after the greeting")
            return cls(smtp, smtp.protocol, config.timeouts)
        except SMTPResponseException as error:
            smtp.close()
            # The library uses the code -1 for an answer that is not an SMTP reply.
            code = error.code if error.code >= 200 else None
            raise RelayUnavailable(f"the relay answered {error.code} {error.message}", code) from error
        except (*_LOST, ValueError) as error:
            smtp.close()
            raise RelayUnavailable(f"the relay cannot be used: {_reason(error)}") from error
        except BaseException:
            smtp.close()
            raise

    @property
    def is_open(self) -> bool:
        return self._smtp.is_connected

    async def is_alive(self) -> bool:
        """Sends RSET, which ends any open transaction; returns True if the relay accepts it."""
        try:
            return (await self._command(b"RSET", timeout=self._timeouts.connect)).code == 250
        except _LOST:
            return False

    async def close(self) -> None:
        """Sends QUIT if the connection is open, then closes it."""
        try:
            if self.is_open:
                await self._command(b"QUIT", timeout=self._timeouts.quit)
        except _LOST:
            pass
        finally:
            self.abort()

    def abort(self) -> None:
        """Closes the connection without QUIT."""
        self._writer.close()
        self._smtp.close()

    async def send(
        self,
        envelope_from: str,
        recipients: Sequence[str],
        content: bytes,
        before_content: BeforeContent | None = None,
    ) -> Transaction:
        """Performs one mail transaction. Failures of the relay or network are outcomes, not exceptions.

        Closes the session if the relay's state is in doubt. Exceptions of `before_content` propagate.
        """
        ledger = _Ledger(recipients)
        self._set_aside_unsendable(ledger, envelope_from, content)
        if not ledger.open:
            return Transaction(ledger.outcomes)
        try:
            if not await self._envelope(ledger, envelope_from, content):
                return Transaction(ledger.outcomes, may_repeat=not self.is_open)
        except _LOST as error:
            self.abort()
            detail = f"the connection broke before the message was sent: {error}"
            ledger.settle(failed(ledger.open, FailureKind.OUTAGE, detail))
            return Transaction(ledger.outcomes, may_repeat=True)
        reply = await self._transfer(ledger, content, before_content)
        return Transaction(ledger.outcomes, reply)

    def _set_aside_unsendable(self, ledger: _Ledger, envelope_from: str, content: bytes) -> None:
        """Fails recipients or messages that this relay cannot be offered, with codes of RFC 3463 and RFC 6531."""
        utf8 = self._offers("smtputf8")
        for address in ledger.open:
            if not address or _UNSENDABLE_ADDRESS.search(address):
                reason = "5.1.3 the address is not valid in an SMTP command"
            elif not address.isascii() and not utf8:
                reason = "5.6.7 the relay does not offer SMTPUTF8, which this address needs"
            else:
                continue
            ledger.settle(failed([address], FailureKind.PERMANENT, reason))
        limit = self._smtp.esmtp_extensions.get("size", "")
        if _UNSENDABLE_ADDRESS.search(envelope_from):
            reason = "5.1.7 the envelope sender is not valid in an SMTP command"
        elif _BARE_CR_OR_LF.search(content):
            # RFC 5321 section 2.3.8; a relay that accepts either as a line end could be made to see a second message.
            reason = "5.6.0 the message contains a bare CR or LF"
        elif limit.isdecimal() and 0 < int(limit) < len(content):
            reason = f"5.3.4 the message has {len(content)} octets, the relay accepts {limit}"
        elif not utf8 and not (envelope_from.isascii() and _header_section(content).isascii()):
            reason = "5.6.7 the relay does not offer SMTPUTF8, which this message needs"
        elif not self._offers("8bitmime") and not content.isascii():
            reason = "5.6.3 the relay does not offer 8BITMIME and the message has 8-bit content"
        else:
            return
        ledger.settle(failed(ledger.open, FailureKind.PERMANENT, reason))

    async def _envelope(self, ledger: _Ledger, envelope_from: str, content: bytes) -> bool:
        """Sends MAIL, RCPT for each recipient, and DATA. Returns True if the relay is ready for the message."""
        options = self._mail_options([envelope_from, *ledger.open], content)
        reply = await self._command(b"MAIL", b"FROM:<%s>" % envelope_from.encode(), *options)
        if reply.code != 250:
            ledger.refuse(ledger.open, reply)
            return False
        for address in ledger.open:
            reply = await self._command(b"RCPT", b"TO:<%s>" % address.encode())
            if not 250 <= reply.code <= 259:
                ledger.refuse([address], reply)
        if not ledger.open:
            return False
        reply = await self._command(b"DATA")
        if reply.code != 354:
            ledger.refuse(ledger.open, reply)
        return reply.code == 354

    def _mail_options(self, addresses: Sequence[str], content: bytes) -> list[bytes]:
        options = []
        if self._offers("size"):
            options.append(b"SIZE=%d" % len(content))
        if self._offers("8bitmime") and not content.isascii():
            options.append(b"BODY=8BITMIME")
        if not all(address.isascii() for address in addresses) or not _header_section(content).isascii():
            options.append(b"SMTPUTF8")
        return options

    async def _transfer(self, ledger: _Ledger, content: bytes, before_content: BeforeContent | None) -> str:
        """Sends the message and settles all recipients. Returns the text of the reply that accepted it, or ""."""
        reading = asyncio.create_task(self._protocol.read_response(self._timeouts.final_reply))
        complete = False
        try:
            for chunk in _transparent_chunks(content):
                self._protocol.write(chunk)
                async with asyncio.timeout(self._timeouts.chunk):
                    await self._writer.drain()
                if reading.done():
                    break
            else:
                if before_content is not None:
                    await before_content(ledger.open)
                # From this write on the relay may have the whole message, even if its reply is lost.
                self._protocol.write(b".\r\n")
                complete = True
            reply = await reading
        except _LOST as error:
            self.abort()
            ledger.settle(_lost(ledger.open, error, complete=complete))
            return ""
        except BaseException:
            self.abort()
            raise
        finally:
            reading.cancel()
            await asyncio.gather(reading, return_exceptions=True)
        if not complete:
            self.abort()
        elif 200 <= reply.code <= 299:
            ledger.settle(succeeded(ledger.open, reply.code, reply.message))
            return reply.message
        elif not 400 <= reply.code <= 599:
            self.abort()
            ledger.settle(unknown(ledger.open, f"the relay answered the complete message with {reply.code}"))
        ledger.refuse(ledger.open, reply)
        return ""

    async def _command(self, *parts: bytes, timeout: float | None = None) -> SMTPResponse:
        reply = await self._smtp.execute_command(*parts, timeout=timeout or self._timeouts.command)
        if not 200 <= reply.code <= 599:
            raise SMTPResponseException(reply.code, "the relay does not speak SMTP")
        return reply

    def _offers(self, extension: str) -> bool:
        return self._smtp.supports_extension(extension)


def _lost(open: Sequence[str], error: BaseException, *, complete: bool) -> Sequence[RecipientOutcome]:
    """What became of recipients without an outcome when the connection broke."""
    if complete:
        return unknown(open, f"the reply to the complete message was lost: {error}")
    # Transient, not an outage: content that makes a relay disconnect must not be retried for days.
    return failed(open, FailureKind.TRANSIENT, f"the connection broke within the message: {error}")


def _reason(error: BaseException) -> str:
    """What is wrong, and for a certificate what to do about it."""
    cause: BaseException | None = error
    while cause is not None and not isinstance(cause, ssl.SSLCertVerificationError):
        cause = cause.__cause__ or cause.__context__
    if cause is None:
        return str(error)
    return (
        f"its certificate does not verify ({cause.verify_message}); "
        "E2A_OUTBOUND_SMTP_CA_FILE can name the authority that signed it"
    )


async def _secure(smtp: aiosmtplib.SMTP, config: UpstreamConfig) -> None:
    """Uses STARTTLS if offered (RFC 3207)."""
    if smtp.use_tls:
        return
    if smtp.supports_extension("starttls"):
        await smtp.starttls()
        await smtp.ehlo()
    elif config.require_tls:
        raise RelayUnavailable("TLS is required, but the relay does not offer STARTTLS")


async def _log_in(smtp: aiosmtplib.SMTP, config: UpstreamConfig) -> None:
    if not config.username:
        return
    if smtp.get_transport_info("sslcontext") is None and not config.is_loopback:
        raise RelayUnavailable(
            "the relay does not offer STARTTLS, and credentials are not sent in clear text"
        )
    await smtp.login(config.username, config.password, timeout=config.timeouts.connect)


def _header_section(content: bytes) -> bytes:
    return content[: content.find(b"\r\n\r\n")]


def _transparent_chunks(content: bytes) -> Iterator[bytes]:
    """The message as sent after DATA, with dot-stuffing (RFC 5321 section 4.5.2) and without the final dot."""
    if not content.endswith(b"\r\n"):
        content += b"\r\n"
    if content.startswith(b"."):
        content = b"." + content
    content = content.replace(b"\r\n.", b"\r\n..")
    for start in range(0, len(content), _CHUNK):
        yield content[start : start + _CHUNK]
