"""The worker that submits accepted messages and settles what became of them."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from e2a_core.agents import queries as agent_queries
from e2a_core.agents.queries import agent_from
from e2a_core.clock import from_micros, to_micros
from e2a_core.contract.states import Delivery, Method
from e2a_core.core import Core
from e2a_core.domains.dkim import SigningKeys
from e2a_core.errors import StoreUnavailable
from e2a_core.messages import lifecycle
from e2a_core.messages import queries as message_queries
from e2a_core.messages.content import load_content
from e2a_core.messages.rows import MessageRow
from e2a_core.messages.state import UNDER_WAY
from e2a_core.store.jobs import Job
from e2a_core.store.statement import StaleWrite, Statement, first
from e2a_core.submission import queries
from e2a_core.submission.addressing import local_recipients, stays_inside
from e2a_core.submission.conclusion import (
    INBOX_TRASHED,
    SUPPRESSED,
    TRASHED,
    UNKNOWN,
    cancel_statements,
    conclude,
    failure_reason,
    stored_outcome,
)
from e2a_core.submission.outcome import (
    FailureKind,
    Outcome,
    RecipientOutcome,
    SubmissionResult,
    failed,
    unknown,
)
from e2a_core.submission.retry import GiveUp, RetryAt, next_step
from e2a_core.submission.transports.base import Transport
from e2a_core.suppressions.check import Block, blocks_of

__all__ = ["Submission"]

_NOBODY = "none"
"""The transport of recipients that no transport was given."""

SETTLE_PAUSES_SECONDS = (0.1, 0.3, 1.0, 3.0)
"""Between the attempts to store what a relay said. The runner renews the lease meanwhile."""


class Submission:
    """Handles submit jobs. `local` reaches inboxes of this deployment, `upstream` everyone else."""

    def __init__(self, core: Core, local: Transport, upstream: Transport, keys: SigningKeys) -> None:
        self._core = core
        self._local = local
        self._upstream = upstream
        self._keys = keys

    async def __call__(self, job: Job) -> None:
        row = await self._claim(job)
        if row is None:
            return
        recipients = await self._core.db.read(message_queries.recipients(row.id))
        pending = [item["address"] for item in recipients if item["outcome"] == "pending"]
        blocks = await blocks_of(self._core, row.account_id, row.agent_email, pending)
        if pending:
            content = await load_content(self._core, row) or b""
            results = _cancelled(blocks)
            results += await self._submit(job, row, [item for item in pending if item not in blocks], content)
        else:
            # Whoever had the job before died between the content and the answer.
            lost = [item["address"] for item in recipients if item["outcome"] == Outcome.UNKNOWN.value]
            results = [SubmissionResult(tuple(unknown(lost, UNKNOWN)), self._upstream.name)]
        await self._settle_surely(job, row, results, blocks)

    async def _claim(self, job: Job) -> MessageRow | None:
        """The message if there is anything to do for it; a trashed one, or a trashed agent's, is cancelled here."""
        found = first(await self._core.db.read(queries.message(str(job.payload["message_id"]))))
        if found is None:
            return None
        values = dict(found)
        inbox_trashed = values.pop("agent_deleted_at") is not None
        row = MessageRow.from_store(values)
        if row.submission.delivery_status not in UNDER_WAY:
            return None
        now = to_micros(self._core.clock.now())
        if row.deleted_at is not None or inbox_trashed:
            reason = INBOX_TRASHED if inbox_trashed else TRASHED
            await self._core.db.write([job.complete(), *cancel_statements(self._core, row, reason, now)])
            return None
        try:
            await self._core.db.write([queries.claim(row.id, now)])
        except StaleWrite:
            return await self._claim(job)
        row.submission.move(Delivery.SENDING)
        return row

    async def _submit(
        self, job: Job, row: MessageRow, pending: Sequence[str], content: bytes
    ) -> list[SubmissionResult]:
        """One result for each transport that had something to do."""
        local = await local_recipients(self._core, pending) if stays_inside(self._core, row.type) else {}
        outside = [address for address in pending if address not in local]
        results: list[SubmissionResult] = []
        if local:
            header = (
                f"X-E2A-Conversation-Id: {row.conversation_id}\r\n".encode() if row.conversation_id else b""
            )
            author = row.agent_email if row.type != "test" else row.header_from or row.agent_email
            results.append(await self._local.submit(author, list(local), header + content))
        if outside:
            content = await self._signed(row, content)
            sender = (
                row.agent_email
                if row.submission.sent_as == "own_address"
                else row.header_from or row.agent_email
            )
            results.append(
                await self._upstream.submit(
                    sender,
                    outside,
                    content,
                    before_content=lambda accepted: self._mark_unknown(job, row, accepted),
                )
            )
        return results

    async def _signed(self, row: MessageRow, content: bytes) -> bytes:
        """What leaves. Its signature is made once, with the key of the day it leaves, and kept on top of the row."""
        if not row.trace:
            signature = await self._keys.signature(await self._signing_domain(row), content)
            row.trace = signature.decode("ascii")
            row.size_bytes += len(signature)
            content = signature + content
        return content

    async def _signing_domain(self, row: MessageRow) -> str:
        if row.submission.sent_as != "own_address":
            return self._core.settings.from_domain
        agent = first(await self._core.db.read(agent_queries.agent(row.agent_email)))
        return agent_from(agent).registered_domain if agent else ""

    async def _mark_unknown(self, job: Job, row: MessageRow, addresses: Sequence[str]) -> None:
        """From the moment the content is on its way until the answer is stored, nobody can tell.

        A process that dies in between leaves this mark, and whoever takes the job over does not send again. Where
        the job has been taken over already, `StaleWrite` keeps the content from being sent.
        """
        now = to_micros(self._core.clock.now())
        await self._core.db.write(
            [
                queries.set_recipient(
                    row.id, address, outcome="unknown", status=Delivery.SENDING, now=now, detail=UNKNOWN
                )
                for address in addresses
            ]
            + [queries.set_delivery(row.id, **_leaves(row)), job.confirm()]
        )

    async def _settle_surely(
        self, job: Job, row: MessageRow, results: Sequence[SubmissionResult], blocks: Mapping[str, Block]
    ) -> None:
        """`_settle`, again when the store does not answer: a relay's answer is not to be had a second time."""
        for pause in SETTLE_PAUSES_SECONDS:
            try:
                return await self._settle(job, row, results, blocks)
            except StoreUnavailable:
                await asyncio.sleep(pause)
        await self._settle(job, row, results, blocks)

    async def _settle(
        self, job: Job, row: MessageRow, results: Sequence[SubmissionResult], blocks: Mapping[str, Block]
    ) -> None:
        now = self._core.clock.now()
        started = from_micros(
            max(row.created_at, row.submission.scheduled_at or 0, row.hold.reviewed_at or 0)
        )
        step = next_step(job.attempts, _merged(results), started, now)
        if isinstance(step, GiveUp):
            results = [_final(item, step) for item in results]
        result = _merged(results)
        statements = self._record(job, row, results, to_micros(now))
        statements += self._blocked(row, blocks, to_micros(now))
        if isinstance(step, RetryAt):
            detail = "; ".join(sorted({item.detail for item in result.to_retry if item.detail}))
            statements.append(
                queries.set_delivery(row.id, **_leaves(row), delivery_detail=detail or None, claimed_at=None)
            )
            counted = step.attempt > job.attempts
            statements.append(job.retry(step.at, detail, count_attempt=counted))
        else:
            stored = await self._core.db.read(message_queries.recipients(row.id))
            decided = {item.address for item in result.outcomes}
            earlier = [
                stored_outcome(item)
                for item in stored
                if item["address"] not in decided and item["outcome"] != "pending"
            ]
            row.submission.provider_message_id = (
                result.provider_message_id or row.submission.provider_message_id
            )
            events = conclude(self._core, row, [*earlier, *result.outcomes], to_micros(now))
            statements.append(
                queries.move_delivery(
                    row.id,
                    row.submission.delivery_status or Delivery.SENT,
                    **_leaves(row),
                    delivery_detail=row.submission.delivery_detail,
                    claimed_at=None,
                )
            )
            statements += events
            statements.append(job.complete())
        await self._core.db.write(statements)

    def _record(
        self, job: Job, row: MessageRow, results: Sequence[SubmissionResult], now: int
    ) -> list[Statement]:
        """What this attempt did to each recipient, and the ledger rows of the attempt."""
        result = _merged(results)
        statements = [
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
        ]
        if result.provider_message_id:
            statements += [
                queries.set_delivery(row.id, provider_message_id=result.provider_message_id),
                *message_queries.insert_refs(row.agent_email, row.id, [result.provider_message_id]),
            ]
        for reason, detail in _attempt_reasons(results):
            correlation = {"job_id": job.id}
            if row.email_message_id:
                correlation["email_message_id"] = row.email_message_id
            if result.provider_message_id:
                correlation["provider_message_id"] = result.provider_message_id
            statements.append(
                lifecycle.record(
                    self._core.ids,
                    row.id,
                    "outbound",
                    reason,
                    now,
                    dedupe=f"submission:job:{job.id}:attempt:{job.attempts}:{reason}",
                    evidence={"failure_reason": detail} if detail else {},
                    correlation=correlation,
                )
            )
        return statements

    def _blocked(self, row: MessageRow, blocks: Mapping[str, Block], now: int) -> list[Statement]:
        """The ledger's word on each recipient that was left out."""
        return [
            lifecycle.record(
                self._core.ids,
                row.id,
                "outbound",
                "suppression.recipient_blocked",
                now,
                dedupe=f"suppression:blocked:{block.address}",
                recipient=block.address,
                evidence={"suppression_scope": block.scope, "suppression_source": block.source},
            )
            for block in blocks.values()
        ]


