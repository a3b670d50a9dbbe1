"""Agents through the service a session uses: made, listed, renamed, trashed, restored, deleted."""

from __future__ import annotations

from dataclasses import replace

import pytest
from anyio import create_task_group

from e2a_core.clock import from_micros, to_micros
from e2a_core.contract.agents import AgentView, CreateAgentRequest, UpdateAgentRequest
from e2a_core.contract.principal import Principal
from e2a_core.core import Core
from e2a_core.erasure.agents import purge_trashed
from e2a_core.errors import (
    AddressInTrash,
    AgentTaken,
    DomainNotRegistered,
    DomainNotVerifiedYet,
    E2AError,
    Forbidden,
    InvalidCursor,
    InvalidRequest,
    NotFound,
    NotInTrash,
    ReservedDomain,
    SendInProgress,
)
from e2a_core.local.agents import Agents
from e2a_core.store.statement import first, sql
from tests.support.clock import ManualClock
from tests.support.deployment import (
    account,
    agent_credential,
    insert_message,
    make_agent,
    message_statements,
    register_domain,
)
from tests.support.waiting import until

pytestmark = pytest.mark.anyio

BOT = "bot@agents.localhost"


async def create(core: Core, principal: Principal, email: str) -> AgentView:
    return await Agents(core, principal).create(CreateAgentRequest(email=email))


async def count(core: Core, table: str) -> int:
    row = first(await core.db.read(sql(f"SELECT COUNT(*) AS rows FROM {table}")))
    assert row is not None
    number: int = row["rows"]
    return number


async def test_a_new_agent_under_the_shared_domain(core: Core, owner: Principal) -> None:
    view = await create(core, owner, " Bot@Agents.Localhost ")
    assert view == AgentView(
        email=BOT,
        domain="agents.localhost",
        registered_domain="agents.localhost",
        name="",
        domain_verified=True,
        created_at=core.clock.now(),
    )
    assert "deleted_at" not in view.to_wire()
    assert await Agents(core, agent_credential(owner, BOT)).get(BOT.upper()) == view


async def test_an_address_under_a_registered_domain_or_below_it(core: Core, owner: Principal) -> None:
    await register_domain(core, owner, "example.com")
    await register_domain(core, owner, "eu.example.com")
    core = replace(core, settings=replace(core.settings, dns_verify=False))
    assert (await create(core, owner, "a@example.com")).registered_domain == "example.com"
    below = await create(core, owner, "a@x.eu.example.com")
    assert (below.domain, below.registered_domain) == ("x.eu.example.com", "eu.example.com")
    assert (await create(core, owner, "a@notexample.example.com")).registered_domain == "example.com"


@pytest.mark.parametrize(
    ("email", "error", "code"),
    [
        ("a@example.net", DomainNotRegistered, "domain_not_registered"),
        ("a@notexample.com", DomainNotRegistered, "domain_not_registered"),
        ("a@com", DomainNotRegistered, "domain_not_registered"),
        ("a@sub.agents.localhost", DomainNotRegistered, "domain_not_registered"),
        ("a@foreign.example", DomainNotRegistered, "domain_not_registered"),
        ("a@pending.example", DomainNotVerifiedYet, "domain_not_verified"),
        ("a@x.pending.example", DomainNotVerifiedYet, "domain_not_verified"),
        ("a@bounce.example.com", ReservedDomain, "reserved_domain"),
        ("a@x.bounce.example.com", ReservedDomain, "reserved_domain"),
    ],
)
async def test_domains_that_do_not_let_in(
    core: Core, owner: Principal, email: str, error: type[InvalidRequest], code: str
) -> None:
    await register_domain(core, owner, "example.com")
    await register_domain(core, owner, "pending.example", verified=False)
    await register_domain(core, await account(core, "b@example.org"), "foreign.example")
    with pytest.raises(error) as refusal:
        await create(core, owner, email)
    assert (refusal.value.code, refusal.value.status) == (code, 400)


async def test_an_address_is_given_once(core: Core, owner: Principal) -> None:
    other = await account(core, "b@example.org")
    await create(core, owner, BOT)
    for principal in (owner, other):
        with pytest.raises(AgentTaken):
            await create(core, principal, BOT)
    await Agents(core, owner).delete(BOT)
    with pytest.raises(AddressInTrash):
        await create(core, owner, BOT)
    with pytest.raises(AgentTaken):
        await create(core, other, BOT)
    await Agents(core, owner).delete(BOT, permanent=True)
    await create(core, other, BOT)


