"""Ending holds that expire without a decision."""

from __future__ import annotations

import logging

from e2a_core.agents import queries as agent_queries
from e2a_core.agents.queries import AgentRow, agent_from
from e2a_core.clock import from_micros, to_micros
from e2a_core.contract.reviews import ApproveRequest
from e2a_core.core import Core
from e2a_core.errors import E2AError, MessageNotPending, StoreUnavailable
from e2a_core.messages.rows import MessageRow
from e2a_core.protection.config import config_of
from e2a_core.reviews import decide, queries
from e2a_core.reviews.decide import Decider
from e2a_core.store.jobs import Job
from e2a_core.store.statement import first
from e2a_core.submission.rescreening import rescreen

__all__ = ["HoldExpiry"]

_BY_TIME = Decider("expiry", automatic=True)
_RECHECK_MICROS = 3_600_000_000
"""The wait before checking again while the inbox is in the trash, or paused, where no draft is sent."""

_log = logging.getLogger(__name__)


class HoldExpiry:
    """Handles expiry jobs. Each approves or rejects one hold, as the agent's protection config says."""

    def __init__(self, core: Core) -> None:
        self._core = core

    async def __call__(self, job: Job) -> None:
        found = first(await self._core.db.read(queries.held(str(job.payload["message_id"]))))
        if found is None:
            return
        row = MessageRow.from_store(found)
        agent = agent_from(first(await self._core.db.read(agent_queries.agent(row.agent_email))) or {})
        now = to_micros(self._core.clock.now())
        expires = row.hold.approval_expires_at or now
        approves = config_of(agent).holds.on_expiry == "approve"
        if agent.trashed or (agent.paused and approves and not row.inbound):
            expires = max(expires, now + _RECHECK_MICROS)
        if expires > now:
            later = job.retry(from_micros(expires), "not expired yet", count_attempt=False)
            await self._core.db.write([later])
            return
        try:
            await self._end(row, agent, approve=approves)
        except MessageNotPending:
            _log.debug("hold %s was decided while it expired", row.id)

    async def _end(self, row: MessageRow, agent: AgentRow, *, approve: bool) -> None:
        reason = None if approve else "ttl_expired"
        if approve and not row.inbound:
            reason = (await rescreen(self._core, agent, row)).stop
        if reason is not None:
            await decide.reject(self._core, row, reason, _BY_TIME)
            return
        try:
            await decide.approve(self._core, row, ApproveRequest(), _BY_TIME)
        except (MessageNotPending, StoreUnavailable):
            raise
        except E2AError as problem:
            # Otherwise a draft that can no longer be sent would stay held forever.
            await decide.reject(self._core, row, f"could not be sent at expiry: {problem.message}", _BY_TIME)
