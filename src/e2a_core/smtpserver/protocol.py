"""The SMTP dialogue (RFC 5321): commands and their replies."""

from __future__ import annotations

import asyncio
import logging
import re
from dataclasses import replace
from typing import NoReturn

from e2a_core.errors import StoreUnavailable
from e2a_core.smtpserver.connection import HangUp, IntakeContext, SmtpConnection
from e2a_core.smtpserver.data import BareNewline
from e2a_core.smtpserver.paths import MalformedArgument, MalformedPath, PathArgument, parse_path_argument
from e2a_core.smtpserver.reception import DataRefused, IncomingMessage
from e2a_core.smtpserver.session import (
    Envelope,
    IntakeRefusal,
    LoopDetected,
    QuotaExceeded,
    Recipient,
    RecipientDisabled,
    RecipientUnknown,
)
from e2a_core.smtpserver.stream import ConnectionClosed, LineTooLong

__all__ = ["SmtpSession"]

_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_NOT_QUEUE_ID = re.compile(r"[^\x21-\x7e]+")

_CLOSING_VERBS = frozenset({"BDAT", "CONNECT", "DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT"})
"""Verbs of HTTP and BDAT, which is not offered. They end the session, or their payload would be read as commands."""
_PRODUCTIVE_VERBS = frozenset({"RCPT", "DATA", "QUIT"})
"""Commands that do not count as idle."""

_SIZE = re.compile(r"[0-9]{1,20}")
"""At most twenty digits (RFC 1870 section 4)."""
_HELO_OCTETS = 255
"""RFC 5321 section 4.5.3.1.2."""

_COUNTER_OF: dict[type[IntakeRefusal], str] = {
    RecipientUnknown: "rejected_unknown_recipient",
    RecipientDisabled: "rejected_disabled_recipient",
    QuotaExceeded: "rejected_quota",
    LoopDetected: "refused_loop",
}

_TRY_LATER = "451 4.3.0 temporary failure, try again later"
_TOO_BIG = "552 5.3.4 message exceeds the size limit"
_NOT_UTF8 = "553 5.6.7 address requires SMTPUTF8"

_log = logging.getLogger(__name__)


