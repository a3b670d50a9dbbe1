"""The stored form of a message: one row of `messages`, split into the message, its submission and its hold."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from enum import StrEnum
from typing import Any

from e2a_core.contract.states import Delivery, Direction, Method, Review
from e2a_core.json_encoding import compact_json
from e2a_core.messages.state import DELIVERY, REVIEW, ForbiddenTransition, moved
from e2a_core.store.statement import Row

__all__ = [
    "COLUMNS",
    "SUMMARY_COLUMNS",
    "HoldRow",
    "MessageRow",
    "SubmissionRow",
    "dump_json",
    "load_json",
    "proven_domain",
]

SUMMARY_COLUMNS = (
    "id",
    "direction",
    "type",
    "header_from",
    "from_name",
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
    "answered_at",
    "names",
)
"""The columns that message lists show."""

_JSON_LISTS = ("to_addresses", "cc", "bcc", "reply_to", "labels", "attachments", "names")
_JSON_OBJECTS = ("authentication", "auth_headers", "auto_submitted", "hold_reason", "draft")
_JSON_COLUMNS = _JSON_LISTS + _JSON_OBJECTS

_EMPTY: Mapping[type, str] = {list: "[]", dict: "{}"}
"""What most lists and objects of a message are, which need no encoder."""
_decode = json.JSONDecoder().raw_decode
"""Faster than `decode`, which also skips white space that `compact_json` never writes."""


@dataclass(slots=True, kw_only=True)
class SubmissionRow:
    """The submission columns of an outbound message; all empty for an inbound one.

    The message is not submitted before `scheduled_at`; `claimed_at` is when a worker last claimed it. `return_paths` is
    1 once it left with a return path.
    """

    delivery_status: Delivery | None = None
    delivery_detail: str | None = None
    sent_as: str | None = None
    method: Method | None = None
    provider_message_id: str | None = None
    scheduled_at: int | None = None
    claimed_at: int | None = None
    return_paths: int = 0

    def move(self, after: Delivery) -> None:
        """Changes the status. Raises `ForbiddenTransition`, also if the message was never accepted."""
        if self.delivery_status is None:
            raise ForbiddenTransition(f"a message that was not accepted cannot become {after}")
        self.delivery_status = moved(DELIVERY, self.delivery_status, after)


@dataclass(slots=True, kw_only=True)
class HoldRow:
    """The review columns of a message. `hidden` is 1 while the agent may not see it.

    `draft` is the mail to be sent; after the decision it is the mail decided on, without its files. A message that
    waits to leave without a review keeps its draft without the contents of its files, in case it is held then.
    """

    status: Review = Review.SENT
    hidden: int = 0
    hold_reason: dict[str, Any] | None = None
    approval_expires_at: int | None = None
    reviewed_at: int | None = None
    reviewed_by: str | None = None
    rejection_reason: str | None = None
    edited: int | None = None
    draft: dict[str, Any] | None = None

    @property
    def exists(self) -> bool:
        """True if the message is held, or was."""
        return self.status is not Review.SENT or self.reviewed_at is not None

    def decide(self, after: Review) -> None:
        """Ends the hold. Raises `ForbiddenTransition` if it was decided before."""
        self.status = moved(REVIEW, self.status, after)


@dataclass(slots=True, kw_only=True)
class MessageRow:
    """One message of one inbox. Instants are microseconds since the epoch; lists and objects are decoded JSON.

    `from_name` is the display name beside `header_from`, and `names` has those of the other address fields.
    `author_agent` is the agent of this deployment that provably wrote an inbound message. `trace` is the block of
    header fields that this relay adds; a message is delivered or submitted as `trace + content`. `credential_id` is
    the credential it was sent with.
    """

    id: str
    account_id: str
    agent_email: str
    direction: Direction
    thread_id: str
    created_at: int
    seq: int = 0
    type: str = ""
    conversation_id: str = ""
    header_from: str | None = None
    from_name: str = ""
    author_agent: str | None = None
    sender: str = ""
    envelope_from: str | None = None
    delivered_to: str = ""
    tag: str | None = None
    to_addresses: list[str] = field(default_factory=list)
    cc: list[str] = field(default_factory=list)
    bcc: list[str] = field(default_factory=list)
    reply_to: list[str] = field(default_factory=list)
    names: list[dict[str, str]] = field(default_factory=list)
    subject: str = ""
    preview: str = ""
    labels: list[str] = field(default_factory=list)
    attachments: list[dict[str, Any]] = field(default_factory=list)
    email_message_id: str | None = None
    content_hash: str | None = None
    trace: str = ""
    size_bytes: int = 0
    dedupe_key: str | None = None
    authentication: dict[str, Any] | None = None
    auth_headers: dict[str, str] | None = None
    auto_submitted: dict[str, str] | None = None
    flagged: int = 0
    flag_reason: str | None = None
    read_at: int | None = None
    answered_at: int | None = None
    deleted_at: int | None = None
    credential_id: str | None = None
    submission: SubmissionRow = field(default_factory=SubmissionRow)
    hold: HoldRow = field(default_factory=HoldRow)

    @classmethod
    def from_store(cls, row: Row) -> MessageRow:
        """Columns missing from `row` get their defaults."""
        values = dict(row)
        for name in _JSON_COLUMNS:
            if name in values:
                values[name] = load_json(values[name])
        for name, state in _STATE_COLUMNS.items():
            if values.get(name) is not None:
                values[name] = state(values[name])
        submission = {name: values.pop(name) for name in _SUBMISSION_COLUMNS if name in values}
        hold = {name: values.pop(name) for name in _HOLD_COLUMNS if name in values}
        return cls(**values, submission=SubmissionRow(**submission), hold=HoldRow(**hold))

    def to_store(self) -> dict[str, Any]:
        """The column values for an insert, without `seq`, which the store assigns."""
        values: dict[str, Any] = {name: getattr(self, name) for name in _MESSAGE_COLUMNS}
        values |= {name: getattr(self.submission, name) for name in _SUBMISSION_COLUMNS}
        values |= {name: getattr(self.hold, name) for name in _HOLD_COLUMNS}
        for name in _JSON_COLUMNS:
            values[name] = dump_json(values[name])
        return values

    @property
    def inbound(self) -> bool:
        return self.direction is Direction.INBOUND

    @property
    def visible(self) -> bool:
        """True if the agent may see the message."""
        return not self.hold.hidden

    @property
    def verified_domain(self) -> str | None:
        """The Author Domain, or None if DMARC did not pass or the message is only partly signed."""
        return proven_domain(self.authentication)


def proven_domain(authentication: Mapping[str, Any] | None) -> str | None:
    """The Author Domain if DMARC passed for it and nothing that a reader sees is unsigned, otherwise None."""
    found = authentication or {}
    dmarc = found.get("dmarc", {})
    return dmarc.get("domain") if dmarc.get("status") == "pass" and "coverage" not in found else None


_PARTS = ("seq", "submission", "hold")
_MESSAGE_COLUMNS = tuple(item.name for item in fields(MessageRow) if item.name not in _PARTS)
_SUBMISSION_COLUMNS = tuple(item.name for item in fields(SubmissionRow))
_HOLD_COLUMNS = tuple(item.name for item in fields(HoldRow))
_STATE_COLUMNS: dict[str, type[StrEnum]] = {
    "direction": Direction,
    "status": Review,
    "delivery_status": Delivery,
    "method": Method,
}
COLUMNS = (*_MESSAGE_COLUMNS, *_SUBMISSION_COLUMNS, *_HOLD_COLUMNS)
"""The columns that an insert writes."""


def dump_json(value: Any) -> str | None:
    """Returns compact JSON text, or None for None."""
    if value is None:
        return None
    return compact_json(value) if value else _EMPTY.get(type(value)) or compact_json(value)


def load_json(text: str | None) -> Any:
    """Returns the value that `dump_json` wrote."""
    return None if text is None else _decode(text)[0]
