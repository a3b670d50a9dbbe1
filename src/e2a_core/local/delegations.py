"""Making, listing and revoking delegations, and finding the one that holds for a message."""

from __future__ import annotations

from e2a_core.clock import from_micros, to_micros
from e2a_core.contract.agents import CreateDelegationRequest, DelegationView
from e2a_core.contract.principal import Principal
from e2a_core.core import Core
from e2a_core.delegations import queries
from e2a_core.delegations.queries import DelegationRow, delegation_from
from e2a_core.errors import InvalidRecipient, InvalidRequest, NotFound
from e2a_core.mail.addresses import parse_address
from e2a_core.texts import is_storable

__all__ = ["Delegations"]


class Delegations:
    """The delegations of agents the caller was found to own; part of `engine.Agents`."""

    def __init__(self, core: Core, principal: Principal) -> None:
        self._core = core
        self._principal = principal

    async def list(self, agent_email: str) -> list[DelegationView]:
        rows = await self._core.db.read(queries.of_agent(agent_email))
        return [_view(delegation_from(row)) for row in rows]

    async def create(self, agent_email: str, request: CreateDelegationRequest) -> DelegationView:
        now = self._core.clock.now()
        valid_from = request.valid_from or now
        if request.valid_until is not None and request.valid_until <= max(now, valid_from):
            raise InvalidRequest("must lie in the future and after valid_from", location="body.valid_until")
        row = DelegationRow(
            id=self._core.ids.delegation(),
            account_id=self._principal.account_id,
            agent_email=agent_email,
            human=_human(request.human),
            valid_from=to_micros(valid_from),
            valid_until=None if request.valid_until is None else to_micros(request.valid_until),
            created_at=to_micros(now),
        )
        await self._core.db.write([queries.insert_delegation(row)])
        return _view(row)

    async def revoke(self, agent_email: str, delegation_id: str) -> None:
        if not is_storable(delegation_id):
            raise NotFound("no such delegation")
        now = to_micros(self._core.clock.now())
        [revoked] = await self._core.db.write([queries.revoke(agent_email, delegation_id, now)])
        if not revoked.rowcount:
            raise NotFound("no such delegation")


def _human(text: str) -> str:
    try:
        return parse_address(text).normalized
    except InvalidRecipient as problem:
        raise InvalidRequest(problem.message, location="body.human") from None


def _view(row: DelegationRow) -> DelegationView:
    return DelegationView(
        id=row.id,
        agent_email=row.agent_email,
        human=row.human,
        valid_from=from_micros(row.valid_from),
        valid_until=None if row.valid_until is None else from_micros(row.valid_until),
        created_at=from_micros(row.created_at),
    )
