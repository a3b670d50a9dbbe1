"""The inbound pipeline over SMTP: resolves recipients, then parses, authenticates and delivers messages."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace

from e2a_core.accounts.limits import refuse_beyond_plan
from e2a_core.agents.lookup import lookup_recipient
from e2a_core.agents.queries import AgentRow
from e2a_core.authentication.evaluate import Authenticator, authentication_results
from e2a_core.authentication.evidence import AuthenticationEvidence
from e2a_core.contract.limits import MAX_CONVERSATION_ID
from e2a_core.core import Core
from e2a_core.errors import LimitExceeded
from e2a_core.mail.addresses import normalize_addr_spec
from e2a_core.mail.automatic import LOOP_HEADER, received_count
from e2a_core.mail.dsn import ComplaintReport, DeliveryReport
from e2a_core.mail.headers import (
    MAX_HEADER_BYTES,
    MAX_HEADER_FIELDS,
    MAX_HEADER_LINES,
    Headers,
    is_header_text,
    parse_headers,
)
from e2a_core.mail.parse import CONVERSATION_HEADER, ParsedMessage, parse_message
from e2a_core.mail.trace import received_header, strip_forged_fields
from e2a_core.smtpserver.arrival import Arrival, Identity
from e2a_core.smtpserver.deliver import Delivery
from e2a_core.smtpserver.inboxes import look_up
from e2a_core.smtpserver.session import (
    Envelope,
    LoopDetected,
    MessageRefused,
    QuotaExceeded,
    Recipient,
    RecipientDisabled,
    RecipientUnknown,
)
from e2a_core.store.statement import first
from e2a_core.submission.addressing import relay_address
from e2a_core.submission.queries import sender_of_relayed
from e2a_core.submission.return_path import find_returned, is_return_path

__all__ = ["SmtpReceiver"]

MAX_RECEIVED = 50
"""Hops allowed. Below the 100 that RFC 5321 section 6.3 suggests, because agents that forward can form loops."""

_HEADER_TOO_BIG = (
    f"the header section may have {MAX_HEADER_BYTES} octets, {MAX_HEADER_FIELDS} fields "
    f"and {MAX_HEADER_LINES} lines"
)
_BY_REPORT = ""
"""Stands for the agent of the relay's own address until the report names the message it is about."""


@dataclass(frozen=True, slots=True)
class _Read:
    """What the octets of a message say: `content` is stored, `content_hash` is its SHA-256 in hex."""

    content: bytes
    content_hash: str
    parsed: ParsedMessage


class SmtpReceiver:
    """Implements `session.Receiver` with the store."""

    def __init__(self, core: Core, authenticator: Authenticator, delivery: Delivery) -> None:
        self._core = core
        self._authenticator = authenticator
        self._delivery = delivery

    async def resolve(self, address: str, mail_from: str) -> Recipient:
        returned = None
        if is_return_path(address):
            # Whatever the sender: some automatic answers to a return path have one, and only this mail provoked them.
            returned = await find_returned(self._core, address)
            if returned is None:
                raise RecipientUnknown
        found = await lookup_recipient(self._core, returned.agent_email if returned else address)
        if found is None:
            if not mail_from and normalize_addr_spec(address) == relay_address(self._core.settings):
                return Recipient(address, _BY_REPORT)
            raise RecipientUnknown
        if found.agent.trashed:
            raise RecipientDisabled
        try:
            await refuse_beyond_plan(self._core, found.agent.account_id)
        except LimitExceeded:
            raise QuotaExceeded from None
        return Recipient(address, found.agent.email, found.tag, returned)

    async def receive(self, envelope: Envelope, content: bytes) -> str:
        hostname = self._core.settings.hostname
        read = await self._core.offload.run(len(content), _read, content, hostname, envelope.mail_from)
        parsed = read.parsed
        envelope = replace(envelope, recipients=await self._routed(envelope.recipients, parsed))
        evidence = await self._authenticator.evaluate(
            ip=envelope.peer.ip,
            mail_from=envelope.mail_from,
            helo=envelope.peer.helo,
            raw=content,
            author_domain=parsed.author.domain if parsed.author else None,
        )
        arrival = await self._arrival(envelope, read, evidence)
        delivered = await self._delivery.deliver(arrival, envelope.recipients)
        refusals = list(delivered.refused.values())
        if len(refusals) == len({item.agent for item in envelope.recipients}):
            raise refusals[0]
        return delivered.ids[0] if delivered.ids else "duplicate"

    async def _routed(
        self, recipients: tuple[Recipient, ...], parsed: ParsedMessage
    ) -> tuple[Recipient, ...]:
        """The recipients, with the relay's own address replaced by the sender of the message that a report is about.

        Drops the relay's address if that sender is unknown. Raises `RecipientUnknown` if no recipient remains.
        """
        if all(item.agent for item in recipients):
            return recipients
        report = parsed.dsn or parsed.complaint
        sender = await self._sender_of(report) if report else ""
        routed = tuple(item if item.agent else replace(item, agent=sender) for item in recipients)
        if not any(item.agent for item in routed):
            raise RecipientUnknown
        return tuple(item for item in routed if item.agent)

    async def _sender_of(self, report: DeliveryReport | ComplaintReport) -> str:
        """The agent that sent the message that the report names, or "" if none did."""
        names = report.candidates if isinstance(report, DeliveryReport) else (report.original_message_id,)
        for name in filter(None, names):
            found = first(await self._core.db.read(sender_of_relayed(name)))
            if found:
                return str(found["agent_email"])
        return ""

    async def _arrival(self, envelope: Envelope, read: _Read, evidence: AuthenticationEvidence) -> Arrival:
        parsed, content_hash = read.parsed, read.content_hash
        dedupe_key = _dedupe_key(envelope, parsed, content_hash)
        author = parsed.author.normalized if parsed.author else None
        inboxes = await look_up(
            self._core,
            parsed,
            envelope.recipients,
            author=author,
            verified=evidence.verified,
            dedupe_key=dedupe_key,
        )
        identity = _identify(envelope, parsed, evidence, inboxes.agents.get(author or ""))
        return Arrival(
            content=read.content,
            content_hash=content_hash,
            trace=self._trace(envelope, evidence),
            parsed=parsed,
            envelope_from=envelope.mail_from or None,
            identity=identity,
            authentication=evidence.to_json(),
            accepted_as="acceptance.inbound_smtp",
            inboxes=inboxes,
            conversation_id=_proven_conversation(parsed, identity, evidence),
            dedupe_key=dedupe_key,
        )

    def _trace(self, envelope: Envelope, evidence: AuthenticationEvidence) -> str:
        hostname, peer = self._core.settings.hostname, envelope.peer
        results = authentication_results(evidence, hostname)
        received = received_header(
            helo=peer.helo or "",
            peer=peer.ip,
            by=hostname,
            protocol=_protocol(envelope),
            queue_id=self._core.ids.new("", 8),
            instant=self._core.clock.now(),
        )
        return f"Authentication-Results: {results}\r\n{received.decode('ascii')}"


