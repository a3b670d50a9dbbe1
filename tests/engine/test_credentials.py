"""How far a key reaches."""

from __future__ import annotations

from datetime import timedelta

import pytest

from e2a_core.contract.api_keys import CreateAPIKeyRequest
from e2a_core.contract.engine import Engine, Session
from e2a_core.contract.messages import MessageQuery
from e2a_core.contract.sending import SendOptions
from e2a_core.errors import Forbidden, IdempotencyKeyReuse, InvalidScope, NotFound, Unauthorized
from tests.engine.mailbox import HELPER, all_mail, make_helper, send, wait_for_mail
from tests.support.home import ASSISTANT, SHARED, EventLog, Home, stranger

pytestmark = pytest.mark.anyio


async def test_an_agent_key_reaches_its_own_inbox_alone(
    home: Home, engine: Engine, owner: Session, agent: Session
) -> None:
    await make_helper(owner)
    other = await engine.session(await stranger(home, f"foreign@{SHARED}"))
    assert (await other.agents.get(f"foreign@{SHARED}")).email == f"foreign@{SHARED}"
    assert await all_mail(agent) == []
    assert (await agent.agents.get(" Assistant@Agents.Example ")).email == ASSISTANT
    for email, error in ((HELPER, Forbidden), (f"foreign@{SHARED}", NotFound), (f"none@{SHARED}", NotFound)):
        for attempt in (
            agent.messages.list(email, MessageQuery()),
            agent.messages.get(email, "msg_x"),
            agent.conversations.list(email),
            agent.agents.get(email),
            send(agent, email),
        ):
            with pytest.raises(error):
                await attempt


async def test_an_account_key_does_not_reach_another_account(
    home: Home, engine: Engine, owner: Session, agent: Session
) -> None:
    other = await engine.session(await stranger(home, f"foreign@{SHARED}"))
    result = await send(agent)
    for attempt in (
        other.messages.get(ASSISTANT, result.message_id),
        other.messages.get(f"foreign@{SHARED}", result.message_id),
        other.reviews.get(result.message_id),
        other.agents.delete(ASSISTANT),
        other.protection.get(ASSISTANT),
    ):
        with pytest.raises(NotFound):
            await attempt
    assert [item.email for item in (await other.agents.list()).items] == [f"foreign@{SHARED}"]


async def test_a_revoked_key_opens_nothing_at_once(home: Home, engine: Engine, owner: Session) -> None:
    made = await owner.api_keys.create(CreateAPIKeyRequest(name="short"))
    await engine.session(made.key)
    await owner.api_keys.delete(made.id)
    with pytest.raises(Unauthorized):
        await engine.session(made.key)
    with pytest.raises(NotFound):
        await owner.api_keys.delete(made.id)


async def test_a_key_expires(home: Home, engine: Engine, owner: Session) -> None:
    made = await owner.api_keys.create(
        CreateAPIKeyRequest(expires_at=home.clock.now() + timedelta(minutes=5))
    )
    await engine.session(made.key)
    home.clock.advance(minutes=5)
    with pytest.raises(Unauthorized):
        await engine.session(made.key)


@pytest.mark.parametrize("credential", ["", "e2a_", "nonsense", "e2a_" + "0" * 64, "\x00", "é" * 40])
async def test_nonsense_is_no_key(engine: Engine, credential: str) -> None:
    with pytest.raises(Unauthorized):
        await engine.session(credential)


async def test_a_trashed_agents_key_reaches_nothing(
    home: Home, engine: Engine, owner: Session, agent: Session
) -> None:
    await owner.agents.delete(ASSISTANT)
    with pytest.raises((NotFound, Unauthorized)):
        await all_mail(await engine.session(home.agent_key))
    await owner.agents.restore(ASSISTANT)
    assert await all_mail(await engine.session(home.agent_key)) == []


