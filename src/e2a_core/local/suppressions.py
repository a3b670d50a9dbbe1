"""The suppression lists as one caller may see and change them."""

from __future__ import annotations

from e2a_core.agents.lookup import resolve_agent
from e2a_core.clock import from_micros
from e2a_core.contract.base import Page
from e2a_core.contract.principal import Principal
from e2a_core.contract.suppressions import (
    AgentSuppressionView,
    CreateAgentSuppressionRequest,
    DeleteSuppressionResult,
    SuppressionView,
)
from e2a_core.core import Core
from e2a_core.errors import InvalidRecipient, InvalidRequest, NotFound
from e2a_core.mail.addresses import normalize_addr_spec, parse_address
from e2a_core.paging import paged
from e2a_core.store.statement import Row, first
from e2a_core.suppressions import queries
from e2a_core.suppressions.entries import add_to_agent
from e2a_core.texts import is_storable, require_storable

__all__ = ["Suppressions"]


class Suppressions:
    """`engine.Suppressions`; an account credential's business on both lists."""

    def __init__(self, core: Core, principal: Principal) -> None:
        self._core = core
        self._principal = principal

    async def list(self, *, cursor: str | None = None, limit: int = 100) -> Page[SuppressionView]:
        self._principal.require_account()
        account_id = self._principal.account_id
        return await paged(
            self._core,
            lambda after, count: queries.of_account(account_id, after, count),
            query={"list": "suppressions"},
            cursor=cursor,
            limit=limit,
            columns=("created_at", "address"),
            view=_view,
        )

    async def delete(self, address: str) -> DeleteSuppressionResult:
        """Lets mail to `address` pass again; entries of single agents stay. The answer repeats the address as given."""
        self._principal.require_account()
        if is_storable(address):
            wanted = normalize_addr_spec(address)
            [gone] = await self._core.db.write([queries.delete(self._principal.account_id, wanted)])
            if gone.rowcount:
                return DeleteSuppressionResult(address=address, deleted=True)
        raise NotFound("it is not on the account's list; an inbox has a list of its own")

    async def list_of_agent(
        self, email: str, *, cursor: str | None = None, limit: int = 100
    ) -> Page[AgentSuppressionView]:
        self._principal.require_account()
        agent = await resolve_agent(self._core, self._principal, email)
        return await paged(
            self._core,
            lambda after, count: queries.of_agent(agent.account_id, agent.email, after, count),
            query={"list": "agent-suppressions", "agent": agent.email},
            cursor=cursor,
            limit=limit,
            columns=("created_at", "address"),
            view=_agent_view,
        )

    async def create_for_agent(
        self, email: str, request: CreateAgentSuppressionRequest
    ) -> AgentSuppressionView:
        """The entry, which a repetition finds unchanged."""
        self._principal.require_account()
        agent = await resolve_agent(self._core, self._principal, email)
        address = _bare_address(request.address)
        reason = require_storable(request.reason, "body.reason") if request.reason else None
        await add_to_agent(self._core, agent.account_id, agent.email, address, "manual", reason)
        row = first(await self._core.db.read(queries.one_of_agent(agent.account_id, agent.email, address)))
        if row is None:
            raise NotFound("the suppression was removed meanwhile")
        return _agent_view(row)

    async def delete_of_agent(self, email: str, address: str) -> DeleteSuppressionResult:
        self._principal.require_account()
        agent = await resolve_agent(self._core, self._principal, email)
        if is_storable(address):
            wanted = normalize_addr_spec(address)
            [gone] = await self._core.db.write(
                [queries.delete_of_agent(agent.account_id, agent.email, wanted)]
            )
            if gone.rowcount:
                return DeleteSuppressionResult(address=wanted, deleted=True)
        raise NotFound("it is not on the list of this inbox; the account has a list of its own")


def _bare_address(text: str) -> str:
    try:
        parsed = parse_address(require_storable(text, "body.address"))
    except InvalidRecipient as problem:
        raise InvalidRequest(problem.message, location="body.address") from None
    if parsed.display_name:
        raise InvalidRequest("must be the bare address, without a name", location="body.address")
    return parsed.normalized


def _view(row: Row) -> SuppressionView:
    return SuppressionView(
        address=row["address"],
        source=row["source"],
        reason=row["reason"],
        source_message_id=row["source_message_id"],
        created_at=from_micros(row["created_at"]),
    )


def _agent_view(row: Row) -> AgentSuppressionView:
    return AgentSuppressionView(
        agent_email=row["agent_email"],
        address=row["address"],
        source=row["source"],
        reason=row["reason"],
        created_at=from_micros(row["created_at"]),
    )
