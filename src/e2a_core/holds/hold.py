"""Putting a message on hold, and recording the reason."""

from __future__ import annotations

from collections.abc import Sequence

from e2a_core.clock import from_micros
from e2a_core.contract.states import Review
from e2a_core.core import Core
from e2a_core.ids import protection_event_id
from e2a_core.messages import payloads
from e2a_core.messages.events import emit
from e2a_core.messages.rows import HoldRow, MessageRow
from e2a_core.screening.disposition import Finding
from e2a_core.store import jobs
from e2a_core.store.statement import Statement, sql

__all__ = ["EXPIRY_JOB", "expiry_job", "hold", "hold_statements", "protection_statement"]

EXPIRY_JOB = "hold_expiry"

_SUMMARIES = {
    "sender_gate": "The sender is not one this inbox accepts without review.",
    "recipient_gate": "A recipient is not one this agent may write to without review.",
    "inbound_scan": "The content of this message looks risky.",
    "outbound_scan": "The content of this draft looks risky.",
    "outbound_send": "Outbound mail of this agent is reviewed before it is sent.",
    "reply_loop": "The agent answered this automatic counterpart too often within an hour.",
}


def hold(row: MessageRow, finding: Finding, ttl_seconds: int, now: int) -> None:
    """Makes `row` a held message; the hold expires `ttl_seconds` from now."""
    row.hold = HoldRow(
        status=Review.PENDING,
        hidden=1 if row.inbound else 0,
        approval_expires_at=now + ttl_seconds * 1_000_000,
        hold_reason={
            "type": finding.source,
            "code": finding.reason,
            "summary": _SUMMARIES.get(finding.reason, finding.detail),
            "detail": finding.detail,
        },
    )


def hold_statements(
    core: Core, row: MessageRow, finding: Finding, now: int, ledger: Sequence[Statement] = ()
) -> list[Statement]:
    """The event, notice job and expiry job of a new hold. They must follow the insert of the message.

    `ledger` are its ledger rows.
    """
    data = payloads.review_requested(row, finding.detail, finding.reason, ledger)
    return [
        *emit(core, "email.review_requested", row, data, now),
        *notice_job(core, row, now),
        expiry_job(core, row.id, row.hold.approval_expires_at or now, now),
    ]


def expiry_job(core: Core, message_id: str, expires_at: int, now: int) -> Statement:
    return jobs.enqueue(
        EXPIRY_JOB,
        {"message_id": message_id},
        run_at=from_micros(expires_at),
        id=core.ids.job(),
        now=from_micros(now),
    )


def protection_statement(row: MessageRow, finding: Finding, now: int) -> Statement:
    """Inserts the audit row of a finding, which is kept when the message is deleted.

    A later finding of the same kind replaces it: mail that was flagged when it was accepted may be held when it
    leaves.
    """
    return sql(
        "INSERT INTO protection_events (id, message_id, agent_email, direction, source, reason, action, "
        "subject_addr, detector, score, categories, created_at) VALUES (:id, :message, :agent, :direction, "
        ":source, :reason, :action, :subject, NULL, NULL, '[]', :now) "
        "ON CONFLICT (id) DO UPDATE SET action = excluded.action, subject_addr = excluded.subject_addr, "
        "created_at = excluded.created_at "
        "WHERE protection_events.action <> excluded.action",
        by_key=True,
        id=protection_event_id(row.id, finding.source, finding.reason, ""),
        message=row.id,
        agent=row.agent_email,
        direction=row.direction,
        source=finding.source,
        reason=finding.reason,
        action=finding.action.word,
        subject=finding.subject_addr,
        now=now,
    )


NOTICE_JOB = "hold_notice"


def notice_job(core: Core, row: MessageRow, now: int) -> list[Statement]:
    """The job that tells the owner of a new hold."""
    at = from_micros(now)
    return [jobs.enqueue(NOTICE_JOB, {"message_id": row.id}, run_at=at, id=core.ids.job(), now=at)]
