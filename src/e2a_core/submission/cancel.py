"""Ending a submission that has not begun."""

from __future__ import annotations

from e2a_core.core import Core
from e2a_core.messages import lifecycle, payloads
from e2a_core.messages.events import emit
from e2a_core.messages.rows import MessageRow
from e2a_core.store.statement import Statement
from e2a_core.submission import queries

__all__ = ["INBOX_TRASHED", "TRASHED", "cancel_statements"]

TRASHED = "moved to the trash before it was submitted"
INBOX_TRASHED = "its inbox was moved to the trash before it was submitted"


def cancel_statements(core: Core, row: MessageRow, detail: str, now: int) -> list[Statement]:
    """The message has failed because of `detail`, and that is said; for the end of a write."""
    data = payloads.failed(row, detail, "submission.cancelled", retryable=False)
    return [
        queries.set_delivery(row.id, delivery_status="failed", delivery_detail=detail, claimed_at=None),
        queries.fail_pending(row.id, detail, now),
        lifecycle.record(
            core.ids,
            row.id,
            "outbound",
            "submission.cancelled",
            now,
            dedupe="submission:cancelled",
            evidence={"failure_reason": detail},
        ),
        *emit(core, "email.failed", row, data, now),
    ]
