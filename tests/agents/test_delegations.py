"""Delegations: who may bind whom, and which binding holds when."""

from __future__ import annotations

from datetime import timedelta

import pytest

from e2a_core.contract.agents import CreateDelegationRequest
from e2a_core.contract.principal import Principal
from e2a_core.core import Core
from e2a_core.delegations.lookup import active_delegation
from e2a_core.errors import Forbidden, InvalidRequest, NotFound
from e2a_core.local.agents import Agents
from tests.support.clock import ManualClock
from tests.support.deployment import account, agent_credential, make_agent

pytestmark = pytest.mark.anyio

BOT = "bot@agents.localhost"


async def test_a_binding_holds_from_its_start_until_its_end(
    core: Core, owner: Principal, clock: ManualClock
) -> None:
    await make_agent(core, owner, BOT)
    start, end = clock.now() + timedelta(hours=1), clock.now() + timedelta(hours=2)
    made = await Agents(core, owner).delegate(
        BOT, CreateDelegationRequest(human="Ann <Ann@Example.org>", valid_from=start, valid_until=end)
    )
    assert (made.human, made.valid_from, made.valid_until) == ("ann@example.org", start, end)
    instants = [start - timedelta(microseconds=1), start, end - timedelta(microseconds=1), end]
    held = [await active_delegation(core, BOT, "ANN@example.org", at) is not None for at in instants]
    assert held == [False, True, True, False]
    assert await active_delegation(core, BOT, "bob@example.org", start) is None


async def test_a_revoked_binding_holds_no_more(core: Core, owner: Principal) -> None:
    await make_agent(core, owner, BOT)
    agents = Agents(core, owner)
    made = await agents.delegate(BOT, CreateDelegationRequest(human="ann@example.org"))
    assert made.valid_from == core.clock.now()
    assert "valid_until" not in made.to_wire()
    found = await active_delegation(core, BOT, "ann@example.org", core.clock.now())
    assert found is not None
    assert found.id == made.id
    assert (await agents.delegations(BOT)).items == [made]
    await agents.revoke_delegation(BOT, made.id)
    assert await active_delegation(core, BOT, "ann@example.org", core.clock.now()) is None
    assert (await agents.delegations(BOT)).items == []
    with pytest.raises(NotFound):
        await agents.revoke_delegation(BOT, made.id)


async def test_values_that_cannot_be_used(core: Core, owner: Principal, clock: ManualClock) -> None:
    await make_agent(core, owner, BOT)
    agents, now = Agents(core, owner), clock.now()
    wrong = [
        (CreateDelegationRequest(human="ann"), "body.human"),
        (CreateDelegationRequest(human="ann@example.org", valid_until=now), "body.valid_until"),
        (
            CreateDelegationRequest(
                human="ann@example.org",
                valid_from=now + timedelta(hours=2),
                valid_until=now + timedelta(hours=1),
            ),
            "body.valid_until",
        ),
    ]
    for request, location in wrong:
        with pytest.raises(InvalidRequest) as refusal:
            await agents.delegate(BOT, request)
        assert refusal.value.code == "invalid_request"
        assert refusal.value.fields[0][0] == location


async def test_only_the_account_binds_and_only_its_own_agents(core: Core, owner: Principal) -> None:
    await make_agent(core, owner, BOT)
    request = CreateDelegationRequest(human="ann@example.org")
    with pytest.raises(Forbidden):
        await Agents(core, agent_credential(owner, BOT)).delegate(BOT, request)
    other = Agents(core, await account(core, "b@example.org"))
    with pytest.raises(NotFound):
        await other.delegate(BOT, request)
    made = await Agents(core, owner).delegate(BOT, request)
    sibling = await make_agent(core, owner, "sibling@agents.localhost")
    with pytest.raises(NotFound):
        await Agents(core, owner).revoke_delegation(sibling, made.id)
