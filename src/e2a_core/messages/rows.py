"""A message as the store keeps it, and the reasons of its lifecycle."""

from __future__ import annotations

import json
from dataclasses import dataclass, field, fields
from typing import Any

from e2a_core.store.statement import Row

__all__ = ["HIDDEN_STATUSES", "SUMMARY_COLUMNS", "MessageRow", "dump_json", "load_json"]

HIDDEN_STATUSES = frozenset({"pending_review", "review_rejected", "review_expired_rejected"})
"""Statuses in which an inbound message does not exist for its agent."""

SUMMARY_COLUMNS = (
    "id",
    "direction",
    "type",
    "header_from",
    "author_agent",
    "envelope_from",
    "authentication",
    "to_addresses",
    "cc",
    "reply_to",
    "delivered_to",
    "subject",
    "preview",
    "read_at",
    "labels",
    "conversation_id",
    "thread_id",
    "created_at",
    "deleted_at",
    "scheduled_at",
    "size_bytes",
    "flagged",
    "flag_reason",
    "delivery_status",
    "delivery_detail",
    "status",
    "sent_as",
    "tag",
    "auto_submitted",
    "attachments",
)
"""What a list shows of a message."""

_JSON_LISTS = ("to_addresses", "cc", "bcc", "reply_to", "labels", "attachments")
_JSON_OBJECTS = ("authentication", "auth_headers", "auto_submitted", "hold_reason", "draft")
_JSON_COLUMNS = _JSON_LISTS + _JSON_OBJECTS

# `json.dumps` with these options would make an encoder for each value.
_encode = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode
# What we wrote has no white space around it to look for.
_decode = json.JSONDecoder().raw_decode


@dataclass(slots=True, kw_only=True)
class MessageRow:
    """One message of one inbox. Instants are microseconds since the epoch; lists and objects are decoded JSON.

    `author_agent` is the agent of this deployment that is proven to have written a received message.
    `trace` is the header block this relay puts on top of the stored content, so what is handed on is
    `trace + content`.
    """

    id: str
    account_id: str
    agent_email: str
    direction: str
    thread_id: str
    created_at: int
    seq: int = 0
    type: str = ""
    status: str = "sent"
    hidden: int = 0
    conversation_id: str = ""
    header_from: str | None = None
    author_agent: str | None = None
    sender: str = ""
    envelope_from: str | None = None
    delivered_to: str = ""
    tag: str | None = None
    to_addresses: list[str] = field(default_factory=list)
    cc: list[str] = field(default_factory=list)
    bcc: list[str] = field(default_factory=list)
    reply_to: list[str] = field(default_factory=list)
    subject: str = ""
    preview: str = ""
    labels: list[str] = field(default_factory=list)
    attachments: list[dict[str, Any]] = field(default_factory=list)
    email_message_id: str | None = None
    provider_message_id: str | None = None
    content_hash: str | None = None
    trace: str = ""
    size_bytes: int = 0
    dedupe_key: str | None = None
    authentication: dict[str, Any] | None = None
    auth_headers: dict[str, str] | None = None
    auto_submitted: dict[str, str] | None = None
    flagged: int = 0
    flag_reason: str | None = None
    hold_reason: dict[str, Any] | None = None
    approval_expires_at: int | None = None
    reviewed_at: int | None = None
    reviewed_by: str | None = None
    rejection_reason: str | None = None
    edited: int | None = None
    draft: dict[str, Any] | None = None
    delivery_status: str | None = None
    delivery_detail: str | None = None
    sent_as: str | None = None
    method: str | None = None
    scheduled_at: int | None = None
    claimed_at: int | None = None
    read_at: int | None = None
    deleted_at: int | None = None

    @classmethod
    def from_store(cls, row: Row) -> MessageRow:
        """Columns that were not read have their defaults."""
        values = dict(row)
        for name in _JSON_COLUMNS:
            if name in values:
                values[name] = load_json(values[name])
        return cls(**values)

    def to_store(self) -> dict[str, Any]:
        """Column values for an insert; `seq` is the store's to give."""
        values: dict[str, Any] = {item.name: getattr(self, item.name) for item in fields(self)}
        del values["seq"]
        for name in _JSON_COLUMNS:
            values[name] = dump_json(values[name])
        return values

    @property
    def inbound(self) -> bool:
        return self.direction == "inbound"

    @property
    def visible(self) -> bool:
        """Whether the agent itself may see it."""
        return not self.hidden

    @property
    def verified_domain(self) -> str | None:
        """The Author Domain if DMARC passed for it, else None."""
        dmarc = (self.authentication or {}).get("dmarc", {})
        return dmarc.get("domain") if dmarc.get("status") == "pass" else None


def dump_json(value: Any) -> str | None:
    """Compact JSON text, or None for None."""
    return None if value is None else _encode(value)


def load_json(text: str | None) -> Any:
    """The value `dump_json` wrote."""
    return None if text is None else _decode(text)[0]
