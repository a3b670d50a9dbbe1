"""The end of a submission, whether it was tried or called off: the final status, and the events that tell of it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from e2a_core.contract.states import Delivery
from e2a_core.core import Core
from e2a_core.messages import lifecycle, payloads
from e2a_core.messages.events import emit
from e2a_core.messages.rows import MessageRow
from e2a_core.store.statement import Row, Statement
from e2a_core.submission import queries
from e2a_core.submission.outcome import FailureKind, Outcome, RecipientOutcome

__all__ = [
    "Conclusion",
    "INBOX_TRASHED",
    "SUPPRESSED",
    "TRASHED",
    "UNKNOWN",
    "cancel_statements",
    "conclude",
    "failure_reason",
    "stored_outcome",
]

SUPPRESSED = "on the suppression list"
UNKNOWN = (
    "the relay took the message and its answer was lost; it may have been delivered and is not sent again"
)
TRASHED = "moved to the trash before it was submitted"
INBOX_TRASHED = "its inbox was moved to the trash before it was submitted"


@dataclass(frozen=True, slots=True)
class Conclusion:
    """The final status of a message, why if not everybody got it, and the events that tell of it."""

    status: Delivery
    detail: str | None
    events: list[Statement]


def conclude(core: Core, row: MessageRow, outcomes: Sequence[RecipientOutcome], now: int) -> Conclusion:
    """The end of a submission by the outcomes of all its recipients; `row` stays as it is.

    A message that only some of them got has failed, and both is told: it was sent, and to whom it was not.
    """
    missed = [item for item in outcomes if item.outcome is not Outcome.SUCCEEDED]
    delivered = len(missed) < len(outcomes)
    known = not any(item.outcome is Outcome.UNKNOWN for item in missed)
    failed = not delivered or any(item.outcome is Outcome.FAILED for item in missed)
    detail = _detail(missed, everybody=len(missed) == len(outcomes)) or None
    events = emit(core, "email.sent", row, payloads.sent(row), now) if delivered else []
    if failed:
        code = _failure_code(missed)
        _, _, retryable = lifecycle.REASONS[code]
        # Sending it again would reach those who have it, or may have it, a second time.
        retryable = retryable and known and not delivered
        data = payloads.failed(row, detail or "not accepted", code, retryable=retryable)
        events += emit(core, "email.failed", row, data, now)
    return Conclusion(Delivery.FAILED if failed else Delivery.SENT, detail, events)


def cancel_statements(core: Core, row: MessageRow, detail: str, now: int) -> list[Statement]:
    """Makes `row` failed because of `detail`; returns what stores and tells that, for the end of a write."""
    row.submission.move(Delivery.FAILED)
    row.submission.delivery_detail = detail
    data = payloads.failed(row, detail, "submission.cancelled", retryable=False)
    return [
        queries.move_delivery(row.id, Delivery.FAILED, delivery_detail=detail, claimed_at=None),
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


def stored_outcome(row: Row) -> RecipientOutcome:
    """The outcome that an earlier attempt had for a recipient; what it left to be tried again is not among them."""
    outcome = Outcome(row["outcome"])
    kind = None
    if outcome is Outcome.FAILED:
        kind = FailureKind.CANCELLED if row["detail"] == SUPPRESSED else FailureKind.PERMANENT
    return RecipientOutcome(row["address"], outcome, row["code"], row["enhanced"], row["detail"] or "", kind)


def failure_reason(item: RecipientOutcome) -> str:
    """The ledger's code for a recipient that finally did not get the message."""
    if item.kind is FailureKind.CANCELLED:
        return "submission.cancelled"
    permanent = item.outcome is Outcome.FAILED and item.kind is not None
    return "submission.provider_rejected" if permanent else "submission.local_retries_exhausted"


def _detail(missed: Sequence[RecipientOutcome], *, everybody: bool) -> str:
    """Why, and for whom unless it is the same for all."""
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