class SmtpSession(SmtpConnection):
    """The session with one client; `smtp_X` handles the command X."""

    def __init__(self, context: IntakeContext, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__(context, loop)
        self._mail_from: str | None = None
        self._recipients: list[Recipient] = []
        self._smtp_utf8 = False
        self._messages = 0
        self._errors = 0
        self._deferrals = 0
        self._idle_commands = 0

    async def converse(self) -> None:
        while True:
            self.busy = False
            self.leave_if_draining()
            try:
                line = await self.read_line()
            except LineTooLong:
                self._refuse("500 5.5.2 command line too long")
                continue
            except BareNewline:
                self._refuse("500 5.5.2 command line not ended by CRLF")
                continue
            self.busy = True
            await self._execute(line)

    async def _execute(self, line: bytes) -> None:
        try:
            text = line.replace(b"\t", b" ").decode()  # Some devices write tabs for blanks.
        except UnicodeDecodeError:
            return self._refuse("500 5.5.2 command is not UTF-8")
        if _CONTROL.search(text):
            return self._refuse("500 5.5.2 command contains control characters")
        verb, _, argument = text.partition(" ")
        verb = verb.upper() if verb.isascii() else ""
        if verb in _CLOSING_VERBS:
            self._expel("502 5.5.1 not offered here")
        if verb not in _PRODUCTIVE_VERBS:
            self._idle_commands += 1
            if self._idle_commands > self.limits.idle_commands:
                self._expel("421 4.7.0 too many commands without a message")
        method = self._smtp_methods.get(verb)
        if method is None:
            return self._refuse("500 5.5.1 command not recognized")
        try:
            await method(argument.strip(" "))
        except (HangUp, ConnectionClosed):
            raise
        except Exception:  # noqa: BLE001 - the top-level handler: after a temporary error the peer keeps the mail
            _log.exception("%s from %s failed", verb, self.peer.ip)
            self.counters.tempfail += 1
            self._refuse(_TRY_LATER)

    # Session

    async def smtp_HELO(self, argument: str) -> None:
        if self._greet(argument, esmtp=False):
            self.reply(f"250 {self.hostname}")

    async def smtp_EHLO(self, argument: str) -> None:
        if not self._greet(argument, esmtp=True):
            return
        lines = [
            self.hostname,
            "PIPELINING",
            f"SIZE {self.limits.message_octets}",
            "8BITMIME",
            "SMTPUTF8",
            "ENHANCEDSTATUSCODES",
            f"LIMITS RCPTMAX={self.limits.recipients}",
        ]
        if self.context.tls is not None and not self.peer.tls:
            lines.append("STARTTLS")
        for line in lines[:-1]:
            self.reply(f"250-{line}")
        self.reply(f"250 {lines[-1]}")

    async def smtp_STARTTLS(self, argument: str) -> None:
        if self.context.tls is None:
            return self._refuse("502 5.5.1 TLS is not offered")
        if self.peer.tls:
            return self._refuse("503 5.5.1 TLS is already active")
        if argument:
            return self._refuse("501 5.5.4 STARTTLS takes no argument")
        self._reset()
        self.reply("220 2.0.0 ready to start TLS")
        await self.start_tls(self.context.tls)

    async def smtp_NOOP(self, argument: str) -> None:
        self.reply("250 2.0.0 OK")

    async def smtp_RSET(self, argument: str) -> None:
        if argument:
            return self._refuse("501 5.5.4 RSET takes no argument")
        self._reset()
        self.reply("250 2.0.0 OK")

    async def smtp_QUIT(self, argument: str) -> None:
        if argument:
            return self._refuse("501 5.5.4 QUIT takes no argument")
        raise HangUp("221 2.0.0 bye")

    async def smtp_VRFY(self, argument: str) -> None:
        # Does not reveal which mailboxes exist (RFC 5321 section 7.3).
        if not argument:
            return self._refuse("501 5.5.4 VRFY needs an address")
        self.reply("252 2.0.0 cannot verify, but will take messages and try")

    async def smtp_HELP(self, argument: str) -> None:
        self.reply("214 2.0.0 RFC 5321; EHLO lists the extensions")

    async def smtp_EXPN(self, argument: str) -> None:
        self._refuse("502 5.5.1 EXPN is not offered")

    async def smtp_AUTH(self, argument: str) -> None:
        self._refuse("502 5.5.1 AUTH is not offered")

    # Transaction

    async def smtp_MAIL(self, argument: str) -> None:
        if self.peer.helo is None:
            return self._refuse("503 5.5.1 say EHLO first")
        if self._mail_from is not None:
            return self._refuse("503 5.5.1 a transaction is already in progress")
        if self._messages >= self.limits.messages_per_connection:
            self._expel("421 4.7.0 too many messages on this connection")
        try:
            path = parse_path_argument("FROM", argument)
        except MalformedPath:
            return self._refuse("501 5.1.7 malformed sender address")
        except MalformedArgument:
            return self._refuse("501 5.5.4 expected MAIL FROM:<address>")
        if path.address and "@" not in path.address:
            return self._refuse("501 5.1.7 sender address without domain")
        if refusal := self._mail_refusal(path):
            return self._refuse(refusal)
        self._mail_from = path.address
        self._smtp_utf8 = "SMTPUTF8" in path.parameters
        self.reply("250 2.1.0 OK")

    def _mail_refusal(self, path: PathArgument) -> str | None:
        if path.parameters and not self.peer.esmtp:
            return "555 5.5.4 parameters need EHLO"
        for name, value in path.parameters.items():
            if name == "SIZE":
                if value is None or not _SIZE.fullmatch(value):
                    return "501 5.5.4 SIZE needs a number"
                if int(value) > self.limits.message_octets:
                    self.counters.refused_size += 1
                    return _TOO_BIG
            elif name == "BODY":
                if value is None or value.upper() not in {"7BIT", "8BITMIME"}:
                    return "501 5.5.4 BODY is 7BIT or 8BITMIME"
            elif name == "SMTPUTF8":
                if value is not None:
                    return "501 5.5.4 SMTPUTF8 takes no value"
            else:
                return "555 5.5.4 unknown MAIL parameter"
        if not path.address.isascii() and "SMTPUTF8" not in path.parameters:
            return _NOT_UTF8
        return None

    async def smtp_RCPT(self, argument: str) -> None:
        if self._mail_from is None:
            return self._refuse("503 5.5.1 say MAIL first")
        try:
            path = parse_path_argument("TO", argument)
        except MalformedPath:
            return self._refuse("501 5.1.3 malformed recipient address")
        except MalformedArgument:
            return self._refuse("501 5.5.4 expected RCPT TO:<address>")
        if not path.address:
            return self._refuse("501 5.1.3 empty recipient address")
        if path.parameters:
            return self._refuse("555 5.5.4 unknown RCPT parameter")
        if not path.address.isascii() and not self._smtp_utf8:
            return self._refuse(_NOT_UTF8)
        if len(self._recipients) >= self.limits.recipients:
            self.counters.rejected_too_many_recipients += 1
            return self._refuse("452 4.5.3 too many recipients")
        try:
            recipient = await self.context.receiver.resolve(path.address, self._mail_from)
        except IntakeRefusal as refusal:
            return self._refuse_for(refusal)
        except StoreUnavailable:
            self.counters.tempfail += 1
            return self._refuse(_TRY_LATER)
        self._recipients.append(recipient)
        self.reply("250 2.1.5 OK")

    async def smtp_DATA(self, argument: str) -> None:
        if self._mail_from is None:
            return self._refuse("503 5.5.1 say MAIL first")
        if not self._recipients:
            return self._refuse("554 5.5.1 no valid recipients")
        if argument:
            return self._refuse("501 5.5.4 DATA takes no argument")
        envelope = Envelope(self._mail_from, tuple(self._recipients), self._smtp_utf8, self.peer)
        self._reset()
        self.reply("354 end with <CRLF>.<CRLF>")
        await self.flush()
        with IncomingMessage(self) as message:
            try:
                content = await message.read()
            except DataRefused as refusal:
                return self._refuse(refusal.reply)
            self.deadline.suspend()
            await self._hand_over(envelope, content)

    async def _hand_over(self, envelope: Envelope, content: bytes) -> None:
        try:
            queue_id = await self.context.receiver.receive(envelope, content)
        except IntakeRefusal as refusal:
            return self._refuse_for(refusal)
        except StoreUnavailable:
            self.counters.tempfail += 1
            return self._refuse(_TRY_LATER)
        self._messages += 1
        self._errors = self._idle_commands = 0
        self.counters.accepted += 1
        self.reply(f"250 2.0.0 queued as {_NOT_QUEUE_ID.sub('', queue_id)}")

    # Helpers

    def _greet(self, argument: str, *, esmtp: bool) -> bool:
        name = argument.partition(" ")[0]
        if not name or not name.isascii() or len(name) > _HELO_OCTETS:
            self._refuse("501 5.5.4 expected a host name or address literal")
            return False
        self._reset()
        self.peer = replace(self.peer, helo=name, esmtp=esmtp)
        return True

    def _reset(self) -> None:
        self._mail_from = None
        self._recipients = []
        self._smtp_utf8 = False

    def _refuse(self, reply: str) -> None:
        """Reply with an error; too many errors end the session, which stops probing."""
        self.reply(reply)
        if reply.startswith("4"):
            self._deferrals += 1
            if self._deferrals <= self.limits.deferrals:
                return
        self._errors += 1
        if self._errors > self.limits.errors:
            self._expel("421 4.7.0 too many errors")

    def _refuse_for(self, refusal: IntakeRefusal) -> None:
        name = _COUNTER_OF.get(type(refusal), "tempfail" if refusal.code < 500 else "refused_message")
        setattr(self.counters, name, getattr(self.counters, name) + 1)
        self._refuse(f"{refusal.code} {refusal.enhanced} {refusal.text}")

    def _expel(self, reply: str) -> NoReturn:
        self.counters.abuse_disconnects += 1
        _log.info("session with %s ended: %s", self.peer.ip, reply)
        raise HangUp(reply)