def _protocol(envelope: Envelope) -> str:
    """The protocol keyword for Received (RFC 3848; RFC 6531 section 4.3 for SMTPUTF8)."""
    if not envelope.peer.esmtp:
        return "SMTP"
    return ("UTF8SMTP" if envelope.smtp_utf8 else "ESMTP") + ("S" if envelope.peer.tls else "")


def _read(received: bytes, hostname: str, envelope_from: str) -> _Read:
    """Read the octets of a message. Raises `MessageRefused` or `LoopDetected` before it looks at the body."""
    content = strip_forged_fields(received, hostname)
    headers = parse_headers(content)
    if headers.oversized:
        raise MessageRefused(552, "5.3.4", _HEADER_TOO_BIG)
    _refuse_loop(headers)
    parsed = parse_message(content, envelope_from=envelope_from, headers=headers)
    return _Read(content, hashlib.sha256(content).hexdigest(), parsed)


def _refuse_loop(headers: Headers) -> None:
    if LOOP_HEADER in headers:
        raise LoopDetected("this relay sent this message itself")
    if received_count(headers) > MAX_RECEIVED:
        raise LoopDetected(f"the message passed through more than {MAX_RECEIVED} hosts")


def _identify(
    envelope: Envelope, parsed: ParsedMessage, evidence: AuthenticationEvidence, author: AgentRow | None
) -> Identity:
    """The identity of the author; `author` is the agent named in From, if any."""
    proven = author if evidence.verified else None
    return Identity(
        sender=parsed.author.addr_spec if parsed.author else envelope.mail_from,
        verified=evidence.verified,
        dmarc_pass=evidence.dmarc_pass,
        domain_check=evidence.domain_check,
        agent=proven.email if proven and not proven.trashed else None,
    )


def _proven_conversation(
    parsed: ParsedMessage, identity: Identity, evidence: AuthenticationEvidence
) -> str | None:
    """The conversation id in the message, if a verified agent of this deployment wrote it and the id is valid."""
    claimed = parsed.conversation_header
    if CONVERSATION_HEADER.lower() in evidence.unsigned:
        return None
    if identity.agent is None or claimed is None or len(claimed) > MAX_CONVERSATION_ID:
        return None
    return claimed if is_header_text(claimed) else None


def _dedupe_key(envelope: Envelope, parsed: ParsedMessage, content_hash: str) -> str | None:
    """A key that is equal if a server repeats a message because our reply was lost.

    Returns None for a message with neither Message-ID nor Date, which cannot be distinguished from a new message with
    the same text, such as an hourly report of a device. The same report to another return path is another report.
    """
    if parsed.message_id is None and parsed.date is None:
        return None
    about = [
        f"|{it.message_id}|{it.recipient or ''}" for item in envelope.recipients if (it := item.returned)
    ]
    key = f"{envelope.mail_from}|{parsed.message_id}|{content_hash}{''.join(sorted(about))}"
    return hashlib.sha256(key.encode()).hexdigest()
