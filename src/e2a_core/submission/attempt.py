"""One attempt to submit a message: merging the results of its transports, and storing them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from e2a_core.contract.states import Delivery, Method
from e2a_core.core import Core
from e2a_core.messages import lifecycle
from e2a_core.messages import queries as message_queries
from e2a_core.messages.rows import MessageRow
from e2a_core.store.jobs import Job
from e2a_core.store.statement import Statement
from e2a_core.submission import queries
from e2a_core.submission.conclusion import SUPPRESSED, UNKNOWN, failure_reason
from e2a_core.submission.outcome import FailureKind, Outcome, RecipientOutcome, SubmissionResult, failed
from e2a_core.submission.retry import GiveUp
from e2a_core.suppressions.check import Block

__all__ = [
    "NOBODY",
    "attempt_statements",
    "blocked_statements",
    "cancelled",
    "given_up",
    "merged",
    "outcome_statements",
]

NOBODY = "none"
"""The transport of recipients that were not submitted."""


def cancelled(blocks: Mapping[str, Block]) -> list[SubmissionResult]:
    """The result for suppressed recipients, which are not submitted; the others still get the message."""
    outcomes = failed(blocks, FailureKind.CANCELLED, SUPPRESSED)
    return [SubmissionResult(tuple(outcomes), NOBODY)] if outcomes else []


def merged(results: Sequence[SubmissionResult]) -> SubmissionResult:
    """Merges the results of one attempt. The transport is that of the last result, the Message-ID the last known."""
    outcomes = tuple(item for result in results for item in result.outcomes)
    ids = [result.provider_message_id for result in results if result.provider_message_id]
    return replace(results[-1], outcomes=outcomes, provider_message_id=ids[-1] if ids else None)


def given_up(result: SubmissionResult, step: GiveUp) -> SubmissionResult:
    """Makes the failures that will not be retried final."""
    recipients = set(step.recipients)
    outcomes = tuple(
        replace(item, kind=None, detail=f"{item.detail} ({step.reason})".strip())
        if item.address in recipients
        else item
        for item in result.outcomes
    )
    return replace(result, outcomes=outcomes)


def attempt_statements(
    core: Core, job: Job, row: MessageRow, results: Sequence[SubmissionResult], now: int
) -> list[Statement]:
    """Stores the outcome of this attempt for each recipient, and its ledger rows."""
    statements = [item for result in results for item in outcome_statements(row, result, now)]
    if provider_id := merged(results).provider_message_id:
        statements.append(queries.set_delivery(row.id, provider_message_id=provider_id))
    return statements + _ledger(core, job, row, results, now)


def outcome_statements(row: MessageRow, result: SubmissionResult, now: int) -> list[Statement]:
    """Stores the outcome of one transaction for its recipients, and the Message-ID that the relay gave this copy."""
    refs = [result.provider_message_id] if result.provider_message_id else []
    return [
        queries.set_recipient(
            row.id,
            item.address,
            outcome="pending" if item.may_retry else item.outcome.value,
            status=_status(item),
            code=item.code,
            enhanced=item.enhanced,
            detail=item.detail or None,
            now=now,
        )
        for item in result.outcomes
    ] + message_queries.insert_refs(row.agent_email, row.id, refs)


def blocked_statements(core: Core, row: MessageRow, blocks: Mapping[str, Block], now: int) -> list[Statement]:
    """Ledger rows for the suppressed recipients."""
    return [
        lifecycle.record(
            core.ids,
            row,
            "suppression.recipient_blocked",
            now,
            dedupe=f"suppression:blocked:{block.address}",
            recipient=block.address,
            evidence={"suppression_scope": block.scope, "suppression_source": block.source},
        )
        for block in blocks.values()
    ]


def _ledger(
    core: Core, job: Job, row: MessageRow, results: Sequence[SubmissionResult], now: int
) -> list[Statement]:
    correlation = {
        "job_id": job.id,
        "email_message_id": row.email_message_id or "",
        "provider_message_id": merged(results).provider_message_id or "",
    }
    return [
        lifecycle.record(
            core.ids,
            row,
            reason,
            now,
            dedupe=f"submission:job:{job.id}:attempt:{job.attempts}:{reason}",
            evidence={"failure_reason": detail} if detail else {},
            correlation=correlation,
        )
        for reason, detail in _reasons(results).items()
    ]


def _status(item: RecipientOutcome) -> Delivery:
    if item.outcome is Outcome.SUCCEEDED:
        return Delivery.SENT
    if item.may_retry:
        return Delivery.DEFERRED
    return Delivery.FAILED if item.outcome is Outcome.FAILED else Delivery.SENDING


def _reasons(results: Sequence[SubmissionResult]) -> dict[str, str]:
    """The ledger's reason codes for one attempt, each with its detail."""
    reasons: dict[str, str] = {}
    for result in results:
        if result.transport == NOBODY and len(results) > 1:
            continue
        local = result.transport == Method.LOOPBACK
        accepted = "submission.local_loopback_accepted" if local else "submission.upstream_accepted"
        for item in result.outcomes:
            if item.outcome is Outcome.SUCCEEDED:
                reasons[accepted] = ""
            elif item.may_retry:
                reasons["submission.temporary_failure"] = item.detail
            else:
                reasons[failure_reason(item)] = item.detail or UNKNOWN
    return reasons
