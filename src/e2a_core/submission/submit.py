"""The worker that submits accepted messages and stores the outcomes."""

from __future__ import annotations

import asyncio
from collections.abc import Container, Mapping, Sequence
from datetime import timedelta
from typing import Any

from e2a_core.agents import queries as agent_queries
from e2a_core.agents.queries import AgentRow, agent_from
from e2a_core.clock import from_micros, to_micros
from e2a_core.contract.states import SENDING_PAUSED, Delivery
from e2a_core.core import Core
from e2a_core.domains.dkim import SigningKeys
from e2a_core.errors import StoreUnavailable
from e2a_core.messages import queries as message_queries
from e2a_core.messages.content import load_content
from e2a_core.messages.rows import MessageRow
from e2a_core.messages.state import UNDER_WAY
from e2a_core.screening.disposition import Finding
from e2a_core.store.jobs import Job
from e2a_core.store.statement import StaleWrite, Statement, first
from e2a_core.submission import queries
from e2a_core.submission.addressing import local_recipients, stays_inside
from e2a_core.submission.attempt import (
    NOBODY,
    attempt_statements,
    blocked_statements,
    cancelled,
    given_up,
    merged,
    outcome_statements,
)
from e2a_core.submission.conclusion import (
    INBOX_TRASHED,
    TRASHED,
    UNKNOWN,
    cancel_statements,
    conclude,
    ended,
    stored_outcome,
)
from e2a_core.submission.outcome import (
    FailureKind,
    Outcome,
    SubmissionResult,
    failed,
    relay_lost,
    unknown,
)
from e2a_core.submission.rehold import rehold_statements, waiting_draft
from e2a_core.submission.rescreening import Departure, rescreen
from e2a_core.submission.retry import GiveUp, RetryAt, next_step
from e2a_core.submission.return_path import plain_sender, return_path
from e2a_core.submission.transports.base import Transport
from e2a_core.suppressions.check import Block, blocks_of

__all__ = ["Submission"]

PAUSED_RECHECK = timedelta(minutes=5)
"""Resuming makes the job due at once; this is for what was put off at that very moment."""
SETTLE_PAUSES_SECONDS = (0.1, 0.3, 1.0, 3.0)
"""Pauses between attempts to store the outcome. The job runner renews the lease meanwhile."""


