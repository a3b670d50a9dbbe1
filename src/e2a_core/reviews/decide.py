"""Approving or rejecting a hold, by a reviewer or at its expiry. Of several concurrent decisions only one succeeds."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any

from e2a_core.agents import queries as agent_queries
from e2a_core.agents.queries import AgentRow, agent_from
from e2a_core.clock import to_micros
from e2a_core.contract.principal import PERSON
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
from e2a_core.submission.draft import Draft, DraftAttachment, check_draft, decode_attachments
from e2a_core.submission.queries import forget_pending
from e2a_core.submission.queue import queue
from e2a_core.submission.rehold import end_rest

__all__ = ["ANSWERED", "Also", "Decider", "approve", "reject", "supersede"]

ANSWERED = "answered_by_person"
"""The reason code of a draft that was rejected because a person answered first."""
ANSWERED_REASON = "a person answered in this conversation meanwhile, so this draft was not sent"

ARRIVAL_ROWS = 10
"""Of the ledger, told when held mail is released: it has two until then."""

Also = Callable[[SendResultView], Sequence[Statement]]


@dataclass(frozen=True, slots=True)
class Decider:
    """Who decides: `reviewer` is recorded with the decision, `automatic` is True at the hold's expiry."""

    reviewer: str
    automatic: bool = False


async def approve(
    core: Core,
    row: MessageRow,
    request: ApproveRequest,
    decider: Decider,
    also: Also = lambda result: (),
) -> SendResultView:
    """Sends a held draft, or releases held inbound mail into its inbox.

    The statements that `also` returns for the result are committed with the decision. Raises `MessageNotPending` if
    the hold was decided before, and `DraftChanged` if `request.content_hash` is not that of the message.
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
    reason_code: str | None = None,
) -> RejectResultView:
    """Rejects a held message; inbound mail stays stored but hidden. Raises as `approve` does.

    The event has `reason_code` where a program should know why.
    """
    _check_pending(row, content_hash)
    now = to_micros(core.clock.now())
    row.hold.decide(Review.EXPIRED_REJECTED if decider.automatic else Review.REJECTED)
    row.hold.rejection_reason = reason
    resolution = _resolution(
        core, row, "review.expired_rejected" if decider.automatic else "review.rejected", now
    )
    data = payloads.review_rejected(
        row, [resolution], auto_resolved=decider.automatic, reason_code=reason_code
    )
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
                size_bytes=row.size_bytes if row.inbound else 0,
            ),
            resolution,
            *([] if row.inbound else await end_rest(core, row, now)),
            *emit(core, "email.review_rejected", row, data, now),
        ],
    )
    return RejectResultView(message_id=row.id, status=Review.REJECTED, rejection_reason=reason)


async def supersede(
    core: Core, agent_email: str, conversation_id: str, thread_id: str, decider: Decider
) -> list[str]:
    """Rejects the held answers of an agent where a person has answered; returns the ids of the drafts.

    One that is approved meanwhile leaves all the same: the first decision on a hold is the only one.
    """
    ended: list[str] = []
    for found in await core.db.read(review_queries.held_answers(agent_email, conversation_id, thread_id)):
        row = MessageRow.from_store(found)
        with suppress(MessageNotPending):
            await reject(core, row, ANSWERED_REASON, decider, reason_code=ANSWERED)
            ended.append(row.id)
    return ended


async def _release(core: Core, row: MessageRow, decider: Decider, also: Also) -> SendResultView:
    result = SendResultView(status=Review.APPROVED, message_id=row.id)
    now = to_micros(core.clock.now())
    row.hold.decide(Review.EXPIRED_APPROVED if decider.automatic else Review.APPROVED)
    row.hold.hidden = 0
    resolution = _approval(core, row, decider, now)
    approved = payloads.review_approved(row, [resolution], auto_resolved=decider.automatic)
    arrival = await core.db.read(lifecycle.page(row.id, None, ARRIVAL_ROWS))
    received = payloads.received(row) | {
        "lifecycle_transitions": [lifecycle.as_told(item) for item in arrival]
    }
    await _write(
        core,
        [
            review_queries.release_inbound(row.id, row.hold.status, now, decider.reviewer),
            resolution,
            *also(result),
            *emit(core, "email.review_approved", row, approved, now),
            *emit(core, "email.received", row, received, now),
        ],
    )
    return result


async def _send(
    core: Core, row: MessageRow, request: ApproveRequest, decider: Decider, also: Also
) -> SendResultView:
    """Admits the edited draft again and queues it, as `submission.send` does for a new one."""
    agent = await _agent(core, row)
    seen = dump_json(row.hold.draft)
    draft = Draft.from_json(row.hold.draft or {})
    edited = _edit(draft, request)
    check_draft(draft)
    if not decider.automatic:
        await check_rate(core, agent)
    admitted = await admit(core, agent, draft, held=True)
    now = to_micros(core.clock.now())
    queued = await queue(core, agent, row, admitted, now)
    row.hold.decide(Review.EXPIRED_APPROVED if decider.automatic else Review.SENT)
    row.hold.edited, row.hold.draft = int(edited), _without_files(draft.to_json())
    result = queued.result.model_copy(update={"sent_as": row.submission.sent_as, "edited": edited})
    resolution = _approval(core, row, decider, now)
    ledger = [resolution, *queued.statements]
    approved = payloads.review_approved(row, ledger, auto_resolved=decider.automatic)
    await _write(
        core,
        [
            queued.content,
            review_queries.release_outbound(row, seen or "", now, decider.reviewer),
            resolution,
            forget_pending(row.id),
            *queued.statements,
            *also(result),
            *emit(core, "email.review_approved", row, approved, now),
        ],
    )
    if (row.credential_id or "").startswith(PERSON) and row.type != "forward":
        await supersede(core, row.agent_email, row.conversation_id or "", row.thread_id, decider)
    return result


def _edit(draft: Draft, request: ApproveRequest) -> bool:
    """Applies the reviewer's edits. Returns True if there were any; given attachments always count as an edit."""
    before = draft.digest
    for name in ("subject", "text", "html", "to", "cc", "bcc"):
        value = getattr(request, name)
        if value is not None:
            # An empty HTML is none: a text alone has no empty part beside it.
            setattr(draft, name, (value or None) if name == "html" else value)
    if request.attachments is not None:
        draft.attachments = _same_places(decode_attachments(request.attachments), draft.attachments)
    return request.attachments is not None or draft.digest != before


