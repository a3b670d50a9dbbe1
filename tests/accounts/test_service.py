"""The account view and API keys, through the service a session uses."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from anyio import create_task_group

from e2a_core.accounts.credentials import authenticate
from e2a_core.contract.api_keys import CreateAPIKeyRequest, CreateAPIKeyResponse
from e2a_core.contract.principal import Principal
from e2a_core.core import Core
from e2a_core.errors import (
    E2AError,
    Forbidden,
    IdempotencyInFlight,
    IdempotencyKeyReuse,
    InvalidCursor,
    InvalidExpiresAt,
    InvalidRequest,
    NotFound,
    Unauthorized,
)
from e2a_core.local.account import Account
from e2a_core.local.agents import Agents
from e2a_core.local.api_keys import ApiKeys
from e2a_core.signing.secrets import Secrets
from e2a_core.store.statement import first, sql
from tests.support.clock import ManualClock
from tests.support.deployment import (
    account,
    agent_credential,
    insert_message,
    make_agent,
    register_domain,
)

pytestmark = pytest.mark.anyio


async def test_usage_counts_what_is_there(core: Core, owner: Principal, clock: ManualClock) -> None:
    bot = await make_agent(core, owner, "bot@agents.localhost")
    gone = await make_agent(core, owner, "gone@agents.localhost")
    await Agents(core, owner).delete(gone)
    await register_domain(core, owner, "example.com")
    last_month = datetime(2026, 2, 28, 23, 59, 59, tzinfo=UTC)
    await insert_message(core, owner, bot, size_bytes=100)
    await insert_message(core, owner, bot, size_bytes=23, direction="outbound")
    await insert_message(
        core, owner, bot, size_bytes=1000, created_at=int(last_month.timestamp()) * 1_000_000
    )
    other = await account(core, "other@example.org")
    await insert_message(core, other, await make_agent(core, other, "theirs@agents.localhost"), size_bytes=7)

    view = await Account(core, owner).get()

    assert view.to_wire() == {
        "user": {"id": owner.account_id, "email": "owner@example.org"},
        "scope": "account",
        "plan_code": "default",
        "limits": {
            "max_agents": 1_000_000,
            "max_domains": 1_000_000,
            "max_messages_month": 1_000_000_000,
            "max_storage_bytes": 2**50,
        },
        "usage": {"agents": 1, "domains": 1, "messages_month": 2, "storage_bytes": 1123},
        "upgrade_url": "",
    }


async def test_an_agent_sees_the_account_and_which_agent_it_is(core: Core, owner: Principal) -> None:
    bot = await make_agent(core, owner, "bot@agents.localhost")
    view = await Account(core, agent_credential(owner, bot)).get()
    assert (view.scope, view.agent_email) == ("agent", bot)


async def test_a_created_key_works_and_is_listed_without_itself(core: Core, owner: Principal) -> None:
    keys = ApiKeys(core, owner)
    expires_at = core.clock.now() + timedelta(days=1)
    created = await keys.create(CreateAPIKeyRequest(name="ci", expires_at=expires_at))
    assert (await authenticate(core, created.key)).credential_id == created.id
    [listed] = (await keys.list()).items
    assert (listed.id, listed.name, listed.scope, listed.expires_at) == (
        created.id,
        "ci",
        "account",
        expires_at,
    )
    assert listed.last_used_at is not None
    assert "key" not in listed.to_wire()


async def test_an_agent_key_needs_a_live_agent_of_the_account(core: Core, owner: Principal) -> None:
    keys = ApiKeys(core, owner)
    bot = await make_agent(core, owner, "bot@agents.localhost")
    foreign = await make_agent(core, await account(core, "b@example.org"), "theirs@agents.localhost")
    created = await keys.create(CreateAPIKeyRequest(scope="agent", agent_email=" Bot@Agents.Localhost "))
    assert (created.scope, created.agent_email) == ("agent", bot)
    with pytest.raises(InvalidRequest) as refusal:
        await keys.create(CreateAPIKeyRequest(scope="agent"))
    assert refusal.value.fields[0][0] == "body.agent_email"
    for missing in ("nobody@agents.localhost", foreign):
        with pytest.raises(NotFound):
            await keys.create(CreateAPIKeyRequest(scope="agent", agent_email=missing))
    await Agents(core, owner).delete(bot)
    with pytest.raises(NotFound):
        await keys.create(CreateAPIKeyRequest(scope="agent", agent_email=bot))


async def test_an_account_key_ignores_an_agent(core: Core, owner: Principal) -> None:
    created = await ApiKeys(core, owner).create(CreateAPIKeyRequest(agent_email="nobody@agents.localhost"))
    assert (created.scope, created.agent_email) == ("account", None)


async def test_an_expiry_must_lie_ahead(core: Core, owner: Principal) -> None:
    with pytest.raises(InvalidExpiresAt):
        await ApiKeys(core, owner).create(CreateAPIKeyRequest(expires_at=core.clock.now()))


async def test_an_agent_credential_manages_no_keys(core: Core, owner: Principal) -> None:
    bot = await make_agent(core, owner, "bot@agents.localhost")
    keys = ApiKeys(core, agent_credential(owner, bot))
    with pytest.raises(Forbidden):
        await keys.list()
    with pytest.raises(Forbidden):
        await keys.create(CreateAPIKeyRequest(scope="agent", agent_email=bot))
    with pytest.raises(Forbidden):
        await keys.delete("apk_0")


async def test_a_deleted_key_is_refused_at_once_and_gone_from_the_list(core: Core, owner: Principal) -> None:
    created = await ApiKeys(core, owner).create(CreateAPIKeyRequest())
    itself = await authenticate(core, created.key)
    assert (await ApiKeys(core, itself).delete(created.id)).to_wire() == {"deleted": True, "id": created.id}
    with pytest.raises(Unauthorized):
        await authenticate(core, created.key)
    assert (await ApiKeys(core, owner).list()).items == []
    with pytest.raises(NotFound):
        await ApiKeys(core, owner).delete(created.id)


async def test_keys_of_another_account_look_missing(core: Core, owner: Principal) -> None:
    created = await ApiKeys(core, owner).create(CreateAPIKeyRequest())
    other = ApiKeys(core, await account(core, "other@example.org"))
    with pytest.raises(NotFound):
        await other.delete(created.id)
    assert (await other.list()).items == []
    assert (await authenticate(core, created.key)).credential_id == created.id


async def test_pages_hold_every_key_once_newest_first(
    core: Core, owner: Principal, clock: ManualClock
) -> None:
    keys, made = ApiKeys(core, owner), []
    for number in range(5):
        clock.advance(seconds=number % 2)  # pairs share an instant: the id decides
        made.append(await keys.create(CreateAPIKeyRequest(name=str(number))))
    expected = sorted(made, key=lambda key: (key.created_at, key.id), reverse=True)
    seen, cursor = [], None
    while True:
        page = await keys.list(cursor=cursor, limit=2)
        seen += [item.id for item in page.items]
        cursor = page.next_cursor
        if cursor is None:
            break
    assert seen == [key.id for key in expected]


async def test_wrong_pages_are_refused(core: Core, owner: Principal) -> None:
    keys = ApiKeys(core, owner)
    for limit in (0, -1, 101):
        with pytest.raises(InvalidRequest) as refusal:
            await keys.list(limit=limit)
        assert refusal.value.status == 422
        assert refusal.value.fields[0][0] == "query.limit"
    await keys.create(CreateAPIKeyRequest())
    await keys.create(CreateAPIKeyRequest())
    cursor = (await keys.list(limit=1)).next_cursor
    assert cursor is not None
    with pytest.raises(InvalidCursor):
        await keys.list(cursor=cursor[:-2])
    with pytest.raises(InvalidCursor):
        await Agents(core, owner).list(cursor=cursor)


async def test_a_repeated_creation_gets_the_first_answer(core: Core, owner: Principal) -> None:
    keys, request = ApiKeys(core, owner), CreateAPIKeyRequest(name="ci")
    first = await keys.create(request, idempotency_key="once")
    assert await keys.create(request, idempotency_key="once") == first
    assert len((await keys.list()).items) == 1
    with pytest.raises(IdempotencyKeyReuse):
        await keys.create(CreateAPIKeyRequest(name="other"), idempotency_key="once")


async def test_a_remembered_key_is_not_readable_in_the_database(core: Core, owner: Principal) -> None:
    created = await ApiKeys(core, owner).create(CreateAPIKeyRequest(), idempotency_key="once")
    row = first(await core.db.read(sql("SELECT * FROM idempotency")))
    assert row is not None
    assert row["status"] == 201
    assert created.key[16:] not in row["response"]


async def test_a_remembered_key_survives_rotation_but_not_loss_of_the_secret(
    core: Core, owner: Principal
) -> None:
    request, before = CreateAPIKeyRequest(), core.secrets
    first = await ApiKeys(core, owner).create(request, idempotency_key="once")
    rotated = replace(core, secrets=Secrets((b"n" * 32, *before)))
    assert await ApiKeys(rotated, owner).create(request, idempotency_key="once") == first
    lost = replace(core, secrets=Secrets((b"n" * 32,)))
    with pytest.raises(IdempotencyKeyReuse):
        await ApiKeys(lost, owner).create(request, idempotency_key="once")


async def test_of_simultaneous_repeats_one_makes_the_key(core: Core, owner: Principal) -> None:
    answers: list[CreateAPIKeyResponse] = []
    refusals: list[E2AError] = []

    async def create() -> None:
        try:
            answers.append(
                await ApiKeys(core, owner).create(CreateAPIKeyRequest(name="ci"), idempotency_key="once")
            )
        except IdempotencyInFlight as refusal:
            refusals.append(refusal)

    async with create_task_group() as tasks:
        for _ in range(8):
            tasks.start_soon(create)
    assert len(answers) + len(refusals) == 8
    assert len({answer.key for answer in answers}) == 1
    assert len((await ApiKeys(core, owner).list()).items) == 1


async def test_texts_that_no_database_holds_are_refused(core: Core, owner: Principal) -> None:
    keys = ApiKeys(core, owner)
    with pytest.raises(InvalidRequest):
        await keys.create(CreateAPIKeyRequest(name="a\x00"))
    with pytest.raises(InvalidRequest):
        await keys.create(CreateAPIKeyRequest(), idempotency_key="\ud800")
    for key_id in ("\x00", "\ud800", "apk_0"):
        with pytest.raises(NotFound):
            await keys.delete(key_id)
