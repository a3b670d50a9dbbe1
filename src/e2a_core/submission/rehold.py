"""Holding a message that waited to leave: it becomes the draft that it was, for a person to decide on."""

from __future__ import annotations

from dataclasses import replace

from e2a_core.agents.queries import AgentRow
from e2a_core.core import Core
from e2a_core.holds.hold import hold, hold_statements, protection_statement
from e2a_core.mail.generate import shown_ids
from e2a_core.mail.headers import parse_headers
from e2a_core.mail.mime import mime_leaves
from e2a_core.messages import lifecycle
from e2a_core.messages import queries as message_queries
from e2a_core.messages.content import load_content
from e2a_core.messages.rows import MessageRow, SubmissionRow, dump_json
from e2a_core.protection.config import config_of
from e2a_core.screening.disposition import Finding
from e2a_core.store.statement import Statement
from e2a_core.submission import queries
from e2a_core.submission.composition import apply_draft
from e2a_core.submission.conclusion import conclude, stored_outcome
from e2a_core.submission.draft import Draft
from e2a_core.submission.outcome import FailureKind, failed

__all__ = ["end_rest", "rehold_statements", "waiting_draft"]

REJECTED = "not sent, because its review ended with a rejection"


async def waiting_draft(core: Core, row: MessageRow) -> Draft | None:
    """The draft of a message that waits, with its files; None if it was queued by a version that kept no draft."""
    content = await load_content(core, row)
    if row.hold.draft is None or content is None:
        return None
    draft = Draft.from_json(row.hold.draft)
    files = await core.offload.run(len(content), _files, content) if draft.attachments else []
    # The composer puts the pictures of the HTML before the other files.
    named = draft.attachments
    shown = shown_ids(draft.html or "")
    order = sorted(range(len(named)), key=lambda at: named[at].content_id not in shown)
    if len(files) != len(order):
        return None
    found = dict(zip(order, files, strict=True))
    draft.attachments = [replace(item, data=found[at]) for at, item in enumerate(named)]
    return draft


def rehold_statements(
    core: Core, agent: AgentRow, row: MessageRow, draft: Draft, finding: Finding, now: int
) -> list[Statement]:
    """Makes `row` the held `draft`, and returns the statements that store it and tell the owner.

    Recipients keep their outcomes: if the draft is approved, those who have the message do not get it again.
    """
    hold(row, finding, config_of(agent).holds.ttl_seconds, now)
    row.hold.draft = draft.to_json()
    row.submission = SubmissionRow(provider_message_id=row.submission.provider_message_id)
    apply_draft(row, draft)
    row.header_from, row.email_message_id, row.content_hash, row.trace = agent.email, None, None, ""
    row.size_bytes = len(dump_json(row.hold.draft) or "")
    ledger = lifecycle.record(
        core.ids,
        row,
        "review.hold_created",
        now,
        dedupe="review:hold",
        evidence={"review_resolution": "pending"},
    )
    return [
        queries.hold_waiting(row),
        ledger,
        *hold_statements(core, row, finding, now, [ledger]),
        protection_statement(row, finding, now),
    ]


async def end_rest(core: Core, row: MessageRow, now: int) -> list[Statement]:
    """Ends the submission of a rejected draft for those who were still to get it.

    Those who had the message before it was held keep it; then the message is sent to them alone.
    """
    stored = await core.db.read(message_queries.recipients(row.id))
    earlier = [stored_outcome(item) for item in stored if item["outcome"] != "pending"]
    statements = [queries.fail_pending(row.id, REJECTED, now)] if stored else []
    if earlier:
        rest = [item["address"] for item in stored if item["outcome"] == "pending"]
        end = conclude(core, row, [*earlier, *failed(rest, FailureKind.CANCELLED, REJECTED)], now)
        delivery = queries.set_delivery(row.id, delivery_status=end.status, delivery_detail=end.detail)
        statements += [delivery, *end.events]
    return statements


def _files(content: bytes) -> list[bytes]:
    """The files of a message that this program composed, in the order of its parts.

    Only they have a Content-Disposition there; what is found inside a signature or an archive is part of its file.
    """
    leaves = mime_leaves(content, parse_headers(content))
    return [part.content(content) for part in leaves if part.disposition and part.within is None]
