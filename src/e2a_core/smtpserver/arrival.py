"""One inbound message before delivery to inboxes, received over SMTP or from this deployment itself."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from e2a_core.mail.parse import ParsedMessage
from e2a_core.smtpserver.inboxes import Inboxes
from e2a_core.smtpserver.session import Recipient

__all__ = ["Arrival", "Identity"]


@dataclass(frozen=True, slots=True)
class Identity:
    """The author of a message, as far as known.

    `verified` means that SPF or DKIM passed for the Author Domain, or that an agent of this deployment submitted the
    message. `agent` is the author's address if the author is an agent of this deployment.
    """

    sender: str
    verified: bool
    dmarc_pass: bool
    domain_check: str
    agent: str | None = None

    @property
    def entity_type(self) -> str:
        return "agent" if self.agent else "human"


@dataclass(frozen=True, slots=True)
class Arrival:
    """A message and everything known about it before delivery.

    `content` is stored as it is; `content_hash` is its SHA-256 in hex; `trace` is the block of header fields placed
    above it. `conversation_id` is set only if an agent of this deployment set it. `dedupe_key` identifies repeated
    deliveries of the same message; None disables the check.
    """

    content: bytes
    content_hash: str
    trace: str
    parsed: ParsedMessage
    envelope_from: str | None
    identity: Identity
    authentication: dict[str, Any] | None
    accepted_as: str
    inboxes: Inboxes
    conversation_id: str | None = None
    dedupe_key: str | None = None
    message_type: str = ""

    def first_per_agent(self, recipients: Sequence[Recipient]) -> list[Recipient]:
        """The first recipient for each inbox: an inbox gets one copy, even if several recipients reach it."""
        return list({item.agent: item for item in reversed(recipients)}.values())[::-1]
