"""What a session is told while things happen."""

from __future__ import annotations

import pytest

from e2a_core.contract.engine import Session
from e2a_core.contract.messages import UpdateMessageRequest
from tests.engine.mailbox import HELPER, arrived, make_helper, send
from tests.support.home import ASSISTANT, EventLog, Home

pytestmark = pytest.mark.anyio


async def test_an_agent_is_told_of_its_own_mail(home: Home, owner: Session, agent: Session) -> None:
    await make_helper(owner)
    async with EventLog(agent) as mine, EventLog(owner) as everything:
        assert (await home.deliver(to=HELPER)).accepted
        assert (await home.deliver(to=ASSISTANT)).accepted
        told = await mine.wait("email.received")
        while len(everything.seen) < 2:
            await everything.next()
        assert [event.data["agent_email"] for event in mine.seen] == [ASSISTANT]
        assert sorted(event.data["agent_email"] for event in everything.seen) == [ASSISTANT, HELPER]
        assert told.id.startswith(("evt_", "seen_"))
        assert told.data["message_id"] == (await arrived(agent)).id


async def test_a_received_event_describes_the_mail_without_its_body(home: Home, events: EventLog) -> None:
    assert (
        await home.deliver(subject="Lunch", text="Secret place", to="assistant+x@agents.example")
    ).accepted
    data = (await events.wait("email.received")).data
    assert (data["subject"], data["verified_domain"], data["tag"]) == ("Lunch", "example.org", "x")
    assert data["authentication"]["dmarc"]["status"] == "pass"
    assert data["auth_headers"]["X-E2A-Auth-Sender"] == "alice@example.org"
    assert "Secret place" not in str(data)


@pytest.mark.local_only("the API tells of arrivals alone")
async def test_changes_of_a_message_are_told(home: Home, agent: Session) -> None:
    assert (await home.deliver()).accepted
    message = (await arrived(agent)).id
    async with EventLog(agent) as told:
        await agent.messages.get(ASSISTANT, message)
        await agent.messages.get(ASSISTANT, message)
        await agent.messages.update(ASSISTANT, message, UpdateMessageRequest(add_labels=["x"]))
        await agent.messages.update(ASSISTANT, message, UpdateMessageRequest(add_labels=["x"]))
        await agent.messages.update(ASSISTANT, message, UpdateMessageRequest(read_status="unread"))
        await agent.messages.delete(ASSISTANT, message)
        await agent.messages.restore(ASSISTANT, message)
        await send(agent, options={"wait": "sent"})
        await told.wait("email.sent")
        changes = [event.data["change"] for event in told.seen if event.type == "message.updated"]
        assert changes == ["read", "labels", "unread", "deleted", "restored"]


@pytest.mark.local_only("the API tells of arrivals alone")
async def test_only_the_wanted_kinds_are_told(home: Home, agent: Session) -> None:
    async with agent.watch(types=["email.sent"]) as stream:
        assert (await home.deliver()).accepted
        await send(agent)
        assert (await anext(stream)).type == "email.sent"


async def test_the_past_is_not_told(home: Home, agent: Session) -> None:
    assert (await home.deliver(subject="before")).accepted
    async with EventLog(agent) as told:
        assert (await home.deliver(subject="after")).accepted
        await told.wait("email.received")
        assert [event.data["subject"] for event in told.seen] == ["after"]
