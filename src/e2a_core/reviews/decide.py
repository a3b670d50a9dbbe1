"""Deciding a hold: approve or reject, by a person or by time. Of several deciders exactly one wins."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from e2a_core.agents import queries as agent_queries
from e2a_core.agents.queries import AgentRow, agent_from
from e2a_core.clock import from_micros, to_micros
from e2a_core.contract.reviews import ApproveRequest, RejectResultView
from e2a_core.contract.sending import SendResultView
from e2a_core.core import Core
from e2a_core.errors import DraftChanged, MessageNotPending, NotFound
from e2a_core.messages import lifecycle, payloads, queries
from e2a_core.messages.events import emit
from e2a_core.messages.rows import MessageRow, dump_json
from e2a_core.messages.views import reviewed_hash
from e2a_core.reviews import queries as review_queries
from e2a_core.store.statement import StaleWrite, Statement, first
from e2a_core.submission.composition import apply_composed, compose, queue_statements
from e2a_core.submission.draft import Draft, check_draft, decode_attachments
from e2a_core.submission.guards import check_domain, check_rate
from e2a_core.submission.routing import local_recipients, method_of
from e2a_core.submission.schedule import due_at
from e2a_core.suppressions.check import refuse_suppressed

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
    row.status = "review_expired_rejected" if decider.automatic else "review_rejected"
    row.rejection_reason = reason
    ledger = "review.expired_rejected" if decider.automatic else "review.rejected"
    data = payloads.review_rejected(row, auto_resolved=decider.automatic)
    await _write(
        core,
        [
            review_queries.turn_down(
                row.id,
                row.status,
                reason,
                now,
                decider.reviewer,
                hidden=1 if row.inbound else 0,
                draft=dump_json(_without_files(row.draft) if row.draft else None),
            ),
            _resolution(core, row, ledger, now),
            *emit(core, "email.review_rejected", row, data, now),
        ],
    )
    return RejectResultView(message_id=row.id, status="review_rejected", rejection_reason=reason)


async def _release(core: Core, row: MessageRow, decider: Decider, also: Also) -> SendResultView:
    result = SendResultView(status="review_approved", message_id=row.id)
    now = to_micros(core.clock.now())
    status = "review_expired_approved" if decider.automatic else "review_approved"
    row.status, row.hidden = status, 0
    ledger = "review.expired_approved" if decider.automatic else "review.approved"
    approved = payloads.review_approved(row, auto_resolved=decider.automatic)
    await _write(
        core,
        [
            review_queries.release_inbound(row.id, status, now, decider.reviewer),
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
    agent = await _agent(core, row)
    seen = dump_json(row.draft)
    draft = Draft.from_json(row.draft or {})
    edited = _edit(draft, request)
    check_draft(draft)
    if not decider.automatic:
        await check_rate(core, agent)
    check_domain(agent)
    await refuse_suppressed(core, agent.account_id, agent.email, draft.recipients)
    now = to_micros(core.clock.now())
    local = await local_recipients(core, draft.recipients)
    everyone_local = all(item in local for item in draft.recipients)
    composed = compose(core, agent, draft, inside=everyone_local)
    apply_composed(row, composed, draft)
    row.status = "review_expired_approved" if decider.automatic else "sent"
    row.edited, row.draft = int(edited), _without_files(draft.to_json())
    row.method = method_of(core, draft, everyone_local=everyone_local)
    waits = due_at(draft, now) > now
    ledger = "review.expired_approved" if decider.automatic else "review.approved"
    approved = payloads.review_approved(row, auto_resolved=decider.automatic)
    result = SendResultView(
        status="scheduled" if waits else "accepted",
        message_id=row.id,
        conversation_id=row.conversation_id,
        method=row.method,
        sent_as=row.sent_as,
        edited=edited,
        scheduled_at=from_micros(draft.send_at) if waits and draft.send_at else None,
        sandbox=True if row.method == "sandbox" else None,
    )
    await _write(
        core,
        [
            queries.insert_content(row.content_hash or "", composed.content, now),
            review_queries.release_outbound(row, seen or "", now, decider.reviewer),
            _resolution(core, row, ledger, now),
            *queue_statements(core, row, composed, draft, now),
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
    if row.status != "pending_review":
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
        evidence={"review_resolution": row.status},
    )


async def _write(core: Core, statements: list[Statement]) -> None:
    try:
        await core.db.write(statements)
    except StaleWrite:
        raise MessageNotPending("the message was decided meanwhile") from None