def _same_places(given: list[DraftAttachment], before: Sequence[DraftAttachment]) -> list[DraftAttachment]:
    """The files of a reviewer; one that was in the draft keeps the id by which the HTML shows it (RFC 2392)."""
    known = {(item.filename, item.data): item.content_id for item in before}
    return [replace(item, content_id=known.get((item.filename, item.data))) for item in given]


def _without_files(draft: dict[str, Any]) -> dict[str, Any]:
    """The draft as stored after the decision. Its files are in the sent message, or are not needed any more."""
    return {**draft, "attachments": []}


async def _agent(core: Core, row: MessageRow) -> AgentRow:
    found = first(await core.db.read(agent_queries.agent(row.agent_email)))
    if found is None:
        raise NotFound("no such agent")
    return agent_from(found)


def _check_pending(row: MessageRow, content_hash: str | None) -> None:
    if row.hold.status is not Review.PENDING:
        raise MessageNotPending("this message was decided before")
    if content_hash is not None and content_hash != reviewed_hash(row):
        raise DraftChanged("the message changed since it was reviewed; read it again before deciding")


def _approval(core: Core, row: MessageRow, decider: Decider, now: int) -> Statement:
    return _resolution(core, row, "review.expired_approved" if decider.automatic else "review.approved", now)


def _resolution(core: Core, row: MessageRow, reason: str, now: int) -> Statement:
    return lifecycle.record(
        core.ids,
        row,
        reason,
        now,
        dedupe="review:resolution",
        evidence={"review_resolution": row.hold.status},
    )


async def _write(core: Core, statements: list[Statement]) -> None:
    try:
        await core.db.write(statements)
    except StaleWrite:
        raise MessageNotPending("this message was decided by another request") from None
