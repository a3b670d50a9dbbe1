"""Deciding a hold: approve or reject, by a person or by time. Of several deciders exactly one wins."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from e2a_core.agents import queries as agent_queries
from e2a_core.agents.queries import AgentRow, agent_from
from e2a_core.clock import to_micros
from e2a_core.contract.reviews import ApproveRequest, RejectResultView
from e2a_core.contract.sending import SendResultView
from e2a_core.contract.states import Review
from e2a_core.core import Core
from e2a_core.errors import DraftChanged, MessageNotPending, NotFound
from e2a_core.messages import lifecycle, payloads
from e2a_core.messages.events import emit
from e2a_core.messages.rows import MessageRow, dump_json
from e2a_core.messages.views import reviewed_hash
from e2a_core.reviews import queries as review_queries
from e2a_core.store.statement import StaleWrite, Statement, first
from e2a_core.submission.admission import admit, check_rate
from e2a_core.submission.draft import Draft, check_draft, decode_attachments
from e2a_core.submission.queue import queue

__all__ = ["Also", "Decider", "approve", "reject"]

Also = Callable[[SendResultView], Sequence[Statement]]


@dataclass(frozen=True, slots=True)
class Decider:
    """Who decides: `reviewer` is for the record, `automatic` marks the end of the hold's time."""

    reviewer: str
    automatic: bool = False


async def approve(
    core: Core,
    row: MessageRow,
    request: ApproveRequest,
    decider: Decider,
    also: Also = lambda result: (),
) -> SendResultView:
    """Send a held draft, or let held inbound mail into its inbox.

    What `also` makes of the result is committed with the decision.

    Raises `MessageNotPending` for whoever comes second and `DraftChanged` when it is not what was looked at.
    """
    _check_pending(row, request.content_hash)
    if row.inbound:
        return await _release(core, row, decider, also)
    return await _send(core, row, request, decider, also)


async def reject(
    core: Core,
    row: MessageRow,
    reason: str | None,
    decider: Decider,
    *,
    content_hash: str | None = None,
) -> RejectResultView:
    """Turn a held message down; inbound mail stays stored and out of sight. Raises as `approve` does."""
    _check_pending(row, content_hash)
    now = to_micros(core.clock.now())
    row.hold.decide(Review.EXPIRED_REJECTED if decider.automatic else Review.REJECTED)
    row.hold.rejection_reason = reason
    ledger = "review.expired_rejected" if decider.automatic else "review.rejected"
    data = payloads.review_rejected(row, auto_resolved=decider.automatic)
    await _write(
        core,
        [
            review_queries.turn_down(
                row.id,
                row.hold.status,
                reason,
                now,
                decider.reviewer,
                hidden=1 if row.inbound else 0,
                draft=dump_json(_without_files(row.hold.draft) if row.hold.draft else None),
            ),
            _resolution(core, row, ledger, now),
            *emit(core, "email.review_rejected", row, data, now),
        ],
    )
    return RejectResultView(message_id=row.id, status=Review.REJECTED, rejection_reason=reason)


async def _release(core: Core, row: MessageRow, decider: Decider, also: Also) -> SendResultView:
    result = SendResultView(status=Review.APPROVED, message_id=row.id)
    now = to_micros(core.clock.now())
    row.hold.decide(Review.EXPIRED_APPROVED if decider.automatic else Review.APPROVED)
    row.hold.hidden = 0
    ledger = "review.expired_approved" if decider.automatic else "review.approved"
    approved = payloads.review_approved(row, auto_resolved=decider.automatic)
    await _write(
        core,
        [
            review_queries.release_inbound(row.id, row.hold.status, now, decider.reviewer),
            _resolution(core, row, ledger, now),
            *also(result),
            *emit(core, "email.review_approved", row, approved, now),
            *emit(core, "email.received", row, payloads.received(row), now),
        ],
    )
    return result


async def _send(
    core: Core, row: MessageRow, request: ApproveRequest, decider: Decider, also: Also
) -> SendResultView:
    """The second half of the road of `submission.send`: admit the draft again, and queue it."""
    agent = await _agent(core, row)
    seen = dump_json(row.hold.draft)
    draft = Draft.from_json(row.hold.draft or {})
    edited = _edit(draft, request)
    check_draft(draft)
    if not decider.automatic:
        await check_rate(core, agent)
    admitted = await admit(core, agent, draft, held=True)
    now = to_micros(core.clock.now())
    queued = queue(core, agent, row, admitted, now)
    row.hold.decide(Review.EXPIRED_APPROVED if decider.automatic else Review.SENT)
    row.hold.edited, row.hold.draft = int(edited), _without_files(draft.to_json())
    result = queued.result.model_copy(update={"sent_as": row.submission.sent_as, "edited": edited})
    ledger = "review.expired_approved" if decider.automatic else "review.approved"
    approved = payloads.review_approved(row, auto_resolved=decider.automatic)
    await _write(
        core,
        [
            queued.content,
            review_queries.release_outbound(row, seen or "", now, decider.reviewer),
            _resolution(core, row, ledger, now),
            *queued.statements,
            *also(result),
            *emit(core, "email.review_approved", row, approved, now),
        ],
    )
    return result


def _edit(draft: Draft, request: ApproveRequest) -> bool:
    """Apply the reviewer's edits; whether there were any. Attachments given count even if they are the same."""
    before = draft.digest
    for name in ("subject", "text", "html", "to", "cc", "bcc"):
        value = getattr(request, name)
        if value is not None:
            setattr(draft, name, value)
    if request.attachments is not None:
        draft.attachments = decode_attachments(request.attachments)
    return request.attachments is not None or draft.digest != before


def _without_files(draft: dict[str, Any]) -> dict[str, Any]:
    """What is kept of a draft that was decided: what it said. Its files are in the message, or go nowhere."""
    return {**draft, "attachments": []}


async def _agent(core: Core, row: MessageRow) -> AgentRow:
    found = first(await core.db.read(agent_queries.agent(row.agent_email)))
    if found is None:
        raise NotFound("no such agent")
    return agent_from(found)


def _check_pending(row: MessageRow, content_hash: str | None) -> None:
    if row.hold.status is not Review.PENDING:
        raise MessageNotPending("the message was already decided")
    if content_hash is not None and content_hash != reviewed_hash(row):
        raise DraftChanged("the message is not the one that was reviewed; read it again before deciding")


def _resolution(core: Core, row: MessageRow, reason: str, now: int) -> Statement:
    return lifecycle.record(
        core.ids,
        row.id,
        row.direction,
        reason,
        now,
        dedupe="review:resolution",
        evidence={"review_resolution": row.hold.status},
    )


async def _write(core: Core, statements: list[Statement]) -> None:
    try:
        await core.db.write(statements)
    except StaleWrite:
        raise MessageNotPending("the message was decided meanwhile") from None
