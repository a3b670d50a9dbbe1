"""`contact.due`: told once for each instant that was set, when it comes."""

from __future__ import annotations

import asyncio
from datetime import datetime, timedelta
from typing import Any

import pytest

from e2a_core.clock import rfc3339
from e2a_core.contacts.due import AT_ONCE, CONTACT_DUE_JOB, ContactDue
from e2a_core.contract.contacts import UpsertEngagementRequest
from e2a_core.contract.engine import Session
from e2a_core.contract.events import EventQuery
from e2a_core.store.jobs import Job
from e2a_core.store.statement import sql
from tests.engine.mailbox import send, settled
from tests.support.home import ASSISTANT, Home
from tests.support.waiting import until

pytestmark = [
    pytest.mark.anyio,
    pytest.mark.relayed,
    pytest.mark.local_only("what a deployment does by itself"),
]

ALICE = "alice@example.org"


async def enrol(agent: Session, address: str = ALICE, **members: object) -> None:
    request = UpsertEngagementRequest.model_validate(members)
    await agent.contacts.upsert_engagement(ASSISTANT, address, request)


async def told(owner: Session) -> list[dict[str, Any]]:
    """What the log has, oldest first."""
    page = await owner.events.list(EventQuery(type="contact.due"))
    return [event.data for event in reversed(page.items)]


async def count(owner: Session, wanted: int) -> bool:
    return len(await told(owner)) == wanted


async def quiet(home: Home, **interval: float) -> None:
    await home.advance(**interval)
    await until(home.idle)


def later(home: Home, **interval: float) -> datetime:
    return home.clock.now() + timedelta(**interval)


async def test_it_tells_what_an_agent_needs_to_act(home: Home, agent: Session, owner: Session) -> None:
    due = later(home, hours=2)
    await enrol(agent, stage="asked", metadata={"deal": 7}, next_action_at=due)
    result = await send(agent, to=[ALICE], subject="Question")
    await settled(agent, result.message_id)
    await quiet(home, minutes=119)
    assert await told(owner) == []
    await home.advance(minutes=2)
    await until(lambda: count(owner, 1))
    [data] = await told(owner)
    last = data.pop("last_outbound_at")
    assert last < rfc3339(home.clock.now())
    assert data == {
        "agent_email": ASSISTANT,
        "address": ALICE,
        "contact": {"address": ALICE, "display_name": "", "metadata": {}},
        "stage": "asked",
        "next_action_at": rfc3339(due),
        "outbound_count": 1,
        "replied": False,
        "last_conversation_id": data["last_conversation_id"],
    }
    [event] = (await owner.events.list(EventQuery(type="contact.due", agent_email=ASSISTANT))).items
    assert event.agent_email == ASSISTANT


async def test_each_instant_is_told_once(home: Home, agent: Session, owner: Session) -> None:
    first = later(home, hours=1)
    await enrol(agent, next_action_at=first)
    await home.advance(hours=2)
    await until(lambda: count(owner, 1))
    await enrol(agent, next_action_at=first)
    await enrol(agent, stage="same")
    await quiet(home, hours=3)
    assert await count(owner, 1)
    second = later(home, hours=1)
    await enrol(agent, next_action_at=second)
    await home.advance(hours=2)
    await until(lambda: count(owner, 2))
    assert [item["next_action_at"] for item in await told(owner)] == [rfc3339(first), rfc3339(second)]


async def test_an_instant_in_the_past_is_told_at_once(home: Home, agent: Session, owner: Session) -> None:
    await enrol(agent, next_action_at=later(home, days=-3))
    await until(lambda: count(owner, 1))


async def test_what_was_put_off_cleared_or_deleted_is_not_told(
    home: Home, agent: Session, owner: Session
) -> None:
    due = later(home, hours=1)
    for name in ("moved", "cleared", "deleted", "kept"):
        await enrol(agent, f"{name}@example.org", next_action_at=due)
    await enrol(agent, "moved@example.org", next_action_at=later(home, days=2))
    await enrol(agent, "cleared@example.org", next_action_at=None)
    await agent.contacts.delete_engagement(ASSISTANT, "deleted@example.org")
    await home.advance(hours=2)
    await until(lambda: count(owner, 1))
    await quiet(home, hours=4)
    assert [item["address"] for item in await told(owner)] == ["kept@example.org"]
    await home.advance(days=2)
    await until(lambda: count(owner, 2))


async def test_the_earliest_is_told_first_whoever_was_set_last(
    home: Home, agent: Session, owner: Session
) -> None:
    await enrol(agent, "late@example.org", next_action_at=later(home, minutes=50))
    await enrol(agent, "early@example.org", next_action_at=later(home, minutes=10))
    await home.advance(minutes=11)
    await until(lambda: count(owner, 1))
    await home.advance(minutes=40)
    await until(lambda: count(owner, 2))
    assert [item["address"] for item in await told(owner)] == ["early@example.org", "late@example.org"]


async def test_an_inbox_in_the_trash_waits(home: Home, agent: Session, owner: Session) -> None:
    await enrol(agent, next_action_at=later(home, minutes=10))
    await owner.agents.delete(ASSISTANT)
    await quiet(home, hours=2)
    assert await count(owner, 0)
    await owner.agents.restore(ASSISTANT)
    await home.advance(hours=2)
    await until(lambda: count(owner, 1))


async def test_workers_at_the_same_time_tell_each_contact_once(
    home: Home, agent: Session, owner: Session
) -> None:
    core, most = home.local.core, AT_ONCE + 20
    now = home.clock.now()
    for number in range(most):
        await enrol(agent, f"c{number}@example.org")
    await core.db.write([sql("UPDATE engagements SET next_action_at = 1, due_at = 1")])
    jobs = [Job(f"job_{number}", CONTACT_DUE_JOB, {}, 1, "lease", now, now) for number in range(3)]
    for _ in range(2):
        await asyncio.gather(*(ContactDue(core)(job) for job in jobs), return_exceptions=True)
    rows = await core.db.read(sql("SELECT data FROM events WHERE type = 'contact.due'"))
    assert len({row["data"] for row in rows}) == len(rows) == most