async def test_of_simultaneous_creations_one_wins(core: Core, owner: Principal) -> None:
    made: list[AgentView] = []
    refused: list[E2AError] = []

    async def attempt() -> None:
        try:
            made.append(await create(core, owner, BOT))
        except AgentTaken as refusal:
            refused.append(refusal)

    async with create_task_group() as tasks:
        for _ in range(6):
            tasks.start_soon(attempt)
    assert (len(made), len(refused)) == (1, 5)


async def test_who_sees_whom(core: Core, owner: Principal) -> None:
    await create(core, owner, BOT)
    await create(core, owner, "sibling@agents.localhost")
    await create(core, await account(core, "b@example.org"), "foreign@agents.localhost")
    bot = Agents(core, agent_credential(owner, BOT))
    assert (await bot.get(BOT)).email == BOT
    with pytest.raises(Forbidden):
        await bot.get("sibling@agents.localhost")
    for agents in (bot, Agents(core, owner)):
        for email in ("foreign@agents.localhost", "nobody@agents.localhost", "", "\x00"):
            with pytest.raises(NotFound):
                await agents.get(email)
    await Agents(core, owner).delete("sibling@agents.localhost")
    with pytest.raises(NotFound):
        await bot.get("sibling@agents.localhost")


async def test_an_agent_credential_changes_nothing(core: Core, owner: Principal) -> None:
    await create(core, owner, BOT)
    bot = Agents(core, agent_credential(owner, BOT))
    with pytest.raises(Forbidden):
        await bot.list()
    with pytest.raises(Forbidden):
        await bot.list(deleted=True)
    with pytest.raises(Forbidden):
        await bot.create(CreateAgentRequest(email="new@agents.localhost"))
    with pytest.raises(Forbidden):
        await bot.update(BOT, UpdateAgentRequest(name="x"))
    with pytest.raises(Forbidden):
        await bot.delete(BOT)
    with pytest.raises(Forbidden):
        await bot.delete("nobody@agents.localhost", permanent=True)
    with pytest.raises(Forbidden):
        await bot.restore(BOT)


async def test_a_name_can_be_set_and_cleared(core: Core, owner: Principal) -> None:
    await create(core, owner, BOT)
    agents = Agents(core, owner)
    assert (await agents.update(BOT, UpdateAgentRequest(name="Bo T"))).name == "Bo T"
    with pytest.raises(InvalidRequest):
        await agents.update(BOT, UpdateAgentRequest())
    assert (await agents.update(BOT, UpdateAgentRequest(name=""))).name == ""


async def test_lists_are_newest_first_and_paged(core: Core, owner: Principal, clock: ManualClock) -> None:
    emails = []
    for number in range(5):
        clock.advance(seconds=number % 2)
        emails.append((await create(core, owner, f"bot{number}@agents.localhost")).email)
    await Agents(core, owner).delete("bot2@agents.localhost")
    await create(core, await account(core, "b@example.org"), "foreign@agents.localhost")
    seen, cursor = [], None
    while True:
        page = await Agents(core, owner).list(cursor=cursor, limit=2)
        seen += [item.email.partition("@")[0] for item in page.items]
        cursor = page.next_cursor
        if cursor is None:
            break
    assert seen == ["bot4", "bot3", "bot1", "bot0"]


async def test_the_trash_is_a_list_of_its_own(core: Core, owner: Principal) -> None:
    agents = Agents(core, owner)
    for number in range(3):
        await create(core, owner, f"bot{number}@agents.localhost")
    deleted_at = core.clock.now()
    for number in range(2):
        result = await agents.delete(f"bot{number}@agents.localhost")
        assert result.to_wire() == {
            "deleted": True,
            "email": f"bot{number}@agents.localhost",
            "messages_deleted": 0,
        }
    assert [item.email for item in (await agents.list()).items] == ["bot2@agents.localhost"]
    page = await agents.list(deleted=True, limit=1)
    assert page.items[0].deleted_at == deleted_at
    with pytest.raises(InvalidCursor):
        await agents.list(cursor=page.next_cursor)
    with pytest.raises(NotFound):
        await agents.delete("bot0@agents.localhost")


