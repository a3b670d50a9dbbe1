"""Screening mail again when it leaves: what was allowed when it was accepted may not be any more."""

from __future__ import annotations

from dataclasses import dataclass

from e2a_core.accounts import queries as account_queries
from e2a_core.agents.queries import AgentRow
from e2a_core.contract.states import Review
from e2a_core.core import Core
from e2a_core.messages.rows import MessageRow
from e2a_core.screening.disposition import Disposition, Finding
from e2a_core.store.statement import first
from e2a_core.submission.admission import answers_elsewhere, screen

__all__ = ["KEY_REVOKED", "Departure", "rescreen"]

KEY_REVOKED = "the API key it was sent with was revoked before it left"
REVIEW_WANTED = "not sent, because the agent's protection changed before it left and now wants a review"

_APPROVED_BY_TIME = frozenset({Review.PENDING, Review.EXPIRED_APPROVED})
"""A draft that nobody decided on in time, before and after its hold ends: its review is over."""


@dataclass(frozen=True, slots=True)
class Departure:
    """What keeps a message from leaving: `stop` says why it never may, `review` what a person has to decide first."""

    stop: str | None = None
    review: Finding | None = None

    @property
    def reason(self) -> str | None:
        """Why the message is not sent; of one that waits for a review, for when it cannot be held."""
        if self.review is None:
            return self.stop
        return f"{REVIEW_WANTED}: {self.review.detail}; send it again to have it reviewed"


async def rescreen(core: Core, agent: AgentRow, row: MessageRow) -> Departure:
    """Looks at a message that waited, with the key and the outbound gate as they are now.

    What a person approved is not screened again, since the decision was about this very message; what was approved by
    time alone is stopped by a gate that blocks.
    """
    if row.type == "test" or (row.hold.status is Review.SENT and row.hold.exists):
        return Departure()
    if row.credential_id and first(await core.db.read(account_queries.revoked(row.credential_id))):
        return Departure(stop=KEY_REVOKED)
    addressed = [*row.to_addresses, *row.cc, *row.bcc, *answers_elsewhere(agent, row.reply_to)]
    finding = await screen(core, agent, addressed)
    if finding is None or finding.action < Disposition.REVIEW:
        return Departure()
    if finding.action is Disposition.BLOCK:
        detail = f"blocked by the agent's protection, which changed before it left: {finding.detail}"
        return Departure(stop=detail)
    return Departure() if row.hold.status in _APPROVED_BY_TIME else Departure(review=finding)
