"""What mail says about a contact: counted from what was sent and what really came from them."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from e2a_core.clock import rfc3339
from e2a_core.contract.contacts import (
    ContactEngagementView,
    CreateContactRequest,
    EngagementQuery,
    UpdateContactRequest,
    UpsertEngagementRequest,
    etag_of,
)
from e2a_core.contract.engine import Session
from e2a_core.contract.suppressions import CreateAgentSuppressionRequest
from e2a_core.errors import (
    ContactNotFound,
    EngagementNotFound,
    Forbidden,
    InvalidRequest,
    PreconditionFailed,
)
from tests.engine.mailbox import HELPER, arrived, make_helper, protect, send, settled, wait_for_mail
from tests.support.home import ASSISTANT, Home
from tests.support.smtp_sink import SmtpSink

pytestmark = [pytest.mark.anyio, pytest.mark.relayed]

ALICE = "alice@example.org"


async def enrol(session: Session, address: str = ALICE, **members: object) -> ContactEngagementView:
    request = UpsertEngagementRequest.model_validate(members)
    return await session.contacts.upsert_engagement(ASSISTANT, address, request)


async def found(session: Session, **query: object) -> list[str]:
    page = await session.contacts.engagements(ASSISTANT, EngagementQuery.model_validate(query))
    return [item.address.partition("@")[0] for item in page.items]


async def test_facts_come_from_mail_since_the_enrolment(
    sink: SmtpSink, home: Home, agent: Session, owner: Session
) -> None:
    await settled(agent, (await send(agent, to=[ALICE], subject="Before")).message_id)
    await home.deliver(signer=home.keys.alice)
    fresh = await enrol(agent)
    assert (fresh.outbound_count, fresh.inbound_count, fresh.replied) == (0, 0, False)
    assert (fresh.first_outbound_at, fresh.last_inbound_at, fresh.last_conversation_id) == (None, None, None)
    assert (await home.deliver(mail_from="mallory@plain.example", subject="Spoofed")).accepted
    spoofed = await arrived(agent)
    assert (spoofed.subject, spoofed.header_from, spoofed.verified_domain) == ("Spoofed", ALICE, None)
    sink.script.rcpt["alice@example.org"] = "550 5.1.1 no"
    await settled(agent, (await send(agent, to=[ALICE], subject="Refused")).message_id)
    sink.script.rcpt.clear()
    sent = await settled(agent, (await send(agent, to=[ALICE, "bob@example.org"])).message_id)
    view = await agent.contacts.engagement(ASSISTANT, ALICE)
    assert (view.outbound_count, view.inbound_count, view.replied) == (1, 0, False)
    assert view.last_conversation_id == sent.conversation_id
    assert view.first_outbound_at == view.last_outbound_at is not None
    await protect(owner, inbound={"policy": "allowlist", "action": "review"})
    await home.deliver(signer=home.keys.alice, subject="Held")
    await protect(owner)
    assert (await agent.contacts.engagement(ASSISTANT, ALICE)).inbound_count == 0
    await home.deliver(signer=home.keys.alice, subject="Answer")
    answered = await agent.contacts.engagement(ASSISTANT, f"Alice <{ALICE.upper()}>")
    assert (answered.inbound_count, answered.replied) == (1, True)
    assert await found(agent, replied=True) == ["alice"]
    assert await found(agent, replied=False) == []


async def test_another_agent_is_known_without_dmarc(home: Home, agent: Session, owner: Session) -> None:
    await make_helper(owner)
    await enrol(agent, HELPER)
    await settled(agent, (await send(agent, to=[HELPER])).message_id)
    await wait_for_mail(owner, HELPER)
    answer = await send(owner, HELPER, to=[ASSISTANT])
    await settled(owner, answer.message_id, HELPER)
    view = await agent.contacts.engagement(ASSISTANT, HELPER)
    assert (view.outbound_count, view.inbound_count, view.replied) == (1, 1, True)


async def test_the_sweep_for_whoever_is_due(home: Home, agent: Session, owner: Session) -> None:
    now = home.clock.now()
    await enrol(agent, "due@example.org", stage="new", next_action_at=now)
    await enrol(agent, "later@example.org", stage="new", next_action_at=now + timedelta(days=1))
    await enrol(agent, "never@example.org", stage="old")
    await enrol(agent, "contacted@example.org", next_action_at=now)
    await enrol(agent, "blocked@example.org", next_action_at=now)
    await settled(agent, (await send(agent, to=["contacted@example.org"])).message_id)
    await owner.suppressions.create_for_agent(
        ASSISTANT, CreateAgentSuppressionRequest(address="blocked@example.org", reason="asked to")
    )
    due = {"next_action_before": rfc3339(now), "last_outbound_before": rfc3339(now), "replied": False}
    assert await found(agent, **due) == ["blocked", "due"]
    assert await found(agent, **due, suppressed=False) == ["due"]
    assert await found(agent, stage="new") == ["later", "due"]
    [blocked] = (await agent.contacts.engagements(ASSISTANT, EngagementQuery(suppressed=True))).items
    assert (blocked.suppression_source, blocked.suppression_reason) == ("manual", "asked to")
    page = await agent.contacts.engagements(ASSISTANT, EngagementQuery(limit=3))
    rest = await agent.contacts.engagements(ASSISTANT, EngagementQuery(limit=3, cursor=page.next_cursor))
    assert [item.address.partition("@")[0] for item in [*page.items, *rest.items]] == [
        "blocked",
        "contacted",
        "never",
        "later",
        "due",
    ]


async def test_an_agent_keeps_its_own_outreach(home: Home, agent: Session, owner: Session) -> None:
    await make_helper(owner)
    await owner.contacts.create(CreateContactRequest(address=ALICE, display_name="Alice"))
    made = await enrol(
        agent, f"A <{ALICE.upper()}>", stage="new", metadata={"a": 1}, next_action_at="2030-01-01T00:00:00Z"
    )
    assert (made.contact.display_name, made.created_at == made.updated_at) == ("Alice", True)
    moved = await enrol(agent, stage="won")
    assert (moved.stage, moved.metadata, moved.next_action_at) == ("won", {"a": 1}, made.next_action_at)
    assert moved.updated_at > moved.created_at
    cleared = await enrol(agent, next_action_at=None, metadata={})
    assert (cleared.stage, cleared.metadata, cleared.next_action_at) == ("won", {}, None)
    for address, tag in ((ALICE, etag_of(made)), ("new@example.org", "*"), ("new@example.org", '"1"')):
        with pytest.raises(PreconditionFailed):
            await agent.contacts.upsert_engagement(
                ASSISTANT, address, UpsertEngagementRequest(stage="x"), if_match=tag
            )
    with pytest.raises(ContactNotFound):
        await owner.contacts.get("new@example.org")
    guarded = UpsertEngagementRequest(stage="lost")
    view = await agent.contacts.upsert_engagement(ASSISTANT, ALICE, guarded, if_match=etag_of(cleared))
    assert view.stage == "lost"
    broken: list[dict[str, Any]] = [{"metadata": {"a": []}}, {"stage": "\x00"}]
    for wrong in broken:
        with pytest.raises(InvalidRequest):
            await enrol(agent, **wrong)
    with pytest.raises(Forbidden):
        await agent.contacts.upsert_engagement(HELPER, ALICE, guarded)
    with pytest.raises(Forbidden):
        await agent.contacts.update(ALICE, UpdateContactRequest(display_name="B"))
    assert (await agent.contacts.delete_engagement(ASSISTANT, ALICE)).address == ALICE
    for call in (
        agent.contacts.delete_engagement(ASSISTANT, ALICE),
        agent.contacts.engagement(ASSISTANT, ALICE),
    ):
        with pytest.raises(EngagementNotFound):
            await call
    assert (await owner.contacts.get(ALICE)).display_name == "Alice"
