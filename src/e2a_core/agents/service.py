"""Agents as one caller may see and change them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from ..accounts.limits import DEFAULT_LIMITS
from ..clock import from_micros, to_micros
from ..core import Core
from ..delegations.service import Delegations
from ..domains.service import authorising_domain
from ..errors import (
    AddressInTrash,
    AgentTaken,
    E2AError,
    InvalidRequest,
    LimitExceeded,
    NotFound,
    NotImplementedHere,
    NotInTrash,
)
from ..mail.fields import one_line
from ..paging import Position, paged
from ..principal import Principal
from ..store.contract import Row, StaleWrite
from ..store.errors import UniqueViolation
from ..texts import require_storable
from ..wire.agents import (
    AgentView,
    CreateAgentRequest,
    CreateDelegationRequest,
    DelegationView,
    DeleteAgentResult,
    UpdateAgentRequest,
)
from ..wire.base import Page
from ..wire.sending import SendResultView
from . import queries
from .addresses import NewAddress, parse_new_address
from .lookup import resolve_agent
from .purge import purge_agent
from .queries import AgentRow, agent_from

__all__ = ["Agents", "agent_view", "create_agent"]


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
            position=lambda row: Position(row["created_at"], row["email"]),
            view=_view_of_row,
        )

    async def get(self, email: str) -> AgentView:
        return agent_view(await resolve_agent(self._core, self._principal, email))

    async def create(self, request: CreateAgentRequest) -> AgentView:
        self._principal.require_account()
        address = parse_new_address(request.email, shared_domain=self._core.settings.shared_domain)
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
        try:
            await self._core.db.write([queries.trash(agent.email, to_micros(self._core.clock.now()))])
        except StaleWrite:
            raise NotFound("no such agent") from None
        return DeleteAgentResult(email=agent.email, messages_deleted=0)

    async def restore(self, email: str) -> AgentView:
        """Out of the trash; its pending holds expire later by the time it spent there."""
        self._principal.require_account()
        agent = await resolve_agent(self._core, self._principal, email, trashed=True)
        if agent.deleted_at is None:
            raise NotInTrash("the agent is not in the trash")
        away = max(0, to_micros(self._core.clock.now()) - agent.deleted_at)
        try:
            await self._core.db.write(
                [queries.restore(agent.email, agent.deleted_at), queries.shift_holds(agent.email, away)]
            )
        except StaleWrite:
            raise NotInTrash("the agent is not in the trash") from None
        return await self.get(agent.email)

    async def test(self, email: str) -> SendResultView:
        agent = await resolve_agent(self._core, self._principal, email)
        if self._sender is None:
            raise NotImplementedHere("this deployment sends no mail")
        return await self._sender.test(agent)

    async def delegations(self, email: str) -> Sequence[DelegationView]:
        self._principal.require_account()
        agent = await resolve_agent(self._core, self._principal, email)
        return await self._delegations.list(agent.email)

    async def delegate(self, email: str, request: CreateDelegationRequest) -> DelegationView:
        self._principal.require_account()
        agent = await resolve_agent(self._core, self._principal, email)
        return await self._delegations.create(agent.email, request)

    async def revoke_delegation(self, email: str, delegation_id: str) -> None:
        self._principal.require_account()
        agent = await resolve_agent(self._core, self._principal, email)
        await self._delegations.revoke(agent.email, delegation_id)


async def create_agent(core: Core, account_id: str, address: NewAddress, *, name: str = "") -> AgentRow:
    """A new agent of the account, if it may have that address and has room for one more."""
    registered = address.domain
    if address.domain != core.settings.shared_domain:
        registered = await authorising_domain(core, account_id, address.domain)
    await _check_quota(core, account_id)
    agent = AgentRow(
        email=address.email,
        account_id=account_id,
        domain=address.domain,
        registered_domain=registered,
        name=name,
        protection="{}",
        created_at=to_micros(core.clock.now()),
        deleted_at=None,
        domain_verified=True,
    )
    try:
        await core.db.write([queries.insert_agent(agent)])
    except UniqueViolation:
        raise await _taken(core, account_id, agent.email) from None
    return agent


def agent_view(agent: AgentRow) -> AgentView:
    return AgentView(
        email=agent.email,
        domain=agent.domain,
        registered_domain=agent.registered_domain,
        name=agent.name,
        domain_verified=agent.domain_verified,
        created_at=from_micros(agent.created_at),
        deleted_at=None if agent.deleted_at is None else from_micros(agent.deleted_at),
    )


def _name(text: str) -> str:
    """It stands before the address in From."""
    return one_line(require_storable(text, "body.name"), "body.name")


def _view_of_row(row: Row) -> AgentView:
    return agent_view(agent_from(row))


async def _check_quota(core: Core, account_id: str) -> None:
    row = await core.db.one(queries.count_live(account_id))
    live = 0 if row is None else row["agents"]
    if live >= DEFAULT_LIMITS.max_agents:
        raise LimitExceeded("agents", DEFAULT_LIMITS.max_agents, live)


async def _taken(core: Core, account_id: str, email: str) -> E2AError:
    row = await core.db.one(queries.agent(email))
    if row is not None and row["account_id"] == account_id and row["deleted_at"] is not None:
        return AddressInTrash("an agent in the trash has this address; restore it or delete it permanently")
    return AgentTaken("this address is taken")