@pytest.mark.local_only("whoever holds the files of a home is nobody to its API")
async def test_the_homes_owner_needs_no_key(engine: Engine) -> None:
    mine = await engine.home_session()
    assert (mine.principal.scope, mine.principal.agent_email) == ("agent", ASSISTANT)
    with pytest.raises(Forbidden):
        await mine.reviews.list()
    whole = await engine.home_session(scope="account")
    assert (await whole.reviews.list()).items == []
    with pytest.raises(NotFound, match=f"its default inbox is {ASSISTANT}"):
        await engine.home_session(agent_email=f"none@{SHARED}")
    with pytest.raises(InvalidScope):
        await engine.home_session(scope="everything")


async def test_the_account_tells_who_asks(owner: Session, agent: Session) -> None:
    whole, bound = await owner.account.get(), await agent.account.get()
    assert (whole.scope, whole.agent_email) == ("account", None)
    assert (bound.scope, bound.agent_email) == ("agent", ASSISTANT)
    assert whole.user.id == bound.user.id
    assert whole.usage.agents == 1


@pytest.mark.local_only("the API tells of arrivals, not of what was sent")
async def test_agents_of_two_accounts_write_to_each_other(
    home: Home, engine: Engine, owner: Session, agent: Session
) -> None:
    foreign = f"foreign@{SHARED}"
    other = await engine.session(await stranger(home, foreign))
    async with EventLog(other) as theirs, EventLog(owner) as ours:
        await send(agent, to=[foreign], conversation_id="conv_both", options={"wait": "sent"})
        received = await theirs.wait("email.received")
        await ours.wait("email.sent")
        assert theirs.types() == ["email.received"]
        assert ours.types() == ["email.sent"]
    view = await other.messages.get(foreign, received.data["message_id"])
    assert (view.header_from, view.conversation_id) == (ASSISTANT, "conv_both")
    assert (view.auth_headers or {})["X-E2A-Auth-Entity-Type"] == "agent"
    with pytest.raises(NotFound):
        await agent.messages.get(ASSISTANT, view.id)


async def test_no_agent_writes_into_another_accounts_conversation(
    home: Home, engine: Engine, owner: Session, agent: Session
) -> None:
    """Its id names the conversation that the two have with each other, and no other."""
    foreign = f"foreign@{SHARED}"
    other = await engine.session(await stranger(home, foreign))
    await send(other, email=foreign, to=["customer@example.org"], conversation_id="order-77")
    await send(agent, to=[foreign], subject="Intruder", conversation_id="order-77", options={"wait": "sent"})
    [intruder] = await wait_for_mail(other, foreign)
    assert intruder.conversation_id in (None, "")
    assert len((await other.conversations.get(foreign, "order-77")).messages) == 1

    for subject in ("One", "Two"):
        await send(agent, to=[foreign], subject=subject, conversation_id="ours", options={"wait": "sent"})
    *_, one, two = await wait_for_mail(other, foreign, 3)
    assert [one.conversation_id, two.conversation_id] == ["ours", "ours"]
    # Now it is about the customer too.
    await send(other, email=foreign, to=["customer@example.org"], conversation_id="ours")
    await send(agent, to=[foreign], subject="Three", conversation_id="ours", options={"wait": "sent"})
    *_, three = await wait_for_mail(other, foreign, 4)
    assert three.conversation_id in (None, "")


async def test_agents_of_one_account_may_choose_the_same_idempotency_key(
    owner: Session, agent: Session
) -> None:
    await make_helper(owner)
    key = SendOptions(idempotency_key="order-1").model_dump()
    one = await send(agent, options=key)
    two = await send(owner, email=HELPER, subject="Of the other", options=key)
    assert two.message_id != one.message_id
    assert (await send(agent, options=key)).message_id == one.message_id
    assert (await send(owner, email=HELPER, subject="Of the other", options=key)).message_id == two.message_id
    with pytest.raises(IdempotencyKeyReuse):
        await send(agent, subject="Another", options=key)
