"""The seam between the SMTP dialogue and what accepts mail.

The listener knows SMTP and nothing of agents or stores; a `Receiver` knows those and nothing of SMTP replies. What
a receiver raises is mapped to a reply here and nowhere else:

    RecipientUnknown         550 5.1.1
    RecipientDisabled        550 5.2.1
    QuotaExceeded            552 5.2.2
    LoopDetected             554 5.4.6
    MessageRefused           its own
    errors.StoreUnavailable  451 4.3.0, so the peer keeps the message and tries again
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Protocol

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

# RFC 5321 section 4.5.3.1.5: a reply line has at most 512 octets; the rest is room for codes and CRLF.
_REPLY_TEXT_OCTETS = 480
_ENHANCED_CODE = re.compile(r"[245]\.\d{1,3}\.\d{1,3}")
_UNPRINTABLE = re.compile(r"[^\x20-\x7e]+")


@dataclass(frozen=True, slots=True)
class Peer:
    """The other end of one SMTP session.

    `ip` is None when a trusted proxy vouches for a connection that has no IP address. `helo` is the argument of the
    last EHLO or HELO, as given.
    """

    ip: str | None
    port: int | None
    helo: str | None
    tls: bool
    esmtp: bool


@dataclass(frozen=True, slots=True)
class Recipient:
    """One accepted RCPT: the forward path as given, the agent it reaches, and the tag after `+` if there is one.

    `agent` is empty for an address that only takes reports; who gets them depends on what they are about.
    """

    address: str
    agent: str
    tag: str | None = None


@dataclass(frozen=True, slots=True)
class Envelope:
    """What the dialogue before DATA established.

    `mail_from` is the reverse path without brackets, "" for the null sender. `recipients` is in the order of the RCPT
    commands; two of them may reach the same agent.
    """

    mail_from: str
    recipients: tuple[Recipient, ...]
    smtp_utf8: bool
    peer: Peer


class Receiver(Protocol):
    """Decides about recipients and takes messages over."""

    async def resolve(self, address: str, mail_from: str) -> Recipient:
        """The agent that `address`, a forward path without brackets, reaches for mail from `mail_from`.

        `address` may be `postmaster` without a domain (RFC 5321 section 4.5.1). Raises RecipientUnknown,
        RecipientDisabled, QuotaExceeded or errors.StoreUnavailable.
        """

    async def receive(self, envelope: Envelope, content: bytes) -> str:
        """Take `content` over for all recipients of `envelope`; returns the queue id once that is durable.

        `content` is the message as sent, dot-unstuffed, every line ended by CRLF, without a bare CR or LF. This is
        not cancelled when the peer hangs up, only when a shutdown runs out of grace. Raises LoopDetected,
        MessageRefused or errors.StoreUnavailable, and RecipientUnknown or RecipientDisabled when no recipient is left
        whose agent takes mail.
        """


class IntakeRefusal(Exception):
    """A reply of refusal: `code` and `enhanced` as in RFC 5321 and RFC 3463, `text` for people."""

    code = 550
    enhanced = "5.0.0"
    text = "refused"

    def __init__(self, text: str | None = None) -> None:
        self.text = _UNPRINTABLE.sub(" ", text or self.text)[:_REPLY_TEXT_OCTETS]
        super().__init__(self.text)


class RecipientUnknown(IntakeRefusal):
    """No such mailbox here."""

    code, enhanced, text = 550, "5.1.1", "no such mailbox here"


class RecipientDisabled(IntakeRefusal):
    """The mailbox exists and takes no mail, for instance while it is in the trash."""

    code, enhanced, text = 550, "5.2.1", "mailbox disabled"


class QuotaExceeded(IntakeRefusal):
    """The mailbox owner's quota is used up."""

    code, enhanced, text = 552, "5.2.2", "mailbox quota exceeded"


class LoopDetected(IntakeRefusal):
    """The message has been here, or at too many hosts, before (RFC 5321 section 6.3)."""

    code, enhanced, text = 554, "5.4.6", "mail loop detected"


class MessageRefused(IntakeRefusal):
    """Any other refusal of a whole message; ValueError for codes that are no refusal or contradict each other."""

    def __init__(self, code: int, enhanced: str, text: str) -> None:
        if not 400 <= code <= 599 or not _ENHANCED_CODE.fullmatch(enhanced) or enhanced[0] != str(code)[0]:
            raise ValueError(f"{code} {enhanced} is not a refusal")
        self.code, self.enhanced = code, enhanced
        super().__init__(text)
