"""Every column of a message is in each view of it, or is left out on purpose, by name."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import fields, replace
from typing import Any

import pytest

from e2a_core.contract.base import View
from e2a_core.contract.states import Delivery, Direction, Method, Review
from e2a_core.export.views import message_entry
from e2a_core.messages.rows import COLUMNS, SUMMARY_COLUMNS, HoldRow, MessageRow, SubmissionRow
from e2a_core.messages.views import message_view, review_view, summary_view
from e2a_core.reviews import queries as review_queries

BASE: dict[str, Any] = {
    "id": "msg_1",
    "account_id": "usr_1",
    "agent_email": "a@b.example",
    "thread_id": "thr_1",
}
DMARC = {"status": "pass", "domain": "b.example", "aligned_by": []}
EVIDENCE = {"spf": {"status": "none"}, "dkim": [], "dmarc": DMARC}
REASON = {"type": "gate", "code": "sender_gate", "summary": "s"}
CONTENT = b"Subject: x\r\n\r\nText\r\n"

SAMPLES: dict[str, Any] = {
    "id": "msg_2",
    "account_id": "usr_2",
    "agent_email": "c@b.example",
    "direction": Direction.OUTBOUND,
    "thread_id": "thr_2",
    "created_at": 1,
    "type": "reply",
    "status": Review.EXPIRED_APPROVED,
    "hidden": 1,
    "conversation_id": "conv_2",
    "header_from": "x@b.example",
    "from_name": "x",
    "names": [{"address": "x@b.example", "name": "x"}],
    "author_agent": "x@b.example",
    "sender": "x@b.example",
    "envelope_from": "x@b.example",
    "delivered_to": "x@b.example",
    "tag": "x",
    "to_addresses": ["x@b.example"],
    "cc": ["x@b.example"],
    "bcc": ["x@b.example"],
    "reply_to": ["x@b.example"],
    "subject": "x",
    "preview": "x",
    "labels": ["x"],
    "attachments": [{"index": 0, "filename": "x", "content_type": "text/plain", "size_bytes": 1}],
    "email_message_id": "<x@b.example>",
    "provider_message_id": "<x@b.example>",
    "content_hash": "aa",
    "trace": "Received: x\r\n",
    "size_bytes": 1,
    "dedupe_key": "x",
    "authentication": EVIDENCE,
    "auth_headers": {"X-E2A-Auth-Verified": "true"},
    "auto_submitted": {"kind": "auto-replied", "reason": "x"},
    "flagged": 1,
    "flag_reason": "x",
    "hold_reason": REASON,
    "approval_expires_at": 1,
    "reviewed_at": 1,
    "reviewed_by": "x",
    "rejection_reason": "x",
    "edited": 1,
    "draft": {"text": "x", "html": None, "digest": "x"},
    "delivery_status": Delivery.SENT,
    "delivery_detail": "x",
    "sent_as": "relay",
    "return_paths": 1,
    "method": Method.SMTP,
    "scheduled_at": 1,
    "claimed_at": 1,
    "credential_id": "key_1",
    "read_at": 1,
    "answered_at": 1,
    "deleted_at": 1,
}
"""For each column a value that is not its default."""

# What no view has: how the store works, and what is told in other words.
INTERNAL = {"account_id", "hidden", "sender", "dedupe_key", "claimed_at", "credential_id", "return_paths"}
# A list is of one inbox, and has what tells its rows apart; the rest is in the message itself.
DETAIL = {
    "agent_email",
    "bcc",
    "email_message_id",
    "provider_message_id",
    "content_hash",
    "trace",
    "auth_headers",
    "hold_reason",
    "approval_expires_at",
    "reviewed_at",
    "reviewed_by",
    "rejection_reason",
    "edited",
    "draft",
    "method",
}
# Of the review an agent sees its end, not who decided and when. The trace is in the raw content.
NOT_IN_MESSAGE = {"preview", "reviewed_at", "reviewed_by", "edited", "trace"}
# The queue has what a reviewer chooses by; the message in full is in the review.
NOT_IN_QUEUE = DETAIL - {"agent_email", "hold_reason", "approval_expires_at"} | {
    "type",
    "thread_id",
    "author_agent",
    "delivered_to",
    "tag",
    "cc",
    "reply_to",
    "names",
    "preview",
    "labels",
    "attachments",
    "size_bytes",
    "auto_submitted",
    "delivery_status",
    "delivery_detail",
    "sent_as",
    "read_at",
    "answered_at",
    "deleted_at",
}
# The document has no members for these; the content that it carries whole has the headers.
NOT_IN_EXPORT = {
    "from_name",
    "names",
    "thread_id",
    "answered_at",
    "author_agent",
    "tag",
    "preview",
    "content_hash",
    "auth_headers",
    "auto_submitted",
}


def summary(row: MessageRow) -> View:
    stored = row.to_store()
    return summary_view(tuple(stored[name] for name in SUMMARY_COLUMNS))


def queue_entry(row: MessageRow) -> View:
    """From the columns that the queue reads."""
    stored = row.to_store()
    return review_view(MessageRow.from_store({name: stored[name] for name in review_queries.SHOWN}))


VIEWS: dict[str, tuple[Callable[[MessageRow], Iterable[View]], set[str]]] = {
    "summary": (lambda row: [summary(row)], INTERNAL | DETAIL),
    "message": (
        lambda row: [message_view(row, CONTENT, None, for_review=review) for review in (False, True)],
        INTERNAL | NOT_IN_MESSAGE,
    ),
    "queue": (lambda row: [queue_entry(row)], INTERNAL | NOT_IN_QUEUE),
    "export": (
        lambda row: [message_entry(row, content) for content in (None, CONTENT)],
        INTERNAL | NOT_IN_EXPORT,
    ),
}


def rows() -> list[MessageRow]:
    """A received message, a sent one and one that is held: a column may matter to one of them alone."""
    inbound = MessageRow(**BASE, direction=Direction.INBOUND, created_at=0)
    outbound = replace(inbound, direction=Direction.OUTBOUND)
    return [inbound, outbound, replace(inbound, hold=HoldRow(status=Review.PENDING))]


def changed(row: MessageRow, name: str) -> MessageRow:
    for part in ("submission", "hold"):
        values = getattr(row, part)
        if name in {item.name for item in fields(values)}:
            return replace(row, **{part: replace(values, **{name: SAMPLES[name]})})
    return replace(row, **{name: SAMPLES[name]})


def test_every_column_has_a_sample() -> None:
    assert set(SAMPLES) == set(COLUMNS)
    parts = {*fields(MessageRow), *fields(SubmissionRow), *fields(HoldRow)}
    assert {item.name for item in parts} == {*COLUMNS, "seq", "submission", "hold"}


@pytest.mark.parametrize("view", VIEWS)
@pytest.mark.parametrize("name", COLUMNS)
def test_a_column_is_shown_or_excused(view: str, name: str) -> None:
    show, excused = VIEWS[view]
    seen = any([*show(row)] != [*show(changed(row, name))] for row in rows())
    assert seen != (name in excused), f"{name} in {view}"