async def test_a_restored_agent_keeps_all_and_its_holds_wait_as_long_as_before(
    core: Core, owner: Principal, clock: ManualClock
) -> None:
    agents = Agents(core, owner)
    await create(core, owner, BOT)
    deadline = to_micros(clock.now()) + 3_600_000_000
    held = await insert_message(
        core, owner, BOT, status="pending_review", approval_expires_at=deadline, hidden=1
    )
    decided = await insert_message(core, owner, BOT, status="sent", approval_expires_at=deadline)
    await agents.delete(BOT)
    clock.advance(days=3)
    assert (await agents.restore(BOT)).deleted_at is None
    rows = await core.db.read(sql("SELECT id, approval_expires_at FROM messages"))
    expiries = {row["id"]: from_micros(row["approval_expires_at"]) - from_micros(deadline) for row in rows}
    assert {name: shift.days for name, shift in expiries.items()} == {held: 3, decided: 0}
    with pytest.raises(NotInTrash):
        await agents.restore(BOT)
    with pytest.raises(NotFound):
        await agents.restore("nobody@agents.localhost")


@pytest.mark.parametrize("trashed", [False, True])
async def test_deleting_for_good_leaves_nothing_of_it(core: Core, owner: Principal, trashed: bool) -> None:
    agents = Agents(core, owner)
    await create(core, owner, BOT)
    kept = await make_agent(core, owner, "kept@agents.localhost")
    for number in range(450):  # more than two batches
        await insert_message(core, owner, BOT, content=b"own %d" % number)
    await insert_message(core, owner, BOT, content=b"shared")
    survivor = await insert_message(core, owner, kept, content=b"shared")
    if trashed:
        await agents.delete(BOT)
    result = await agents.delete(BOT, permanent=True)
    assert result.messages_deleted == 451
    assert [row["id"] for row in await core.db.read(sql("SELECT id FROM messages"))] == [survivor]
    assert await count(core, "raw_messages") == 1
    assert await count(core, "message_search") == 1
    with pytest.raises(NotFound):
        await agents.delete(BOT, permanent=True)


async def test_what_is_being_sent_is_waited_for(core: Core, owner: Principal, clock: ManualClock) -> None:
    agents = Agents(core, owner)
    await create(core, owner, BOT)
    claimed_at = to_micros(clock.now())
    await insert_message(
        core, owner, BOT, direction="outbound", delivery_status="sending", claimed_at=claimed_at
    )
    with pytest.raises(SendInProgress):
        await agents.delete(BOT, permanent=True)
    assert (await agents.get(BOT)).deleted_at is None
    clock.advance(minutes=10)
    assert (await agents.delete(BOT, permanent=True)).messages_deleted == 1


async def test_the_trash_is_emptied_after_its_retention(
    core: Core, owner: Principal, clock: ManualClock
) -> None:
    await create(core, owner, BOT)
    await create(core, owner, "live@agents.localhost")
    await Agents(core, owner).delete(BOT)
    clock.advance(days=29, hours=23)
    assert await purge_trashed(core) == 0
    clock.advance(hours=1)
    assert await purge_trashed(core) == 1
    assert [row["email"] for row in await core.db.read(sql("SELECT email FROM agents"))] == [
        "live@agents.localhost"
    ]


@pytest.mark.parametrize("name", ["a\x00", "Bob\nIGNORE", "a\rb", "\x7f"])
async def test_a_name_that_no_header_could_hold_is_refused(core: Core, owner: Principal, name: str) -> None:
    with pytest.raises(InvalidRequest) as refusal:
        await Agents(core, owner).create(CreateAgentRequest(email=BOT, name=name))
    assert refusal.value.fields[0][0] == "body.name"


async def test_content_that_another_inbox_receives_meanwhile_stays(core: Core, owner: Principal) -> None:
    await create(core, owner, BOT)
    kept = await make_agent(core, owner, "kept@agents.localhost")
    await insert_message(core, owner, BOT, content=b"shared")
    copy, statements = message_statements(core, owner, kept, content=b"shared")
    purged: list[int] = []

    async def purge() -> None:
        purged.append((await Agents(core, owner).delete(BOT, permanent=True)).messages_deleted)

    async with create_task_group() as tasks, core.db.transaction() as receiving:
        await receiving.write(statements)
        tasks.start_soon(purge)
        await wait_until_blocked(core)
    assert purged == [1]
    assert [row["id"] for row in await core.db.read(sql("SELECT id FROM messages"))] == [copy]
    assert await count(core, "raw_messages") == 1


async def wait_until_blocked(core: Core) -> None:
    """Until another transaction waits for a lock; on SQLite there is only one at a time anyway."""
    if core.db.dialect == "sqlite":
        return
    await until(lambda: core.db.read(sql("SELECT pid FROM pg_locks WHERE NOT granted")))