class Submission:
    """Handles submit jobs. `local` delivers to inboxes of this deployment, `upstream` submits to the relay."""

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
        departure = await self._departure(row, pending, blocks)
        if departure.review and await self._hold(job, row, departure.review):
            return
        if departure.reason:
            outcomes = failed(pending, FailureKind.CANCELLED, departure.reason)
            results = [SubmissionResult(tuple(outcomes), NOBODY)]
            blocks = {}
        elif pending:
            content = await load_content(self._core, row) or b""
            results = cancelled(blocks)
            everyone = [item["address"] for item in recipients]
            waiting = [item for item in pending if item not in blocks]
            results += await self._submit(job, row, everyone, waiting, content)
        else:
            # The process that had the job before died between sending the content and storing the reply.
            lost = [item["address"] for item in recipients if item["outcome"] == Outcome.UNKNOWN.value]
            results = [SubmissionResult(tuple(unknown(lost, UNKNOWN)), self._upstream.name)]
        await self._settle_surely(job, row, results, blocks)

    async def _departure(self, row: MessageRow, pending: Sequence[str], blocks: Container[str]) -> Departure:
        """Screens the message again for the recipients who wait for it."""
        agent = await self._agent(row) if pending else None
        if agent is None:
            return Departure()
        departure = await rescreen(self._core, agent, row)
        # Nobody decides on what goes to nobody.
        return departure if departure.stop or any(item not in blocks for item in pending) else Departure()

    async def _hold(self, job: Job, row: MessageRow, finding: Finding) -> bool:
        """Puts the message on hold and ends its job. Returns False if its draft was not kept."""
        agent, draft = await self._agent(row), await waiting_draft(self._core, row)
        if agent is None or draft is None:
            return False
        now = to_micros(self._core.clock.now())
        held = rehold_statements(self._core, agent, row, draft, finding, now)
        await self._core.db.write([*held, job.complete()])
        return True

    async def _agent(self, row: MessageRow) -> AgentRow | None:
        found = first(await self._core.db.read(agent_queries.agent(row.agent_email)))
        return None if found is None else agent_from(found)

    async def _claim(self, job: Job) -> MessageRow | None:
        """Claims the message. Returns None if there is nothing to do.

        Cancels it if it or its agent is trashed, and puts it off if its agent or account is paused.
        """
        while True:
            found = first(await self._core.db.read(queries.message(str(job.payload["message_id"]))))
            if found is None:
                return None
            values = dict(found)
            inbox_trashed = values.pop("agent_deleted_at") is not None
            paused = values.pop("sending_paused_at") is not None
            row = MessageRow.from_store(values)
            if row.submission.delivery_status not in UNDER_WAY:
                return None
            now = to_micros(self._core.clock.now())
            if row.deleted_at is not None or inbox_trashed:
                reason = INBOX_TRASHED if inbox_trashed else TRASHED
                await self._core.db.write([job.complete(), *cancel_statements(self._core, row, reason, now)])
                return None
            if paused and row.type != "test":
                waits = queries.set_delivery(row.id, delivery_detail=SENDING_PAUSED)
                later = self._core.clock.now() + PAUSED_RECHECK
                await self._core.db.write([job.retry(later, "paused", count_attempt=False), waits])
                return None
            try:
                await self._core.db.write([queries.claim(row.id, now)])
            except StaleWrite:
                continue  # It was trashed or settled between the read and the claim.
            row.submission.move(Delivery.SENDING)
            return row

    async def _submit(
        self, job: Job, row: MessageRow, everyone: Sequence[str], waiting: Sequence[str], content: bytes
    ) -> list[SubmissionResult]:
        """Submits to each transport that has recipients `waiting`; returns one result for each transaction."""
        inside = await local_recipients(self._core, everyone) if stays_inside(self._core, row.type) else {}
        local = [address for address in waiting if address in inside]
        outside = [address for address in waiting if address not in inside]
        results: list[SubmissionResult] = []
        if local:
            header = (
                f"X-E2A-Conversation-Id: {row.conversation_id}\r\n".encode() if row.conversation_id else b""
            )
            author = row.agent_email if row.type != "test" else row.header_from or row.agent_email
            results.append(await self._local.submit(author, local, header + content))
        if outside:
            content = await self._signed(row, content)
            # Counted over all attempts: the sender must not change when fewer recipients wait (greylisting).
            envelopes = self._envelopes(row, outside, several=len(everyone) - len(inside) > 1)
            results += await self._submit_outside(job, row, envelopes, content)
        return results

    async def _submit_outside(
        self, job: Job, row: MessageRow, envelopes: Sequence[tuple[str, Sequence[str]]], content: bytes
    ) -> list[SubmissionResult]:
        """Submits to the relay, one transaction after the other over a kept connection; none follows a lost relay."""
        done: list[SubmissionResult] = []
        stored = 0

        async def before_content(accepted: Sequence[str]) -> None:
            nonlocal stored
            await self._mark_unknown(job, row, accepted, done[stored:])
            stored = len(done)

        for sender, addresses in envelopes:
            lost = relay_lost(done[-1]) if done else None
            if lost is None:
                done.append(await self._upstream.submit(sender, addresses, content, before_content))
            else:
                untried = failed(addresses, FailureKind.OUTAGE, lost)
                done.append(SubmissionResult(tuple(untried), self._upstream.name))
        return done

    def _envelopes(
        self, row: MessageRow, recipients: Sequence[str], *, several: bool
    ) -> list[tuple[str, Sequence[str]]]:
        """The transactions, each with its sender and recipients. `several` outside recipients may share one.

        A test message is no mail to others, and the sandbox sends none: they have the plain sender.
        """
        settings = self._core.settings
        if settings.sandbox or settings.outbound_smtp_verp == "off" or row.type == "test":
            return [(plain_sender(row), recipients)]
        row.submission.return_paths = 1
        if several and settings.outbound_smtp_verp == "message":
            return [(return_path(self._core, row, None), recipients)]
        return [(return_path(self._core, row, address), [address]) for address in recipients]

    async def _signed(self, row: MessageRow, content: bytes) -> bytes:
        """Returns the signed content. The row keeps the signature, which is made at the first upstream attempt."""
        if not row.trace:
            signature = await self._keys.signature(await self._signing_domain(row), content)
            row.trace = signature.decode("ascii")
            row.size_bytes += len(signature)
            content = signature + content
        return content

    async def _signing_domain(self, row: MessageRow) -> str:
        if row.submission.sent_as != "own_address":
            return self._core.settings.from_domain
        agent = await self._agent(row)
        return agent.registered_domain if agent else ""

    async def _mark_unknown(
        self, job: Job, row: MessageRow, addresses: Sequence[str], done: Sequence[SubmissionResult]
    ) -> None:
        """Stores the outcome as unknown before the content is sent, and those of the transactions that are done.

        If this process dies before the reply is stored, the process that takes over the job does not send again. If
        the job was already taken over, this raises `StaleWrite` and the content is not sent.
        """
        now = to_micros(self._core.clock.now())
        await self._core.db.write(
            [
                queries.set_recipient(
                    row.id, address, outcome="unknown", status=Delivery.SENDING, now=now, detail=UNKNOWN
                )
                for address in addresses
            ]
            + [item for result in done for item in outcome_statements(row, result, now)]
            + [queries.set_delivery(row.id, **_leaves(row), claimed_at=now), job.confirm()]
        )

    async def _settle_surely(
        self, job: Job, row: MessageRow, results: Sequence[SubmissionResult], blocks: Mapping[str, Block]
    ) -> None:
        """Calls `_settle`, with retries if the store is unavailable: the relay's reply cannot be obtained again."""
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
        step = next_step(job.attempts, merged(results), started, now)
        if isinstance(step, GiveUp):
            results = [given_up(item, step) for item in results]
        result = merged(results)
        statements = attempt_statements(self._core, job, row, results, to_micros(now))
        statements += blocked_statements(self._core, row, blocks, to_micros(now))
        if isinstance(step, RetryAt):
            statements += self._again(job, row, result, step)
        else:
            statements += await self._concluded(job, row, result, statements, to_micros(now))
        await self._core.db.write(statements)

    def _again(self, job: Job, row: MessageRow, result: SubmissionResult, step: RetryAt) -> list[Statement]:
        detail = "; ".join(sorted({item.detail for item in result.to_retry if item.detail}))
        return [
            queries.set_delivery(row.id, **_leaves(row), delivery_detail=detail or None, claimed_at=None),
            job.retry(step.at, detail, count_attempt=step.attempt > job.attempts),
        ]

    async def _concluded(
        self, job: Job, row: MessageRow, result: SubmissionResult, ledger: Sequence[Statement], now: int
    ) -> list[Statement]:
        """Concludes the message from the outcomes of this attempt, which `ledger` records, and of earlier ones."""
        stored = await self._core.db.read(message_queries.recipients(row.id))
        decided = {item.address for item in result.outcomes}
        earlier = [
            stored_outcome(item)
            for item in stored
            if item["address"] not in decided and item["outcome"] != "pending"
        ]
        row.submission.provider_message_id = result.provider_message_id or row.submission.provider_message_id
        end = conclude(self._core, row, [*earlier, *result.outcomes], now, ledger)
        return [
            queries.move_delivery(
                row.id, end.status, **_leaves(row), **ended(row), delivery_detail=end.detail
            ),
            *end.events,
            job.complete(),
        ]


def _leaves(row: MessageRow) -> dict[str, Any]:
    """The columns that leaving changes."""
    return {
        "trace": row.trace,
        "size_bytes": row.size_bytes,
        "return_paths": row.submission.return_paths,
    }
