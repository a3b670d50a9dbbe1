"""The two lists: what may be put on them, by whom, and what a second time does."""

from __future__ import annotations

import pytest

from e2a_core.clock import to_micros
from e2a_core.contract.principal import Principal
from e2a_core.contract.suppressions import CreateAgentSuppressionRequest
from e2a_core.core import Core
from e2a_core.erasure.agents import purge_agent
from e2a_core.errors import Forbidden, InvalidRequest, NotFound
from e2a_core.local.suppressions import Suppressions
from e2a_core.store.statement import sql
from e2a_core.suppressions.queries import insert
from tests.support.clock import ManualClock
from tests.support.deployment import account, agent_credential, make_agent

pytestmark = pytest.mark.anyio

BOT = "bot@agents.localhost"
ANN = "ann@example.org"


def request(address: str = ANN, reason: str | None = None) -> CreateAgentSuppressionRequest:
    return CreateAgentSuppressionRequest(address=address, reason=reason)


async def added(core: Core) -> list[str]:
    return [
        str(row["type"])
        for row in await core.db.read(
            sql("SELECT type FROM events WHERE type <> 'agent.created' ORDER BY seq")
        )
    ]


async def bounce(core: Core, principal: Principal, address: str) -> None:
    now = to_micros(core.clock.now())
    await core.db.write([insert(principal.account_id, address, "bounce", "5.1.1", "msg_1", now)])


async def test_an_entry_is_made_once_and_told_once(core: Core, owner: Principal, clock: ManualClock) -> None:
    await make_agent(core, owner, BOT)
    service = Suppressions(core, owner)
    first = await service.create_for_agent(BOT, request(" Ann@Example.ORG ", "asked to"))
    assert (first.address, first.agent_email, first.source, first.reason) == (ANN, BOT, "manual", "asked to")
    clock.advance(seconds=5)
    assert await service.create_for_agent(BOT, request(reason="another")) == first
    assert await added(core) == ["agent.suppression_added"]
    assert (await service.delete_of_agent(BOT, " ANN@example.org")).address == ANN
    with pytest.raises(NotFound):
        await service.delete_of_agent(BOT, ANN)
    again = await service.create_for_agent(BOT, request())
    assert again.created_at > first.created_at
    assert len(await added(core)) == 2


async def test_pages_of_an_agents_list(core: Core, owner: Principal, clock: ManualClock) -> None:
    await make_agent(core, owner, BOT)
    service = Suppressions(core, owner)
    for name in "abc":
        await service.create_for_agent(BOT, request(f"{name}@example.org"))
        clock.advance(seconds=1)
    page = await service.list_of_agent(BOT, limit=2)
    assert [item.address for item in page.items] == ["c@example.org", "b@example.org"]
    rest = await service.list_of_agent(BOT, limit=2, cursor=page.next_cursor)
    assert ([item.address for item in rest.items], rest.next_cursor) == (["a@example.org"], None)


async def test_the_accounts_list(core: Core, owner: Principal, clock: ManualClock) -> None:
    other = await account(core, "other@example.org")
    await bounce(core, owner, ANN)
    clock.advance(seconds=1)
    await bounce(core, owner, "bob@example.org")
    service = Suppressions(core, owner)
    page = await service.list(limit=1)
    assert [item.address for item in page.items] == ["bob@example.org"]
    [item] = (await service.list(limit=1, cursor=page.next_cursor)).items
    assert (item.address, item.source, item.reason, item.source_message_id) == (
        ANN,
        "bounce",
        "5.1.1",
        "msg_1",
    )
    assert (await Suppressions(core, other).list()).items == []
    with pytest.raises(NotFound):
        await Suppressions(core, other).delete(ANN)
    result = await service.delete(" Ann@example.org ")
    assert (result.deleted, result.address) == (True, " Ann@example.org ")
    for gone in (ANN, "nobody", "a\x00b"):
        with pytest.raises(NotFound):
            await service.delete(gone)


@pytest.mark.parametrize(
    "address", ["Ann <ann@example.org>", "ann", "", "a@b@c", "a@example.org, b@example.org", "\x00"]
)
async def test_only_a_bare_address_can_be_put_on_a_list(core: Core, owner: Principal, address: str) -> None:
    await make_agent(core, owner, BOT)
    with pytest.raises(InvalidRequest) as refused:
        await Suppressions(core, owner).create_for_agent(BOT, request(address))
    assert (refused.value.code, refused.value.status) == ("invalid_request", 400)
    assert refused.value.fields[0][0] == "body.address"


async def test_agents_may_not_look_at_or_change_lists(core: Core, owner: Principal) -> None:
    await make_agent(core, owner, BOT)
    service = Suppressions(core, agent_credential(owner, BOT))
    for call in (
        service.list(),
        service.delete(ANN),
        service.list_of_agent("nobody@agents.localhost"),
        service.create_for_agent(BOT, request()),
        service.delete_of_agent(BOT, ANN),
    ):
        with pytest.raises(Forbidden):
            await call
    assert await added(core) == []


async def test_entries_outlive_their_agent(core: Core, owner: Principal) -> None:
    await make_agent(core, owner, BOT)
    service = Suppressions(core, owner)
    await service.create_for_agent(BOT, request())
    await purge_agent(core, BOT)
    with pytest.raises(NotFound):
        await service.list_of_agent(BOT)
    await make_agent(core, owner, BOT)
    assert [item.address for item in (await service.list_of_agent(BOT)).items] == [ANN]
