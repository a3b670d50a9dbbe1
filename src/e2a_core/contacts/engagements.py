"""The outreach of one agent: its notes on contacts, together with figures from its mail with them."""

from __future__ import annotations

from typing import Any

from e2a_core.agents.lookup import resolve_agent
from e2a_core.agents.queries import AgentRow
from e2a_core.clock import from_micros, to_micros
from e2a_core.contacts import due, outreach, queries
from e2a_core.contacts.fields import asked_for, canonical, check_match, check_metadata, stored_metadata
from e2a_core.contacts.views import engagement_view
from e2a_core.contract.base import Page
from e2a_core.contract.contacts import (
    ContactEngagementView,
    DeleteEngagementResult,
    EngagementQuery,
    UpsertEngagementRequest,
)
from e2a_core.contract.principal import Principal
from e2a_core.core import Core
from e2a_core.errors import EngagementNotFound, PreconditionFailed
from e2a_core.messages.conditions import instant as instant_of
from e2a_core.paging import paged
from e2a_core.store.statement import Row, Statement, first
from e2a_core.texts import require_storable

__all__ = ["Engagements"]


class Engagements:
    """The part of `engine.Contacts` that an agent credential may use, for its own agent."""

    def __init__(self, core: Core, principal: Principal) -> None:
        self._core = core
        self._principal = principal

    async def list(self, email: str, query: EngagementQuery) -> Page[ContactEngagementView]:
        agent = await self._agent(email)
        filters: dict[str, Any] = {
            "stage": None if query.stage is None else require_storable(query.stage, "query.stage"),
            "replied": query.replied,
            "suppressed": query.suppressed,
        }
        now = self._core.clock.now()
        period = {
            "next_action_before": instant_of(query.next_action_before, "query.next_action_before", now),
            "last_outbound_before": instant_of(query.last_outbound_before, "query.last_outbound_before", now),
        }
        return await paged(
            self._core,
            lambda after, count: outreach.engagements(agent.email, {**filters, **period}, after, count),
            query={"list": "engagements", "agent": agent.email, **filters},
            cursor=query.cursor,
            limit=query.limit,
            columns=("created_at", "address"),
            view=engagement_view,
        )

    async def get(self, email: str, address: str) -> ContactEngagementView:
        agent = await self._agent(email)
        return engagement_view(
            await self._row(agent.email, asked_for(address, EngagementNotFound("no such outreach")))
        )

    async def upsert(
        self, email: str, address: str, request: UpsertEngagementRequest, *, if_match: str | None = None
    ) -> ContactEngagementView:
        """Enrols the contact, creating it if missing, or updates the given members of an existing enrolment.

        `created_at` and `updated_at` of the view are equal for a new enrolment. With `if_match` nothing is created.
        Raises `PreconditionFailed` if the enrolment is not in the state that `if_match` names.
        """
        agent = await self._agent(email)
        wanted = canonical(address, "path.address")
        values = _values(request)
        found = first(await self._core.db.read(outreach.engagement(agent.email, wanted)))
        check_match(if_match, found["updated_at"] if found else None)
        if found is None and await self._enrol(agent, wanted, values):
            return engagement_view(await self._row(agent.email, wanted))
        seen = found["updated_at"] if found and if_match is not None else None
        [changed, *_] = await self._core.db.write(
            [
                outreach.update(agent.email, wanted, values, now=self._now(), seen=seen),
                *_wake(self._core, values),
            ]
        )
        if not changed.rowcount and if_match is not None:
            raise PreconditionFailed("it was changed by another request; read it again before writing")
        return engagement_view(await self._row(agent.email, wanted))

    async def delete(self, email: str, address: str) -> DeleteEngagementResult:
        """Deletes the outreach, but neither the contact nor its suppressions. Raises `EngagementNotFound`."""
        agent = await self._agent(email)
        wanted = asked_for(address, EngagementNotFound("no such outreach"))
        [gone] = await self._core.db.write([outreach.delete(agent.email, wanted)])
        if not gone.rowcount:
            raise EngagementNotFound("no such outreach")
        return DeleteEngagementResult(address=wanted, deleted=True)

    async def _enrol(self, agent: AgentRow, address: str, values: dict[str, Any]) -> bool:
        """Enrols the contact. Returns False if it was enrolled already."""
        now = self._now()
        [_, enrolled, *_] = await self._core.db.write(
            [
                queries.insert(agent.account_id, address, source="manual", now=now),
                outreach.insert(agent.account_id, agent.email, address, now=now, **values),
                *_wake(self._core, values),
            ]
        )
        return bool(enrolled.rowcount)

    async def _agent(self, email: str) -> AgentRow:
        return await resolve_agent(self._core, self._principal, email)

    async def _row(self, agent_email: str, address: str) -> Row:
        row = first(await self._core.db.read(outreach.engagement(agent_email, address)))
        if row is None:
            raise EngagementNotFound("no such outreach")
        return row

    def _now(self) -> int:
        return to_micros(self._core.clock.now())


def _wake(core: Core, values: dict[str, Any]) -> list[Statement]:
    """Has the instant of the next action told of when it comes."""
    instant = values.get("next_action_at")
    if instant is None:
        return []
    return [due.wake(from_micros(instant), ids=core.ids, now=core.clock.now())]


def _values(request: UpsertEngagementRequest) -> dict[str, Any]:
    """The columns that the request sets; null clears only the instant of the next action."""
    values: dict[str, Any] = {}
    if request.stage is not None:
        values["stage"] = require_storable(request.stage, "body.stage")
    if request.metadata is not None:
        values["metadata"] = stored_metadata(check_metadata(request.metadata, "body.metadata"))
    if "next_action_at" in request.model_fields_set:
        instant = request.next_action_at
        values["next_action_at"] = None if instant is None else to_micros(instant)
    return values
