"""Mail that is to leave later: when it does, and what keeps it from leaving."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path

import pytest

from e2a_core.clock import to_micros
from e2a_core.contract.engine import Session
from e2a_core.contract.message_views import MessageView
from e2a_core.contract.reviews import ApproveRequest
from e2a_core.errors import InvalidRequest, SendInProgress
from e2a_core.local.engine import LocalEngine, open_local_engine
from e2a_core.settings import load_settings
from e2a_core.submission.queries import claim
from tests.engine.mailbox import HELPER, make_helper, protect, reasons, send, settled, wait_for_mail
from tests.support.dns import DnsServer
from tests.support.home import (
    ASSISTANT,
    EventLog,
    Home,
    Keys,
    MovableClock,
    environment_of,
    open_home_for_test,
)
from tests.support.smtp_sink import SmtpSink
from tests.support.waiting import until

pytestmark = [pytest.mark.anyio, pytest.mark.relayed]

HOLD = {"policy": "allowlist", "action": "review"}


async def test_it_leaves_at_its_instant_and_not_before(sink: SmtpSink, home: Home, agent: Session) -> None:
    soon = home.clock.now() + timedelta(hours=1)
    result = await send(agent, send_at=soon, options={"wait": "sent"})
    assert (result.status, result.scheduled_at, result.method) == ("scheduled", soon, "smtp")
    view = await agent.messages.get(ASSISTANT, result.message_id)
    assert (view.delivery_status, view.scheduled_at) == ("accepted", soon)
    await send(agent, subject="Now")
    await sink.wait_for(1)
    await home.advance(minutes=59)
    assert (await agent.messages.get(ASSISTANT, result.message_id)).delivery_status == "accepted"
    await home.advance(minutes=2)
    sent = await settled(agent, result.message_id)
    assert (sent.delivery_status, sent.scheduled_at) == ("sent", soon)
    content = (await sink.wait_for(2))[1].content
    assert b"\r\nSubject: Hi\r\n" in content
    signed_at = re.search(rb"^DKIM-Signature:.*?\bt=(\d+);", content, re.DOTALL)
    assert signed_at is not None
    assert int(signed_at[1]) >= soon.timestamp()


async def test_what_may_be_asked_for(home: Home, agent: Session, owner: Session) -> None:
    now = home.clock.now()
    for past in (timedelta(days=1), timedelta(hours=1), timedelta(minutes=1)):
        with pytest.raises(InvalidRequest) as refused:
            await send(agent, send_at=now - past)
        assert f"it is {home.clock.now():%Y-%m-%dT%H:%M}" in refused.value.fields[0][1]
    assert (await send(agent, send_at=now - timedelta(seconds=1))).status == "accepted"
    late = await send(agent, subject="Late", send_at=now + timedelta(days=89, hours=23))
    assert late.status == "scheduled"
    # The same text for another time is another message.
    minted = {"dedupe": "content"}
    first = await send(agent, send_at=now + timedelta(days=1), options=minted)
    again = await send(agent, send_at=now + timedelta(days=1), options=minted)
    other = await send(agent, send_at=now + timedelta(days=2), options=minted)
    assert first.message_id == again.message_id != other.message_id
    await protect(owner, outbound=HOLD)
    for members in (
        {"send_at": now + timedelta(days=91)},
        {"to": [ASSISTANT], "send_at": now + timedelta(hours=1)},
    ):
        with pytest.raises(InvalidRequest) as refused:
            await send(agent, **members)
        assert (refused.value.status, refused.value.fields[0][0]) == (400, "body.send_at")


async def test_a_repeated_call_may_come_after_the_instant(home: Home, agent: Session) -> None:
    """The first answer stands, whatever time it is."""
    soon, key = home.clock.now() + timedelta(hours=1), {"idempotency_key": "k"}
    first = await send(agent, send_at=soon, options=key)
    await home.advance(hours=2)
    assert (await send(agent, send_at=soon, options=key)).message_id == first.message_id


async def test_a_hold_keeps_the_instant(sink: SmtpSink, home: Home, agent: Session, owner: Session) -> None:
    await protect(owner, outbound=HOLD)
    soon = home.clock.now() + timedelta(hours=2)
    held = [await send(agent, subject=subject, send_at=soon) for subject in ("Early", "Late")]
    assert {item.scheduled_at for item in held} == {soon}
    assert {item.scheduled_at for item in (await owner.reviews.list()).items} == {soon}
    early = await owner.reviews.approve(held[0].message_id, ApproveRequest())
    assert (early.status, early.scheduled_at) == ("scheduled", soon)
    await home.advance(hours=2, seconds=1)
    await settled(agent, held[0].message_id)
    late = await owner.reviews.approve(held[1].message_id, ApproveRequest())
    assert (late.status, late.scheduled_at) == ("accepted", None)
    assert (await settled(agent, held[1].message_id)).delivery_status == "sent"
    assert len(await sink.wait_for(2)) == 2


async def test_the_trash_cancels_it_and_restoring_in_time_does_not(
    sink: SmtpSink, home: Home, agent: Session
) -> None:
    soon = home.clock.now() + timedelta(hours=1)
    off, on = [(await send(agent, subject=subject, send_at=soon)).message_id for subject in ("Off", "On")]
    for message_id in (off, on):
        called_off = await agent.messages.delete(ASSISTANT, message_id)
        assert called_off.cancelled
        assert f"restored before {soon:%Y-%m-%dT%H:%M:%S}" in (called_off.note or "")
        thrown = await agent.messages.get(ASSISTANT, message_id)
        assert "called off" in (thrown.delivery_detail or "")
        assert (await reasons(agent, message_id))[-1] == "submission.cancelled"
    again = await agent.messages.restore(ASSISTANT, on)
    assert (again.delivery_status, again.delivery_detail, again.scheduled_at) == ("accepted", None, soon)
    assert (await reasons(agent, on))[-1] == "queue.outbound_submission"
    await home.advance(hours=1, seconds=1)
    assert (await settled(agent, on)).delivery_status == "sent"

    async def decided() -> MessageView | None:
        view = await agent.messages.get(ASSISTANT, off)
        return view if view.delivery_status == "failed" else None

    assert await until(decided)
    restored = await agent.messages.restore(ASSISTANT, off)
    assert (restored.delivery_status, restored.deleted_at) == ("failed", None)
    assert (await reasons(agent, off))[-1] == "submission.cancelled"
    [captured] = sink.messages
    assert b"\r\nSubject: On\r\n" in captured.content


async def test_what_was_called_off_has_not_failed(sink: SmtpSink, home: Home, agent: Session) -> None:
    """The figures count as failed what was refused, whatever is in the trash."""
    sink.script.rcpt["nobody@example.org"] = "550 5.1.1 no such user"
    sink.script.rcpt["later@example.org"] = "451 4.7.1 come back"
    soon = home.clock.now() + timedelta(hours=1)
    off, on, late = [
        (await send(agent, subject=name, send_at=soon)).message_id for name in ("Off", "On", "Late")
    ]
    refused = (await send(agent, to=["nobody@example.org"], subject="Refused")).message_id
    retried = (await send(agent, to=["later@example.org"], subject="Retried")).message_id
    await settled(agent, refused)

    async def put_off() -> bool:
        return "submission.temporary_failure" in await reasons(agent, retried)

    await until(put_off)
    for message_id in (off, on, late, refused, retried):
        await agent.messages.delete(ASSISTANT, message_id)
    await agent.messages.restore(ASSISTANT, on)
    home.clock.advance(seconds=1)
    assert (await agent.metrics.of_agent(ASSISTANT)).summary.send_failed == 1
    await home.advance(hours=1, seconds=1)
    await settled(agent, on)
    await settled(agent, off)
    await agent.messages.restore(ASSISTANT, late)
    home.clock.advance(seconds=1)
    figures = (await agent.metrics.of_agent(ASSISTANT)).summary
    assert (figures.accepted, figures.submitted, figures.send_failed) == (5, 1, 1)


async def test_the_lifecycle_tells_when_it_leaves(home: Home, agent: Session, owner: Session) -> None:
    async def told(message_id: str) -> list[tuple[str, str | None]]:
        page = await agent.messages.lifecycle(ASSISTANT, message_id)
        return [(row.reason_code, row.evidence.get("scheduled_at")) for row in page.items]

    soon = home.clock.now().replace(microsecond=0) + timedelta(days=1)
    at = soon.strftime("%Y-%m-%dT%H:%M:%SZ")
    scheduled = (await send(agent, send_at=soon)).message_id
    accepted, queued = ("acceptance.outbound_api", None), ("queue.outbound_submission", at)
    assert await told(scheduled) == [accepted, queued]
    await agent.messages.delete(ASSISTANT, scheduled)
    await agent.messages.restore(ASSISTANT, scheduled)
    assert await told(scheduled) == [accepted, queued, ("submission.cancelled", None), queued]
    at_once = (await send(agent, subject="Now")).message_id
    assert all(due is None for _, due in await told(at_once))
    await protect(owner, outbound=HOLD)
    held = (await send(agent, subject="Held", send_at=soon)).message_id
    await owner.reviews.approve(held, ApproveRequest())
    assert await told(held) == [accepted, ("review.hold_created", at), ("review.approved", None), queued]


async def test_mail_of_a_trashed_inbox_does_not_leave(
    sink: SmtpSink, home: Home, agent: Session, owner: Session, events: EventLog
) -> None:
    sink.script.rcpt["later@example.org"] = "451 4.7.1 come back"
    scheduled = (await send(agent, send_at=home.clock.now() + timedelta(hours=1))).message_id
    retried = (await send(agent, to=["later@example.org"], subject="Retried")).message_id

    async def put_off() -> bool:
        return "submission.temporary_failure" in await reasons(agent, retried)

    await until(put_off)
    await owner.agents.delete(ASSISTANT)
    sink.script.rcpt.clear()
    await home.advance(hours=2)
    for message_id in (scheduled, retried):
        failed = await events.wait("email.failed", message_id)
        assert failed.data["reason_code"] == "submission.cancelled"
        assert "inbox" in failed.data["reason"]
    await owner.agents.restore(ASSISTANT)
    for message_id in (scheduled, retried):
        view = await settled(agent, message_id)
        assert view.delivery_status == "failed"
        assert [item.outcome for item in view.recipients or []] == ["failed"]
    assert sink.messages == []


async def test_restored_too_late_it_is_not_sent(sink: SmtpSink, home: Home, agent: Session) -> None:
    result = await send(agent, send_at=home.clock.now() + timedelta(hours=1))
    await agent.messages.delete(ASSISTANT, result.message_id)
    # The workers are not woken: whoever comes first finds the instant in the past.
    home.clock.advance(hours=1, seconds=1)
    view = await agent.messages.restore(ASSISTANT, result.message_id)
    assert (view.delivery_status, view.deleted_at) == ("failed", None)
    await home.wake()
    await settled(agent, (await send(agent, subject="Next")).message_id)
    assert len(sink.messages) == 1
    assert (await reasons(agent, result.message_id)).count("submission.cancelled") == 1


async def test_what_is_being_submitted_cannot_be_deleted(home: Home, agent: Session) -> None:
    message_id = (await send(agent, send_at=home.clock.now() + timedelta(hours=1))).message_id
    claimed = to_micros(home.clock.now())
    assert await home.local.core.db.write([claim(message_id, claimed)])
    with pytest.raises(SendInProgress):
        await agent.messages.delete(ASSISTANT, message_id)
    # By then whoever claimed it is dead.
    home.clock.advance(minutes=11)
    assert (await agent.messages.delete(ASSISTANT, message_id)).deleted


async def test_a_failing_relay_is_tried_from_the_instant_on(
    sink: SmtpSink, home: Home, agent: Session
) -> None:
    sink.script.rcpt["bob@example.org"] = "450 4.2.1 later"
    result = await send(agent, send_at=home.clock.now() + timedelta(days=5))
    await home.advance(days=5, seconds=1)

    async def tried() -> bool:
        return "submission.temporary_failure" in await reasons(agent, result.message_id)

    await until(tried)
    assert (await agent.messages.get(ASSISTANT, result.message_id)).delivery_status == "sending"
    sink.script.rcpt.clear()
    await home.advance(seconds=31)
    assert (await settled(agent, result.message_id)).delivery_status == "sent"


async def test_local_mail_waits_too(home: Home, owner: Session) -> None:
    await make_helper(owner)
    result = await send(owner, to=[HELPER], send_at=home.clock.now() + timedelta(hours=1))
    assert (await owner.messages.get(ASSISTANT, result.message_id)).delivery_status == "accepted"
    await home.advance(hours=1, seconds=1)
    [arrived] = await wait_for_mail(owner, HELPER)
    assert arrived.subject == "Hi"


@asynccontextmanager
async def open_home_again(
    folder: Path, database_url: str, dns: DnsServer, sink: SmtpSink, ahead: timedelta
) -> AsyncIterator[LocalEngine]:
    """The home of an earlier process, some time later."""
    clock = MovableClock()
    clock.advance(seconds=ahead.total_seconds())
    environment = environment_of(folder, database_url, dns, sink)
    engine = await open_local_engine(load_settings(environment), clock=clock, strict=True)
    try:
        await engine.wait_until_leading()
        yield engine
    finally:
        await engine.close()


async def test_it_survives_a_restart(
    sink: SmtpSink, tmp_path: Path, database_url: str, dns: DnsServer, keys: Keys
) -> None:
    folder = tmp_path / "restarted"
    async with open_home_for_test(folder, database_url, dns, keys, sink=sink) as home:
        agent = await home.local.session(home.agent_key)
        result = await send(agent, send_at=home.clock.now() + timedelta(hours=1))
    async with open_home_again(folder, database_url, dns, sink, timedelta(hours=2)) as engine:
        agent = await engine.home_session(agent_email=ASSISTANT)
        assert (await settled(agent, result.message_id)).delivery_status == "sent"
    assert len(sink.messages) == 1
