"""The log of one inbox, which the key of its agent may read too."""

from __future__ import annotations

from datetime import timedelta

import pytest

from e2a_core.clock import rfc3339
from e2a_core.contract.api_keys import CreateAPIKeyRequest
from e2a_core.contract.engine import Session
from e2a_core.contract.events import InboxEventQuery
from e2a_core.contract.reviews import ApproveRequest
from e2a_core.errors import Forbidden, InvalidCursor, NotFound
from tests.engine.mailbox import HELPER, make_helper, protect, send
from tests.support.home import ASSISTANT, Home, stranger

pytestmark = pytest.mark.anyio


async def told(session: Session, **query: object) -> list[str]:
    page = await session.events.of_inbox(ASSISTANT, InboxEventQuery.model_validate(query))
    return [event.type for event in page.items]


async def test_events_of_the_inbox_are_listed_newest_first(
    home: Home, owner: Session, agent: Session
) -> None:
    await make_helper(owner)
    assert (await home.deliver(to=ASSISTANT)).accepted
    assert (await home.deliver(to=HELPER)).accepted
    await send(agent, options={"wait": "sent"})
    assert await told(agent) == await told(owner) == ["email.sent", "email.received"]
    assert await told(agent, type="email.received") == ["email.received"]
    page = await agent.events.of_inbox(ASSISTANT, InboxEventQuery(limit=1))
    [sent] = page.items
    assert sent.agent_email == ASSISTANT
    assert sent.message_id == sent.data["message_id"]
    assert await told(agent, limit=1, cursor=page.next_cursor) == ["email.received"]
    assert await told(agent, event_id=sent.id) == ["email.sent"]
    assert await told(agent, event_id="evt_none") == []
    later = sent.created_at + timedelta(seconds=1)
    assert await told(agent, since=rfc3339(later)) == []
    assert await told(agent, until=rfc3339(sent.created_at)) == ["email.received"]
    with pytest.raises(InvalidCursor):
        await told(agent, cursor=page.next_cursor, type="email.sent")


async def test_an_agent_reads_of_no_held_mail_and_of_no_other_inbox(
    home: Home, owner: Session, agent: Session
) -> None:
    await make_helper(owner)
    await protect(owner, inbound={"policy": "allowlist", "action": "review"})
    assert (await home.deliver()).accepted
    assert await told(owner) == ["email.review_requested"]
    assert await told(agent) == []
    [held] = (await owner.reviews.list()).items
    await owner.reviews.approve(held.id, ApproveRequest())
    assert sorted(await told(agent)) == ["email.received", "email.review_approved"]
    with pytest.raises(Forbidden):
        await agent.events.of_inbox(HELPER, InboxEventQuery())
    with pytest.raises(NotFound):
        await owner.events.of_inbox("nobody@agents.example", InboxEventQuery())


@pytest.mark.local_only("a session of a key made here")
async def test_an_agent_reads_of_no_inbox_that_had_its_address_before(home: Home, owner: Session) -> None:
    name, arguments = "email.received", {"agent_email": HELPER}
    async with owner.occurrences.follow(name, {"agent_email": ASSISTANT}) as before:
        cursor = before.cursor
    for subject in ("theirs", "mine"):
        await make_helper(owner)
        assert (await home.deliver(to=HELPER, subject=subject)).accepted
        key = await owner.api_keys.create(CreateAPIKeyRequest(scope="agent", agent_email=HELPER))
        if subject == "theirs":
            await owner.agents.delete(HELPER, permanent=True)
    helper = await home.local.session(key.key)

    for session, expected in ((helper, ["mine"]), (owner, ["mine", "theirs"])):
        listed = await session.events.of_inbox(HELPER, InboxEventQuery(since="2000-01-01T00:00:00Z"))
        recent = await session.occurrences.recent(name, arguments, limit=10)
        async with session.occurrences.follow(name, arguments, cursor=cursor) as following:
            page = await following.page(limit=10)
        told = [event.data["subject"] for event in page.items]
        assert [event.data["subject"] for event in listed.items] == expected
        assert [event.data["subject"] for event in recent] == expected
        assert sorted(told) == expected


@pytest.mark.local_only("a session of somebody else's key")
async def test_nobody_reads_of_another_accounts_inbox(home: Home, agent: Session) -> None:
    foreign = await home.local.session(await stranger(home, "their@agents.example"))
    with pytest.raises(NotFound):
        await foreign.events.of_inbox(ASSISTANT, InboxEventQuery())