def _leaves(row: MessageRow) -> dict[str, Any]:
    """The columns that signing has changed."""
    return {"trace": row.trace, "size_bytes": row.size_bytes}


def _cancelled(blocks: Mapping[str, Block]) -> list[SubmissionResult]:
    """The outcome of the recipients no relay is asked about; the others still get their mail."""
    outcomes = failed(blocks, FailureKind.CANCELLED, SUPPRESSED)
    return [SubmissionResult(tuple(outcomes), _NOBODY)] if outcomes else []


def _merged(results: Sequence[SubmissionResult]) -> SubmissionResult:
    """The results of one attempt as one; the last transport is the one that named the message."""
    outcomes = tuple(item for result in results for item in result.outcomes)
    return replace(results[-1], outcomes=outcomes)


def _final(result: SubmissionResult, step: GiveUp) -> SubmissionResult:
    """The failures that will not be tried again are failures for good."""
    given_up = set(step.recipients)
    outcomes = tuple(
        replace(item, kind=None, detail=f"{item.detail} ({step.reason})".strip())
        if item.address in given_up
        else item
        for item in result.outcomes
    )
    return replace(result, outcomes=outcomes)


def _status(item: RecipientOutcome) -> Delivery:
    if item.outcome is Outcome.SUCCEEDED:
        return Delivery.SENT
    if item.may_retry:
        return Delivery.DEFERRED
    return Delivery.FAILED if item.outcome is Outcome.FAILED else Delivery.SENDING


def _attempt_reasons(results: Sequence[SubmissionResult]) -> list[tuple[str, str]]:
    """(reason, detail) of each thing the ledger says about one attempt."""
    reasons: dict[str, str] = {}
    for result in results:
        if result.transport == _NOBODY and len(results) > 1:
            continue
        local = result.transport == Method.LOOPBACK
        for item in result.outcomes:
            if item.outcome is Outcome.SUCCEEDED:
                reasons["submission.local_loopback_accepted" if local else "submission.upstream_accepted"] = (
                    ""
                )
            elif item.may_retry:
                reasons["submission.temporary_failure"] = item.detail
            else:
                reasons[failure_reason(item)] = item.detail or UNKNOWN
    return list(reasons.items())
