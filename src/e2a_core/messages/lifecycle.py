"""The lifecycle ledger: one append-only row for each step in the life of a message.

`REASONS` lists every reason code of the API; the code determines a row's stage, outcome and retryability.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from e2a_core.clock import from_micros, rfc3339
from e2a_core.ids import Ids
from e2a_core.messages.rows import MessageRow, dump_json, load_json
from e2a_core.paging import Position, beyond
from e2a_core.store.statement import Statement, sql

__all__ = ["CALLED_OFF_KEY", "REASONS", "page", "record", "recorded", "schedule", "transitions"]

REASONS: Mapping[str, tuple[str, str, bool]] = {
    "acceptance.inbound_smtp": ("accepted", "accepted", False),
    "acceptance.outbound_api": ("accepted", "accepted", False),
    "acceptance.local_loopback": ("accepted", "accepted", False),
    "authentication.dmarc_pass": ("authentication", "passed", False),
    "authentication.dmarc_fail": ("authentication", "failed", False),
    "authentication.dmarc_none": ("authentication", "indeterminate", False),
    "authentication.dmarc_temporary_error": ("authentication", "indeterminate", True),
    "authentication.dmarc_permanent_error": ("authentication", "indeterminate", False),
    "review.hold_created": ("review", "pending", False),
    "review.approved": ("review", "approved", False),
    "review.rejected": ("review", "rejected", False),
    "review.expired_approved": ("review", "approved", False),
    "review.expired_rejected": ("review", "rejected", False),
    "suppression.recipient_blocked": ("suppression", "blocked", False),
    "suppression.hard_bounce_applied": ("suppression", "applied", False),
    "suppression.complaint_applied": ("suppression", "applied", False),
    "queue.inbound_processing": ("queued", "enqueued", False),
    "queue.outbound_submission": ("queued", "enqueued", False),
    "submission.upstream_accepted": ("submission", "accepted", False),
    "submission.local_loopback_accepted": ("submission", "accepted", False),
    "submission.temporary_failure": ("submission", "deferred", True),
    "submission.provider_rejected": ("submission", "rejected", False),
    "submission.local_retries_exhausted": ("submission", "failed", True),
    "submission.cancelled": ("submission", "failed", False),
    "delivery.recipient_server_accepted": ("delivery", "delivered", False),
    "delivery.temporary_delay": ("delivery", "deferred", True),
    "delivery.permanent_bounce": ("delivery", "bounced", False),
    "delivery.transient_bounce": ("delivery", "bounced", True),
    "delivery.undetermined_bounce": ("delivery", "bounced", False),
    "complaint.recipient_reported": ("complaint", "reported", False),
}

CALLED_OFF_KEY = "submission:cancelled:"
"""How the dedupe key begins of a `submission.cancelled` that is no failure: the message was moved to the trash."""

_ORDER = {reason: place for place, reason in enumerate(REASONS)}
"""The position of each code in `REASONS`, which follows the life of a message. Ids begin with it, so that rows of
the same instant sort in that order."""

_MAX_TEXT = 2048
"""Longest string stored as evidence, in characters; a relay's reply can have any length."""


_RECORD = (
    "INSERT INTO lifecycle (id, message_id, dedupe_key, direction, recipient, stage, outcome, reason_code, "
    "retryable, evidence, correlation_ids, occurred_at) VALUES (:id, :message_id, :dedupe_key, :direction, "
    ":recipient, :stage, :outcome, :reason_code, :retryable, :evidence, :correlation_ids, :occurred_at) "
    "ON CONFLICT (message_id, dedupe_key) DO NOTHING"
)


def record(
    ids: Ids,
    row: MessageRow,
    reason: str,
    now: int,
    *,
    dedupe: str,
    recipient: str | None = None,
    evidence: Mapping[str, Any] | None = None,
    correlation: Mapping[str, str] | None = None,
) -> Statement:
    """Returns the statement that appends one step of a message; a second one with the same `dedupe` has no effect."""
    stage, outcome, retryable = REASONS[reason]
    clipped = {
        key: value[:_MAX_TEXT] if isinstance(value, str) else value for key, value in (evidence or {}).items()
    }
    return sql(
        _RECORD,
        by_key=True,
        id=_identifier(ids, reason),
        message_id=row.id,
        dedupe_key=dedupe,
        direction=row.direction,
        recipient=recipient,
        stage=stage,
        outcome=outcome,
        reason_code=reason,
        retryable=int(retryable),
        evidence=dump_json(clipped),
        correlation_ids=dump_json({key: value for key, value in (correlation or {}).items() if value}),
        occurred_at=now,
    )


def transitions(statements: Iterable[Statement]) -> list[dict[str, Any]]:
    """The rows that a write appends, in the form of the API. Its other statements are passed over."""
    return [as_told(item.params) for item in statements if item.sqlite == _RECORD]


def as_told(row: Mapping[str, Any]) -> dict[str, Any]:
    """A row in the form of the API."""
    recipient = {} if row["recipient"] is None else {"recipient": row["recipient"]}
    return {
        "id": row["id"],
        "message_id": row["message_id"],
        "direction": row["direction"],
        **recipient,
        "stage": row["stage"],
        "outcome": row["outcome"],
        "reason_code": row["reason_code"],
        "retryable": bool(row["retryable"]),
        "evidence": load_json(row["evidence"]),
        "correlation_ids": load_json(row["correlation_ids"]),
        "occurred_at": rfc3339(from_micros(row["occurred_at"])),
        "reconstructed": False,
    }


def schedule(due: int | None, now: int) -> dict[str, str]:
    """The evidence of when a message leaves, in microseconds; none if that is at once."""
    return {"scheduled_at": rfc3339(from_micros(due))} if due is not None and due > now else {}


def _identifier(ids: Ids, reason: str) -> str:
    prefix, _, digits = ids.transition().partition("_")
    return f"{prefix}_{_ORDER[reason]:02x}{digits[2:]}"


def recorded(message_id: str, dedupe: str) -> Statement:
    """Reads the row with this dedupe key, if it exists."""
    return sql(
        "SELECT id FROM lifecycle WHERE message_id = :message AND dedupe_key = :dedupe",
        by_key=True,
        message=message_id,
        dedupe=dedupe,
    )


def page(message_id: str, after: Position | None, limit: int) -> Statement:
    """One page of the message's rows, oldest first."""
    condition, params = beyond(after, "occurred_at", "id", ascending=True)
    return Statement(
        f"SELECT * FROM lifecycle WHERE message_id = :message{condition} ORDER BY occurred_at, id LIMIT :limit",
        {"message": message_id, "limit": limit, **params},
    )
