"""The end of a submission, attempted or cancelled: its final status and its events."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from e2a_core.clock import from_micros, rfc3339
from e2a_core.contract.states import Delivery
from e2a_core.core import Core
from e2a_core.messages import lifecycle, payloads
from e2a_core.messages.events import emit
from e2a_core.messages.rows import MessageRow
from e2a_core.store.statement import Row, Statement
from e2a_core.submission import queries
from e2a_core.submission.outcome import FailureKind, Outcome, RecipientOutcome

__all__ = [
    "CALLED_OFF",
    "Conclusion",
    "INBOX_TRASHED",
    "SUPPRESSED",
    "TRASHED",
    "UNKNOWN",
    "call_off",
    "cancel_statements",
    "conclude",
    "ended",
    "failure_reason",
    "stored_outcome",
    "take_up",
]

CALLED_OFF = "called off: it is in the trash and will not be sent"
SUPPRESSED = "on the suppression list"
UNKNOWN = (
    "the relay took the message and its answer was lost; it may have been delivered and is not sent again"
)
_ACCEPTED = frozenset({"submission.upstream_accepted", "submission.local_loopback_accepted"})
TRASHED = "moved to the trash before it was submitted"
INBOX_TRASHED = "its inbox was moved to the trash before it was submitted"


@dataclass(frozen=True, slots=True)
class Conclusion:
    """The final status of a message, the reason if a recipient did not get it, and the events to emit."""

    status: Delivery
    detail: str | None
    events: list[Statement]


def conclude(
    core: Core,
    row: MessageRow,
    outcomes: Sequence[RecipientOutcome],
    now: int,
    ledger: Sequence[Statement] = (),
) -> Conclusion:
    """Derives the end of a submission from the outcomes of all recipients. Does not change `row`.

    If only some recipients got the message, its status is sent, the detail names the others, and both `email.sent` and
    `email.failed` are emitted. Each tells those rows of the attempt's `ledger` that are about its recipients.
    """
    missed = [item for item in outcomes if item.outcome is not Outcome.SUCCEEDED]
    delivered = len(missed) < len(outcomes)
    known = not any(item.outcome is Outcome.UNKNOWN for item in missed)
    failed = not delivered or any(item.outcome is Outcome.FAILED for item in missed)
    detail = _detail(missed, everybody=len(missed) == len(outcomes)) or None
    events = emit(core, "email.sent", row, payloads.sent(row, _accepting(ledger)), now) if delivered else []
    if failed:
        code = _failure_code(missed)
        _, _, retryable = lifecycle.REASONS[code]
        # Sending it again would deliver a second copy to those who have it or may have it.
        retryable = retryable and known and not delivered
        data = payloads.failed(row, detail or "not accepted", code, _refusing(ledger), retryable=retryable)
        events += emit(core, "email.failed", row, data, now)
    return Conclusion(Delivery.SENT if delivered else Delivery.FAILED, detail, events)


def cancel_statements(core: Core, row: MessageRow, detail: str, now: int) -> list[Statement]:
    """Marks `row` failed because of `detail`. Returns the statements that store it and emit the event, to be put at
    the end of a write."""
    row.submission.move(Delivery.FAILED)
    row.submission.delivery_detail = detail
    ledger = lifecycle.record(
        core.ids,
        row,
        "submission.cancelled",
        now,
        dedupe=cancellation(row.deleted_at),
        evidence={"failure_reason": detail},
    )
    data = payloads.failed(row, detail, "submission.cancelled", [ledger], retryable=False)
    return [
        queries.move_delivery(row.id, Delivery.FAILED, delivery_detail=detail, **ended(row)),
        queries.fail_pending(row.id, detail, now),
        ledger,
        *emit(core, "email.failed", row, data, now),
    ]


def _accepting(ledger: Sequence[Statement]) -> list[Statement]:
    return [item for item in ledger if item.params.get("reason_code") in _ACCEPTED]


def _refusing(ledger: Sequence[Statement]) -> list[Statement]:
    return [item for item in ledger if item.params.get("reason_code") not in _ACCEPTED]


def ended(row: MessageRow) -> dict[str, Any]:
    """The columns of a submission that ended: no claim, and no draft, unless a reviewer decided on it."""
    return {"claimed_at": None, **({} if row.hold.exists else {"draft": None})}


def cancellation(trashed_at: int | None) -> str:
    """The ledger's dedupe key: a message is called off once each time it is moved to the trash."""
    return "submission:cancelled" if trashed_at is None else f"{lifecycle.CALLED_OFF_KEY}{trashed_at}"


def call_off(core: Core, row: MessageRow, trashed_at: int) -> list[Statement]:
    """Records that a message that waits was moved to the trash, and will not leave unless it is restored in time."""
    due = row.submission.scheduled_at
    detail = CALLED_OFF
    if due is not None and due > trashed_at:
        detail = f"{CALLED_OFF}, unless it is restored before {rfc3339(from_micros(due))}"
    return [
        queries.set_delivery(row.id, delivery_detail=detail),
        lifecycle.record(
            core.ids,
            row,
            "submission.cancelled",
            trashed_at,
            dedupe=cancellation(trashed_at),
            evidence={"failure_reason": detail},
        ),
    ]


def take_up(core: Core, row: MessageRow, now: int) -> list[Statement]:
    """Records that a message was restored in time, and leaves as it was to."""
    return [
        queries.set_delivery(row.id, delivery_detail=None),
        lifecycle.record(
            core.ids,
            row,
            "queue.outbound_submission",
            now,
            dedupe=f"queue:restored:{now}",
            evidence=lifecycle.schedule(row.submission.scheduled_at, now),
        ),
    ]


def stored_outcome(row: Row) -> RecipientOutcome:
    """The final outcome that an earlier attempt stored for a recipient; must not be called for a pending one."""
    outcome = Outcome(row["outcome"])
    kind = None
    if outcome is Outcome.FAILED:
        kind = FailureKind.CANCELLED if row["detail"] == SUPPRESSED else FailureKind.PERMANENT
    return RecipientOutcome(row["address"], outcome, row["code"], row["enhanced"], row["detail"] or "", kind)


def failure_reason(item: RecipientOutcome) -> str:
    """The ledger's reason code for a recipient whose submission failed for good."""
    if item.kind is FailureKind.CANCELLED:
        return "submission.cancelled"
    permanent = item.outcome is Outcome.FAILED and item.kind is not None
    return "submission.provider_rejected" if permanent else "submission.local_retries_exhausted"


def _detail(missed: Sequence[RecipientOutcome], *, everybody: bool) -> str:
    """The reasons, each with its recipients; without recipients if one reason applies to everybody."""
    reasons: dict[str, list[str]] = {}
    for item in missed:
        detail = UNKNOWN if item.outcome is Outcome.UNKNOWN else item.detail or "not accepted"
        reasons.setdefault(detail, []).append(item.address)
    if everybody and len(reasons) == 1:
        return next(iter(reasons))
    return "; ".join(f"{', '.join(addresses)}: {detail}" for detail, addresses in sorted(reasons.items()))


def _failure_code(missed: Iterable[RecipientOutcome]) -> str:
    reasons = [failure_reason(item) for item in missed]
    reasons.sort(key=lambda reason: reason == "submission.cancelled")
    return reasons[0] if reasons else "submission.local_retries_exhausted"
