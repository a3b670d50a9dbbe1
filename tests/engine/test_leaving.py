"""Mail that waited is screened again when it leaves, and nothing leaves while sending is paused."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any

import pytest

from e2a_core.contract.api_keys import CreateAPIKeyRequest
from e2a_core.contract.engine import Engine, Session
from e2a_core.contract.reviews import ApproveRequest
from e2a_core.contract.sending import ForwardRequest, ReplyRequest, SendOptions
from e2a_core.contract.suppressions import CreateAgentSuppressionRequest
from e2a_core.errors import Forbidden, NotFound, SendingPaused
from tests.engine.mailbox import HELPER, arrived, make_helper, protect, reasons, send, settled, wait_for_mail
from tests.support.home import ASSISTANT, SHARED, EventLog, Home, stranger
from tests.support.smtp_sink import SmtpSink
from tests.support.waiting import until

pytestmark = [pytest.mark.anyio, pytest.mark.relayed]

BOB_ONLY = {"policy": "allowlist", "allowlist": ["bob@example.org"]}
NOBODY = {"policy": "allowlist"}
INSIDE = {"policy": "domain"}


async def scheduled(home: Home, session: Session, **members: Any) -> str:
    result = await send(session, send_at=home.clock.now() + timedelta(hours=1), **members)
    assert result.status == "scheduled"
    return result.message_id


async def deferred(sink: SmtpSink, session: Session, **members: Any) -> str:
    """A message that the relay refused for the time being."""
    sink.script.rcpt["bob@example.org"] = "451 4.7.1 come back"
    message_id = (await send(session, **members)).message_id

    async def put_off() -> bool:
        return "submission.temporary_failure" in await reasons(session, message_id)

    await until(put_off)
    sink.script.rcpt.clear()
    return message_id


async def left(session: Session, message_id: str) -> None:
    async def sent() -> bool:
        view = await session.messages.get(ASSISTANT, message_id, peek=True)
        return view.delivery_status == "sent"

    await until(sent)


@pytest.mark.local_only("what leaves is no matter of the door")
@pytest.mark.parametrize("waits", ["scheduled", "deferred"])
@pytest.mark.parametrize(
    ("gate", "action", "members", "left"),
    [
        (NOBODY, "block", {}, False),
        (NOBODY, "flag", {}, True),
        (BOB_ONLY, "block", {}, True),
        (BOB_ONLY, "block", {"cc": ["eve@example.org"]}, False),
        (BOB_ONLY, "review", {}, True),
        (BOB_ONLY, "block", {"reply_to": "eve@example.org"}, False),
        (BOB_ONLY, "block", {"reply_to": ASSISTANT}, True),
        (INSIDE, "block", {}, False),
    ],
)
async def test_a_gate_closed_meanwhile_stops_what_waits(
    sink: SmtpSink,
    home: Home,
    owner: Session,
    agent: Session,
    waits: str,
    gate: dict[str, object],
    action: str,
    members: dict[str, Any],
    left: bool,
) -> None:
    message_id = await (
        scheduled(home, agent, **members) if waits == "scheduled" else deferred(sink, agent, **members)
    )
    before = len(sink.messages)
    await protect(owner, outbound={**gate, "action": action})
    await home.advance(hours=2)
    view = await settled(agent, message_id)
    if left:
        assert view.delivery_status == "sent"
        return
    missed = [item for item in view.recipients or [] if item.outcome == "failed"]
    assert missed
    assert all("protection" in (item.detail or "") for item in missed)
    assert "submission.cancelled" in await reasons(agent, message_id)
    assert len(sink.messages) == before


async def test_what_a_person_approved_is_not_screened_again(
    sink: SmtpSink, home: Home, owner: Session, agent: Session
) -> None:
    await protect(owner, outbound={**NOBODY, "action": "review"})
    held = await send(agent, send_at=home.clock.now() + timedelta(hours=1))
    assert (await owner.reviews.approve(held.message_id, ApproveRequest())).status == "scheduled"
    await home.advance(hours=2)
    await left(agent, held.message_id)


@pytest.mark.parametrize(("action", "sent"), [("review", True), ("block", False)])
async def test_time_approves_what_the_gate_does_not_block(
    home: Home, owner: Session, agent: Session, events: EventLog, action: str, sent: bool
) -> None:
    holds = {"ttl_seconds": 60, "on_expiry": "approve"}
    await protect(owner, outbound={**NOBODY, "action": "review"}, holds=holds)
    held = await send(agent)
    await protect(owner, outbound={**NOBODY, "action": action}, holds=holds)
    await home.advance(minutes=2)
    if sent:
        await left(agent, held.message_id)
        return
    await events.wait("email.review_rejected", held.message_id)
    view = await agent.messages.get(ASSISTANT, held.message_id)
    assert view.review_status == "review_expired_rejected"
    assert "protection" in (view.rejection_reason or "")


@pytest.mark.parametrize("waits", ["scheduled", "deferred", "held"])
async def test_a_key_revoked_meanwhile_stops_what_was_sent_with_it(
    sink: SmtpSink, home: Home, engine: Engine, owner: Session, agent: Session, waits: str
) -> None:
    made = await owner.api_keys.create(
        CreateAPIKeyRequest(name="leaked", scope="agent", agent_email=ASSISTANT)
    )
    leaked = await engine.session(made.key)
    if waits == "held":
        holds = {"ttl_seconds": 60, "on_expiry": "approve"}
        await protect(owner, outbound={**NOBODY, "action": "review"}, holds=holds)
        message_id = (await send(leaked)).message_id
    else:
        message_id = await (scheduled(home, leaked) if waits == "scheduled" else deferred(sink, leaked))
    other = await scheduled(home, agent, subject="Of the key that stays") if waits == "scheduled" else None
    await owner.api_keys.delete(made.id)
    await home.advance(hours=2)
    if waits == "held":

        async def rejected() -> bool:
            view = await agent.messages.get(ASSISTANT, message_id)
            return view.review_status == "review_expired_rejected" and "revoked" in (
                view.rejection_reason or ""
            )

        await until(rejected)
    else:
        view = await settled(agent, message_id)
        assert (view.delivery_status, "revoked" in (view.delivery_detail or "")) == ("failed", True)
    if other:
        assert (await settled(agent, other)).delivery_status == "sent"
    assert len(sink.messages) == (1 if other else 0)


async def test_a_suppression_added_meanwhile_stops_what_waits(
    sink: SmtpSink, home: Home, owner: Session, agent: Session
) -> None:
    message_id = await scheduled(home, agent)
    await owner.suppressions.create_for_agent(
        ASSISTANT, CreateAgentSuppressionRequest(address="bob@example.org")
    )
    await home.advance(hours=2)
    assert (await settled(agent, message_id)).delivery_status == "failed"
    assert sink.messages == []


async def set_paused(owner: Session, whole: bool, *, paused: bool) -> None:
    if whole:
        await (owner.account.pause() if paused else owner.account.resume())
    else:
        await (owner.agents.pause(ASSISTANT) if paused else owner.agents.resume(ASSISTANT))


@pytest.mark.parametrize("whole", [False, True])
async def test_a_pause_stops_all_sending_at_once(
    sink: SmtpSink, home: Home, owner: Session, agent: Session, whole: bool
) -> None:
    await make_helper(owner)
    await home.deliver(subject="Before")
    parent = (await arrived(agent)).id
    await protect(owner, outbound={**NOBODY, "action": "review"})
    held = (await send(agent)).message_id
    await protect(owner)
    due = await scheduled(home, agent, subject="Scheduled")
    retried = await deferred(sink, agent, subject="Retried")
    later = await scheduled(home, agent, subject="Later", to=["dan@example.org"])

    await set_paused(owner, whole, paused=True)
    options = SendOptions()
    attempts: tuple[Callable[[], Awaitable[object]], ...] = (
        lambda: send(agent),
        lambda: send(agent, to=[ASSISTANT]),
        lambda: send(agent, to=[HELPER]),
        lambda: send(agent, send_at=home.clock.now() + timedelta(days=1)),
        lambda: send(owner),
        lambda: agent.messages.reply(ASSISTANT, parent, ReplyRequest(text="t"), options),
        lambda: agent.messages.forward(
            ASSISTANT, parent, ForwardRequest(to=["b@example.org"], text=""), options
        ),
        lambda: owner.reviews.approve(held, ApproveRequest()),
    )
    for sending in attempts:
        with pytest.raises(SendingPaused, match="paused since 20"):
            await sending()
    await home.advance(hours=2)

    async def both_wait() -> bool:
        views = [await agent.messages.get(ASSISTANT, item, peek=True) for item in (due, retried, later)]
        return all("paused" in (view.delivery_detail or "") for view in views)

    await until(both_wait)
    assert sink.messages == []
    await home.deliver(subject="During")
    assert (await arrived(agent)).subject == "During"
    if whole:
        with pytest.raises(SendingPaused):
            await send(owner, email=HELPER)
    else:
        assert (await send(owner, email=HELPER)).status == "accepted"
        await sink.wait_for(1)

    await set_paused(owner, whole, paused=False)
    for message_id in (due, retried, later):
        assert (await settled(agent, message_id)).delivery_status == "sent"
    assert (await owner.reviews.approve(held, ApproveRequest())).status == "accepted"
    assert (await send(agent)).status == "accepted"


async def test_a_pause_is_shown(owner: Session, agent: Session, home: Home) -> None:
    await make_helper(owner)
    assert (await agent.account.get()).sending_paused is None
    since = (await owner.agents.pause(ASSISTANT)).sending_paused_at
    assert since is not None
    home.clock.advance(hours=1)
    assert (await owner.agents.pause(ASSISTANT)).sending_paused_at == since
    shown = await agent.account.get()
    assert (shown.sending_paused, shown.sending_paused_at) == ("agent", since)
    assert (await owner.account.get()).sending_paused is None
    listed = {item.email: item.sending_paused for item in (await owner.agents.list()).items}
    assert listed == {ASSISTANT: "agent", HELPER: None}

    assert (await owner.account.pause()).sending_paused == "account"
    assert (await agent.account.get()).sending_paused == "account"
    listed = {item.email: item.sending_paused for item in (await owner.agents.list()).items}
    assert listed == {ASSISTANT: "account", HELPER: "account"}
    # The one does not end the other.
    assert (await owner.agents.resume(ASSISTANT)).sending_paused == "account"
    assert (await owner.agents.pause(ASSISTANT)).sending_paused == "account"
    assert (await owner.account.resume()).sending_paused is None
    assert (await agent.agents.get(ASSISTANT)).sending_paused == "agent"
    assert (await owner.agents.resume(ASSISTANT)).sending_paused is None
    assert (await owner.agents.resume(ASSISTANT)).sending_paused is None


async def test_only_the_account_pauses_and_resumes(
    home: Home, engine: Engine, owner: Session, agent: Session
) -> None:
    for attempt in (
        agent.agents.pause(ASSISTANT),
        agent.agents.resume(ASSISTANT),
        agent.account.pause(),
        agent.account.resume(),
    ):
        with pytest.raises(Forbidden):
            await attempt
    foreign = f"foreign@{SHARED}"
    other = await engine.session(await stranger(home, foreign))
    with pytest.raises(NotFound):
        await other.agents.pause(ASSISTANT)
    await other.account.pause()
    assert (await send(agent)).status == "accepted"


async def test_a_hold_does_not_send_a_draft_while_sending_is_paused(
    sink: SmtpSink, home: Home, owner: Session, agent: Session
) -> None:
    await protect(
        owner, outbound={**NOBODY, "action": "review"}, holds={"ttl_seconds": 60, "on_expiry": "approve"}
    )
    held = await send(agent)
    await owner.agents.pause(ASSISTANT)
    await home.advance(minutes=2)
    await home.deliver(subject="Meanwhile")
    await wait_for_mail(agent, ASSISTANT)
    assert (await agent.messages.get(ASSISTANT, held.message_id)).review_status == "pending_review"
    await owner.agents.resume(ASSISTANT)
    await home.advance(hours=2)
    await left(agent, held.message_id)
