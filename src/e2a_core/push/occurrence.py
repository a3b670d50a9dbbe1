"""What a subscriber is told of an event: who and what it is about, never what a message says.

All texts come from senders and other servers. They are data, cut short, with whatever hides in them written out.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from e2a_core.contract.base import json_text
from e2a_core.contract.occurrences import OccurrenceKind
from e2a_core.contract.principal import Principal
from e2a_core.push.catalogue import DESCRIPTIONS, Happening, input_schema, is_verified, sender_of
from e2a_core.visible import one_line, written_out

__all__ = ["MAX_PAYLOAD_OCTETS", "PAYLOAD_SCHEMA", "described_kinds", "payload"]

MAX_PAYLOAD_OCTETS = 4096
"""A host may put events into the context of a model unasked."""
MAX_ADDRESS_CHARS = 320
"""A local part and a domain (RFC 5321 section 4.5.3.1)."""
MAX_TEXT_CHARS = 300
MAX_RECIPIENTS = 5

_PLAIN = ("message_id", "agent_email", "direction", "message_type", "method", "reason_code", "bounce_type")
_TIMES = ("received_at", "approval_expires_at")
_ADDRESSES = ("delivered_to", "verified_domain")
_TEXTS = ("subject", "reason", "smtp_detail", "auto_submitted", "tag")
_FLAGS = ("retryable", "edited", "auto_resolved")
_SPARED_LAST = ("to", "smtp_detail", "reason", "tag", "subject")
"""Left out in this order while the payload is too long."""


def payload(event: Happening) -> dict[str, Any]:
    """Returns the `data` of an occurrence, at most `MAX_PAYLOAD_OCTETS` of JSON; `truncated` says if some was cut."""
    data, cuts = event.data, _Cuts()
    found: dict[str, Any] = {name: data[name] for name in (*_PLAIN, *_TIMES) if data.get(name)}
    if conversation := event.conversation_id or data.get("conversation_id"):
        found["conversation_id"] = conversation
    if sender := sender_of(event):
        found["from"] = cuts.address(sender)
    found |= {name: cuts.address(data[name]) for name in _ADDRESSES if data.get(name)}
    if recipients := data.get("to"):
        found |= {
            "to": [cuts.address(item) for item in recipients[:MAX_RECIPIENTS]],
            "recipients": len(recipients),
        }
        cuts.made |= len(recipients) > MAX_RECIPIENTS
    found |= {name: cuts.text(data[name]) for name in _TEXTS if data.get(name)}
    found |= {name: bool(data[name]) for name in _FLAGS if name in data}
    if data.get("direction") == "inbound" and "authentication" in data:
        found["verified"] = is_verified(data)
    if attachments := data.get("attachments"):
        found["attachments"] = len(attachments)
    for name in _SPARED_LAST:
        if len(json_text(found)) <= MAX_PAYLOAD_OCTETS - len(b',"truncated":true'):
            break
        cuts.made |= found.pop(name, None) is not None
    return {**found, "truncated": True} if cuts.made else found


class _Cuts:
    """Shortens texts and remembers whether any was too long."""

    def __init__(self) -> None:
        self.made = False

    def address(self, value: object) -> str:
        return self._short(value, MAX_ADDRESS_CHARS, written_out)

    def text(self, value: object) -> str:
        return self._short(value, MAX_TEXT_CHARS, one_line)

    def _short(self, value: object, most: int, shown: Callable[[str], str]) -> str:
        # Cut before and after: what is written out can be longer than what it stands for.
        given = str(value)
        text = shown(given[:most])
        self.made |= len(given) > most or len(text) > most
        return text[:most]


def _schema() -> dict[str, Any]:
    texts = (*_PLAIN, *_TIMES, *_ADDRESSES, *_TEXTS, "conversation_id", "from")
    properties: dict[str, Any] = {name: {"type": "string"} for name in texts}
    properties |= {name: {"type": "boolean"} for name in (*_FLAGS, "verified", "truncated")}
    properties |= {name: {"type": "integer"} for name in ("attachments", "recipients")}
    properties["to"] = {"type": "array", "items": {"type": "string"}}
    return {"type": "object", "properties": properties, "required": ["message_id", "agent_email"]}


PAYLOAD_SCHEMA: Mapping[str, Any] = _schema()
"""The JSON Schema of `payload`, the same for all events."""


def described_kinds(principal: Principal, delivery: tuple[str, ...]) -> list[OccurrenceKind]:
    """Returns all events as the caller may follow them, with the ways of `delivery`."""
    arguments, data = input_schema(principal), dict(PAYLOAD_SCHEMA)
    return [OccurrenceKind(name, text, delivery, arguments, data) for name, text in DESCRIPTIONS.items()]
