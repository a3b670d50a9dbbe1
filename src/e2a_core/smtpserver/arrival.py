"""One inbound message on its way into inboxes, whichever door it came through."""

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
    """What is known of who wrote the message.

    `verified` means that SPF or DKIM passed for the Author Domain, or that the author is an agent of this
    deployment which handed the message over itself. `agent` is that agent's address when the author is one.
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
    """The message with everything established about it before it meets an inbox.

    `content` is what is stored, `content_hash` its SHA-256 in hex, `trace` the header block handed on above it.
    `conversation_id` is set only when this deployment itself proved it. `dedupe_key` makes a repeated delivery of
    the same message recognisable.
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
        """One recipient per inbox: two addresses of one inbox are one copy."""
        return list({item.agent: item for item in reversed(recipients)}.values())[::-1]
