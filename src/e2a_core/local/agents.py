"""Agents as one caller may see and change them."""

from __future__ import annotations

from typing import Protocol

from e2a_core.agents import queries
from e2a_core.agents.addresses import parse_new_address
from e2a_core.agents.create import agent_view, create_agent
from e2a_core.agents.events import emit
from e2a_core.agents.lookup import resolve_agent
from e2a_core.agents.queries import AgentRow, agent_from
from e2a_core.clock import to_micros
from e2a_core.contract.agents import (
    AgentView,
    CreateAgentRequest,
    CreateDelegationRequest,
    DelegationView,
    DeleteAgentResult,
    DeleteDelegationResult,
    UpdateAgentRequest,
)
from e2a_core.contract.base import Page
from e2a_core.contract.principal import Principal
from e2a_core.contract.sending import SendResultView
from e2a_core.core import Core
from e2a_core.erasure.agents import purge_agent
from e2a_core.errors import (
    InvalidRequest,
    NotFound,
    NotImplementedHere,
    NotInTrash,
)
from e2a_core.local.delegations import Delegations
from e2a_core.mail.fields import one_line
from e2a_core.mail.roles import is_role_address
from e2a_core.paging import paged
from e2a_core.store.statement import Row, StaleWrite
from e2a_core.submission.queue import wake_paused
from e2a_core.texts import require_storable

__all__ = ["Agents"]


class TestSender(Protocol):
    """Sends the mail by which an agent's owner sees that it can be reached."""

    async def test(self, agent: AgentRow) -> SendResultView: ...


class Agents:
    """`engine.Agents`. An agent credential may look at its own agent and test it, and nothing more.

    `sender` is what a test is sent with; where there is none, nothing can be tested.
    """

    def __init__(self, core: Core, principal: Principal, sender: TestSender | None = None) -> None:
        self._core = core
        self._principal = principal
        self._sender = sender
        self._delegations = Delegations(core, principal)

    async def list(
        self, *, deleted: bool = False, cursor: str | None = None, limit: int = 100
    ) -> Page[AgentView]:
        self._principal.require_account()
        account_id = self._principal.account_id
        return await paged(
            self._core,
            lambda after, count: queries.agents(account_id, trashed=deleted, after=after, count=count),
            query={"list": "agents", "deleted": deleted},
            cursor=cursor,
            limit=limit,
            columns=("created_at", "email"),
            view=_view_of_row,
        )

    async def get(self, email: str) -> AgentView:
        return agent_view(await resolve_agent(self._core, self._principal, email))

    async def create(self, request: CreateAgentRequest) -> AgentView:
        self._principal.require_account()
        settings = self._core.settings
        address = parse_new_address(
            request.email, shared_domain=settings.shared_domain, from_domain=settings.from_domain
        )
        return agent_view(
            await create_agent(
                self._core, self._principal.account_id, address, name=_name(request.name or "")
            )
        )

    async def update(self, email: str, request: UpdateAgentRequest) -> AgentView:
        self._principal.require_account()
        agent = await resolve_agent(self._core, self._principal, email)
        if request.name is None:
            raise InvalidRequest("give the new name; an empty one clears it", location="body.name")
        try:
            await self._core.db.write([queries.rename(agent.email, _name(request.name))])
        except StaleWrite:
            raise NotFound("no such agent") from None
        return await self.get(agent.email)

    async def delete(self, email: str, *, permanent: bool = False) -> DeleteAgentResult:
        """To the trash, where mail to it is refused and its address stays taken; or, `permanent`, for good."""
        self._principal.require_account()
        agent = await resolve_agent(self._core, self._principal, email, trashed=permanent)
        if permanent:
            deleted = await purge_agent(self._core, agent.email)
            return DeleteAgentResult(email=agent.email, messages_deleted=deleted)
        if is_role_address(agent.email):
            raise InvalidRequest(
                "a domain takes mail for its roles as long as it is served; `permanent` empties the mailbox",
                location="path.email",
            )
        now = to_micros(self._core.clock.now())
        told = emit(self._core, "agent.trashed", agent.email, agent.account_id, now)
        try:
            await self._core.db.write([queries.trash(agent.email, now), *told])
        except StaleWrite:
            raise NotFound("no such agent") from None
        return DeleteAgentResult(email=agent.email, messages_deleted=0)

    async def restore(self, email: str) -> AgentView:
        """Out of the trash; its pending holds expire later by the time it spent there."""
        self._principal.require_account()
        agent = await resolve_agent(self._core, self._principal, email, trashed=True)
        if agent.deleted_at is None:
            raise NotInTrash("the agent is not in the trash")
        now = to_micros(self._core.clock.now())
        statements = [
            queries.restore(agent.email, agent.deleted_at),
            queries.shift_holds(agent.email, max(0, now - agent.deleted_at)),
            *emit(self._core, "agent.restored", agent.email, agent.account_id, now),
        ]
        try:
            await self._core.db.write(statements)
        except StaleWrite:
            raise NotInTrash("the agent is not in the trash") from None
        return await self.get(agent.email)

    async def pause(self, email: str) -> AgentView:
        return await self._set_paused(email, since=to_micros(self._core.clock.now()))

    async def resume(self, email: str) -> AgentView:
        return await self._set_paused(email, since=None)

    async def test(self, email: str) -> SendResultView:
        agent = await resolve_agent(self._core, self._principal, email)
        if self._sender is None:
            raise NotImplementedHere("this deployment sends no mail")
        return await self._sender.test(agent)

    async def _set_paused(self, email: str, *, since: int | None) -> AgentView:
        self._principal.require_account()
        agent = await resolve_agent(self._core, self._principal, email)
        statements = [queries.set_paused(agent.email, since)]
        if since is None:
            now = to_micros(self._core.clock.now())
            statements.append(wake_paused(agent.account_id, agent.email, now))
        try:
            await self._core.db.write(statements)
        except StaleWrite:
            raise NotFound("no such agent") from None
        return await self.get(agent.email)

    async def delegations(self, email: str) -> Page[DelegationView]:
        self._principal.require_account()
        agent = await resolve_agent(self._core, self._principal, email)
        return Page[DelegationView](items=list(await self._delegations.list(agent.email)))

    async def delegate(self, email: str, request: CreateDelegationRequest) -> DelegationView:
        self._principal.require_account()
        agent = await resolve_agent(self._core, self._principal, email)
        if is_role_address(agent.email):
            raise InvalidRequest("this mailbox is the owner's, and no agent's", location="path.email")
        return await self._delegations.create(agent.email, request)

    async def revoke_delegation(self, email: str, delegation_id: str) -> DeleteDelegationResult:
        self._principal.require_account()
        agent = await resolve_agent(self._core, self._principal, email)
        await self._delegations.revoke(agent.email, delegation_id)
        return DeleteDelegationResult(id=delegation_id)


def _name(text: str) -> str:
    """It stands before the address in From."""
    return one_line(require_storable(text, "body.name"), "body.name")


def _view_of_row(row: Row) -> AgentView:
    return agent_view(agent_from(row))
