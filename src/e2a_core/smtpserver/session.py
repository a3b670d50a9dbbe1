"""The interface between the SMTP dialogue and the `Receiver` of mail.

The dialogue handles SMTP only; a `Receiver` handles agents and the store. The exceptions of a receiver determine the
reply:

    RecipientUnknown         550 5.1.1
    RecipientDisabled        550 5.2.1
    QuotaExceeded            552 5.2.2
    LoopDetected             554 5.4.6
    MessageRefused           its own code
    errors.StoreUnavailable  451 4.3.0, so that the peer keeps the message and retries
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Protocol

from e2a_core.submission.return_path import Returned

__all__ = [
    "Envelope",
    "IntakeRefusal",
    "LoopDetected",
    "MessageRefused",
    "Peer",
    "QuotaExceeded",
    "Receiver",
    "Recipient",
    "RecipientDisabled",
    "RecipientUnknown",
]

_REPLY_TEXT_OCTETS = 480
"""A reply line has at most 512 octets including codes and CRLF (RFC 5321 section 4.5.3.1.5)."""
_ENHANCED_CODE = re.compile(r"[245]\.\d{1,3}\.\d{1,3}")
_UNPRINTABLE = re.compile(r"[^\x20-\x7e]+")


@dataclass(frozen=True, slots=True)
class Peer:
    """The other end of one SMTP session.

    `ip` is None if a trusted proxy forwards a client without an IP address. `helo` is the argument of the last EHLO
    or HELO, None before the first.
    """

    ip: str | None
    port: int | None
    helo: str | None
    tls: bool
    esmtp: bool


@dataclass(frozen=True, slots=True)
class Recipient:
    """One accepted recipient: the forward path as given, the agent's address, and the tag after `+`.

    `agent` is "" for an address that accepts only reports, which go to the sender of the reported message. `returned`
    is what the message is about if the address is a return path of this deployment.
    """

    address: str
    agent: str
    tag: str | None = None
    returned: Returned | None = None


@dataclass(frozen=True, slots=True)
class Envelope:
    """The envelope of one message.

    `mail_from` is the reverse path without brackets, "" for the null sender. `recipients` are in the order of the
    RCPT commands; several may reach the same agent.
    """

    mail_from: str
    recipients: tuple[Recipient, ...]
    smtp_utf8: bool
    peer: Peer


class Receiver(Protocol):
    """Resolves recipients and accepts messages."""

    async def resolve(self, address: str, mail_from: str) -> Recipient:
        """The recipient for `address`, a forward path without brackets, of mail from `mail_from`.

        `address` may be `postmaster` without a domain (RFC 5321 section 4.5.1). Raises RecipientUnknown,
        RecipientDisabled, QuotaExceeded or errors.StoreUnavailable.
        """

    async def receive(self, envelope: Envelope, content: bytes) -> str:
        """Accept `content` for all recipients of `envelope`; returns the queue id once the message is stored durably.

        `content` is the message without dot stuffing, with CRLF line ends and without bare CR or LF. The call is not
        cancelled if the peer disconnects, only if the grace period of a shutdown ends. Raises LoopDetected,
        MessageRefused or errors.StoreUnavailable, and RecipientUnknown or RecipientDisabled if no recipient's agent
        accepts mail any more.
        """


class IntakeRefusal(Exception):
    """A refusal with its SMTP reply: `code` (RFC 5321), `enhanced` status code (RFC 3463), and `text` for people."""

    code = 550
    enhanced = "5.0.0"
    text = "refused"

    def __init__(self, text: str | None = None) -> None:
        self.text = _UNPRINTABLE.sub(" ", text or self.text)[:_REPLY_TEXT_OCTETS]
        super().__init__(self.text)


class RecipientUnknown(IntakeRefusal):
    """The mailbox does not exist."""

    code, enhanced, text = 550, "5.1.1", "no such mailbox here"


class RecipientDisabled(IntakeRefusal):
    """The mailbox exists but does not accept mail, for example while its agent is in the trash."""

    code, enhanced, text = 550, "5.2.1", "mailbox disabled"


class QuotaExceeded(IntakeRefusal):
    """The quota of the mailbox's account is exhausted."""

    code, enhanced, text = 552, "5.2.2", "mailbox quota exceeded"


class LoopDetected(IntakeRefusal):
    """The message has passed through this relay before, or through too many hosts (RFC 5321 section 6.3)."""

    code, enhanced, text = 554, "5.4.6", "mail loop detected"


class MessageRefused(IntakeRefusal):
    """Any other refusal of a whole message. Raises ValueError if the codes are no refusals or contradict each other."""

    def __init__(self, code: int, enhanced: str, text: str) -> None:
        if not 400 <= code <= 599 or not _ENHANCED_CODE.fullmatch(enhanced) or enhanced[0] != str(code)[0]:
            raise ValueError(f"{code} {enhanced} is not a refusal; give codes of the same class, 4 or 5")
        self.code, self.enhanced = code, enhanced
        super().__init__(text)
