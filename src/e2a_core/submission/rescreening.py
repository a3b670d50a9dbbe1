"""Screening mail again when it leaves: what was allowed when it was accepted may not be any more."""

from __future__ import annotations

from e2a_core.accounts import queries as account_queries
from e2a_core.agents.queries import AgentRow
from e2a_core.contract.states import Review
from e2a_core.core import Core
from e2a_core.messages.rows import MessageRow
from e2a_core.screening.disposition import Disposition
from e2a_core.store.statement import first
from e2a_core.submission.admission import answers_elsewhere, screen

__all__ = ["KEY_REVOKED", "reason_to_stop"]

KEY_REVOKED = "the API key it was sent with was revoked before it left"

_APPROVED_BY_TIME = frozenset({Review.PENDING, Review.EXPIRED_APPROVED})
"""A draft that nobody decided on in time, before and after its hold ends: its review is over."""


async def reason_to_stop(core: Core, agent: AgentRow, row: MessageRow) -> str | None:
    """Why a message that waited may not leave now, or None.

    A revoked key and the outbound gate stop it. What a person approved is not screened again, since the decision was
    about this very message; what was approved by time alone is stopped by a gate that blocks.
    """
    if row.type == "test" or (row.hold.status is Review.SENT and row.hold.reviewed_at is not None):
        return None
    if row.credential_id and first(await core.db.read(account_queries.revoked(row.credential_id))):
        return KEY_REVOKED
    addressed = [*row.to_addresses, *row.cc, *row.bcc, *answers_elsewhere(agent, row.reply_to)]
    finding = await screen(core, agent, addressed)
    if finding is None or finding.action < Disposition.REVIEW:
        return None
    if finding.action is Disposition.BLOCK:
        return f"blocked by the agent's protection, which changed before it left: {finding.detail}"
    if row.hold.status in _APPROVED_BY_TIME:
        return None
    return (
        "not sent, because the agent's protection changed before it left and now wants a review: "
        f"{finding.detail}; send it again to have it reviewed"
    )
