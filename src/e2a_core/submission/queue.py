"""Queueing an admitted draft: its composed message, and the job that submits it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from e2a_core.agents.queries import AgentRow
from e2a_core.clock import from_micros
from e2a_core.contract.sending import SendResultView, SentRecipientView
from e2a_core.contract.states import Method
from e2a_core.core import Core
from e2a_core.mail.addresses import parse_address
from e2a_core.messages import lifecycle
from e2a_core.messages import queries as message_queries
from e2a_core.messages.index_queries import index_text
from e2a_core.messages.rows import MessageRow
from e2a_core.messages.terms import MAX_SEARCHED_CHARS, words_of
from e2a_core.store import jobs
from e2a_core.store.statement import Statement
from e2a_core.submission import queries
from e2a_core.submission.addressing import method_of
from e2a_core.submission.admission import Admitted
from e2a_core.submission.composition import Composed, apply_composed, compose
from e2a_core.submission.draft import due_at

__all__ = ["SUBMIT_JOB", "Queued", "pending_recipients", "queue", "wake_paused"]

SUBMIT_JOB = "submit"


@dataclass(frozen=True, slots=True)
class Queued:
    """The statements that queue a message: `content` goes before the insert of its row, `statements` after."""

    content: Statement
    statements: list[Statement]
    result: SendResultView


async def queue(core: Core, agent: AgentRow, row: MessageRow, admitted: Admitted, now: int) -> Queued:
    """Composes the message, completes `row`, and returns the statements that queue it for when it is due.

    Raises `InvalidRequest` for values that a message cannot contain.
    """
    draft = admitted.draft
    composed = await core.offload.run(draft.size, compose, core, agent, draft, inside=admitted.inside)
    apply_composed(row, composed, draft)
    row.submission.method = method_of(core, draft, everyone_local=admitted.inside)
    due = due_at(draft, now)
    result = SendResultView(
        status="scheduled" if due > now else "accepted",
        message_id=row.id,
        conversation_id=row.conversation_id,
        method=row.submission.method,
        sandbox=True if row.submission.method is Method.SANDBOX else None,
        scheduled_at=from_micros(due) if due > now else None,
        recipients=pending_recipients([*row.to_addresses, *row.cc, *row.bcc]),
    )
    content = message_queries.insert_content(row.content_hash or "", composed.content, now)
    statements = _filed(core, row, composed, draft.text, due, now)
    if draft.type == "reply" and draft.parent_id:
        statements.append(message_queries.mark_answered(draft.parent_id, now))
    return Queued(content, statements, result)


def pending_recipients(addresses: Sequence[str]) -> list[SentRecipientView]:
    """The recipients of a message that was not submitted yet, by their bare addresses."""
    bare = dict.fromkeys(parse_address(item).normalized for item in addresses)
    return [SentRecipientView(address=address, outcome="pending") for address in bare]


def wake_paused(account_id: str, agent_email: str | None, now: int) -> Statement:
    """Makes due what waited while sending was paused, of the account or of one agent."""
    return queries.wake_paused(account_id, agent_email, SUBMIT_JOB, now)


def _filed(core: Core, row: MessageRow, composed: Composed, text: str, due: int, now: int) -> list[Statement]:
    """What goes with the row: references, recipients, the search index, the ledger and the job."""
    job_id = core.ids.job()
    recipients = [*row.to_addresses, *row.cc, *row.bcc]
    return [
        *message_queries.insert_refs(row.agent_email, row.id, [composed.message_id]),
        *(queries.insert_recipient(row.id, address, now) for address in recipients),
        index_text(row, words_of(text[:MAX_SEARCHED_CHARS])),
        lifecycle.record(
            core.ids,
            row,
            "queue.outbound_submission",
            now,
            dedupe=f"queue:outbound:{job_id}",
            evidence=lifecycle.schedule(due, now),
            correlation={"job_id": job_id},
        ),
        *([composed.link.statement] if composed.link else []),
        jobs.enqueue(
            SUBMIT_JOB, {"message_id": row.id}, run_at=from_micros(due), id=job_id, now=from_micros(now)
        ),
    ]
