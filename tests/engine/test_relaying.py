"""Mail that leaves through an upstream relay, and everything that can become of it there."""

from __future__ import annotations

import asyncio
import base64
import os
import re
import signal
import sys
from collections.abc import Sequence
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from e2a_core.authentication.canonical import SignedMessage
from e2a_core.authentication.dkim import verify_dkim
from e2a_core.authentication.resolver import Resolver
from e2a_core.contract.engine import Session
from e2a_core.errors import StoreUnavailable
from e2a_core.store.database import Database
from e2a_core.store.statement import Result, Statement, first, sql
from tests.engine.mailbox import HELPER, make_helper, protect, reasons, send, settled, wait_for_mail
from tests.support.dns import DnsServer
from tests.support.home import ASSISTANT, EventLog, Home, Keys, environment_of, open_home_for_test
from tests.support.smtp_sink import SmtpSink
from tests.support.waiting import until

pytestmark = [pytest.mark.anyio, pytest.mark.relayed]


async def _outcomes(session: Session, message_id: str) -> dict[str, tuple[str, str]]:
    view = await session.messages.get(ASSISTANT, message_id)
    return {item.address: (item.outcome, item.status) for item in view.recipients or []}


async def _tried(session: Session, message_id: str, count: int) -> None:
    """Until `count` attempts have been recorded as temporary failures."""

    async def look() -> bool:
        return (await reasons(session, message_id)).count("submission.temporary_failure") >= count

    await until(look)


async def _deferred_since(session: Session, message_id: str, since: datetime) -> None:
    """Until an attempt after `since` has been put off."""

    async def look() -> bool:
        view = await session.messages.get(ASSISTANT, message_id)
        return any(item.status == "deferred" and item.updated_at > since for item in view.recipients or [])

    await until(look)


@pytest.mark.parametrize("announced", [1_000_000, 1_400_000])
async def test_a_relay_that_takes_less_than_the_message_gets_nothing_and_both_sizes_are_told(
    sink: SmtpSink, agent: Session, announced: int
) -> None:
    sink.size_limit = announced
    attachment = {
        "filename": "a.bin",
        "content_type": "application/octet-stream",
        "data": base64.b64encode(bytes(1_000_000)).decode(),
    }
    small, large = await send(agent), await send(agent, attachments=[attachment])
    view = await settled(agent, large.message_id)
    if announced > 1_000_000 * 78 // 57 + 2000:
        assert view.delivery_status == "sent"
        return
    assert view.delivery_status == "failed"
    [outcome] = view.recipients or []
    assert (outcome.outcome, outcome.enhanced) == ("failed", "5.3.4")
    told = re.fullmatch(rf"the message has (\d+) octets, the relay accepts {announced}", outcome.detail or "")
    assert told is not None
    # In base64, as it would have been sent.
    assert 1_000_000 * 78 // 57 < int(told[1]) < 1_000_000 * 78 // 57 + 2000
    assert view.delivery_detail == outcome.detail
    assert (await settled(agent, small.message_id)).delivery_status == "sent"


async def test_hidden_recipients_get_the_mail_and_stay_hidden(sink: SmtpSink, agent: Session) -> None:
    result = await send(agent, cc=["carol@example.org"], bcc=["dan@example.org"], options={"wait": "sent"})
    assert (result.status, result.method, result.sent_as, result.sandbox) == (
        "sent",
        "smtp",
        "own_address",
        None,
    )
    [sent] = await sink.wait_for(1)
    assert sent.recipients == ("bob@example.org", "carol@example.org", "dan@example.org")
    content = sent.content
    assert b"dan@example.org" not in content
    assert b"X-E2A-Conversation-Id" not in content
    assert content == await agent.messages.raw(ASSISTANT, result.message_id)


async def test_the_relays_own_id_is_told(sink: SmtpSink, home: Home, agent: Session) -> None:
    result = await send(agent, options={"wait": "sent"})
    assert result.provider_message_id == "<captured@sink.example>"
    view = await agent.messages.get(ASSISTANT, result.message_id)
    assert view.provider_message_id == "<captured@sink.example>"
    # Relays that stamp their own Message-ID are answered under that.
    assert (await home.deliver(headers={"In-Reply-To": "<captured@sink.example>"})).accepted
    [answer] = (await agent.conversations.get(ASSISTANT, view.conversation_id)).messages[1:]
    assert answer.thread_id == view.thread_id


async def test_the_signature_verifies_against_the_published_key(
    sink: SmtpSink, home: Home, agent: Session, dns: DnsServer
) -> None:
    await send(agent, text="Grüße\n.\n..dots\n" + "x" * 1500, html="<p>ü</p>", options={"wait": "sent"})
    [captured] = await sink.wait_for(1)
    resolver = Resolver(dns.address, home.clock)
    [verdict] = await verify_dkim(SignedMessage.parse(captured.content), resolver, home.clock.now())
    assert (verdict.status, verdict.domain) == ("pass", "agents.example")
    row = first(
        await home.local.core.db.read(sql("SELECT public_key FROM dkim_keys WHERE retired_at IS NULL"))
    )
    assert row is not None
    assert row["public_key"] == home.keys.shared.dns_record()


async def test_each_recipient_has_its_own_outcome(sink: SmtpSink, agent: Session, events: EventLog) -> None:
    sink.script.rcpt["bad@example.org"] = "550 5.1.1 no such user"
    result = await send(agent, to=["bob@example.org", "bad@example.org"], options={"wait": "sent"})
    view = await settled(agent, result.message_id)
    found = {item.address: (item.outcome, item.code, item.enhanced) for item in view.recipients or []}
    assert found == {
        "bob@example.org": ("succeeded", 250, "2.0.0"),
        "bad@example.org": ("failed", 550, "5.1.1"),
    }
    assert (view.delivery_status, view.delivery_detail) == ("sent", "bad@example.org: no such user")
    assert (result.status, result.failed_recipients) == ("sent", ["bad@example.org"])
    told_at_once = {item.address: (item.outcome, item.detail) for item in result.recipients or []}
    assert told_at_once == {
        "bob@example.org": ("succeeded", None),
        "bad@example.org": ("failed", "no such user"),
    }
    # Some got it and some did not: both is told.
    await events.wait("email.sent", result.message_id)
    told = await events.wait("email.failed", result.message_id)
    assert (told.data["reason"], told.data["reason_code"], told.data["retryable"]) == (
        "bad@example.org: no such user",
        "submission.provider_rejected",
        False,
    )
    assert set(await reasons(agent, result.message_id)) == {
        "acceptance.outbound_api",
        "queue.outbound_submission",
        "submission.upstream_accepted",
        "submission.provider_rejected",
    }
    [captured] = sink.messages
    assert captured.recipients == ("bob@example.org",)


async def test_a_failure_of_an_earlier_attempt_is_told_of_too(
    sink: SmtpSink, home: Home, agent: Session, events: EventLog
) -> None:
    sink.script.rcpt |= {"bad@example.org": "550 5.1.1 no such user", "slow@example.org": "451 4.2.0 later"}
    result = await send(agent, to=["bad@example.org", "slow@example.org"])
    await _tried(agent, result.message_id, 1)
    del sink.script.rcpt["slow@example.org"]
    await home.advance(seconds=31)
    await events.wait("email.sent", result.message_id)
    told = await events.wait("email.failed", result.message_id)
    assert (told.data["reason"], told.data["reason_code"]) == (
        "bad@example.org: no such user",
        "submission.provider_rejected",
    )
    again = await send(
        agent, to=["bad@example.org", "bob@example.org"], subject="Again", options={"wait": "sent"}
    )
    assert (again.status, again.failed_recipients) == ("sent", ["bad@example.org"])


async def test_a_refused_message_has_failed(sink: SmtpSink, agent: Session, events: EventLog) -> None:
    sink.script.final = "554 5.7.1 not today"
    result = await send(agent, options={"wait": "sent"})
    assert (result.status, result.failed_recipients) == ("failed", None)
    told = await events.wait("email.failed", result.message_id)
    assert "email.sent" not in events.types(result.message_id)
    assert (told.data["reason_code"], told.data["retryable"]) == ("submission.provider_rejected", False)
    assert "not today" in told.data["reason"]


async def test_a_temporary_refusal_is_tried_again_for_those_it_concerns(
    sink: SmtpSink, home: Home, agent: Session, events: EventLog
) -> None:
    sink.script.rcpt["slow@example.org"] = "451 4.2.0 greylisted"
    result = await send(agent, to=["bob@example.org", "slow@example.org"])
    await _tried(agent, result.message_id, 1)
    assert await _outcomes(agent, result.message_id) == {
        "bob@example.org": ("succeeded", "sent"),
        "slow@example.org": ("pending", "deferred"),
    }
    sink.script.rcpt.clear()
    await home.advance(seconds=31)
    view = await settled(agent, result.message_id)
    assert view.delivery_status == "sent"
    assert [item.recipients for item in sink.messages] == [("bob@example.org",), ("slow@example.org",)]
    # It was signed once: both got the same message, and it is the one that is shown.
    first, second = [item.content for item in sink.messages]
    assert first == second == await agent.messages.raw(ASSISTANT, result.message_id)
    assert (view.size_bytes, first.count(b"DKIM-Signature:")) == (len(first), 1)
    await events.wait("email.sent", result.message_id)


async def test_attempts_end(sink: SmtpSink, home: Home, agent: Session, events: EventLog) -> None:
    sink.script.final = "451 4.3.0 come back"
    result = await send(agent)
    for attempt in range(1, 6):
        await _tried(agent, result.message_id, attempt)
        await home.advance(hours=4, seconds=1)
    view = await settled(agent, result.message_id)
    assert view.delivery_status == "failed"
    told = await events.wait("email.failed", result.message_id)
    assert told.data["reason_code"] == "submission.local_retries_exhausted"
    assert (await reasons(agent, result.message_id))[-1] == "submission.local_retries_exhausted"


async def test_an_outage_consumes_no_attempt(sink: SmtpSink, home: Home, agent: Session) -> None:
    sink.script.drop = "connect"
    tried_from = home.clock.now()
    result = await send(agent)
    for outage in range(1, 9):
        await _deferred_since(agent, result.message_id, tried_from)
        if outage == 8:
            sink.script.drop = "never"
        tried_from = home.clock.now() + timedelta(minutes=5)
        await home.advance(minutes=5, seconds=1)
    assert (await settled(agent, result.message_id)).delivery_status == "sent"


async def test_an_answer_that_is_lost_is_never_sent_again(
    sink: SmtpSink, home: Home, agent: Session, events: EventLog
) -> None:
    sink.script.drop = "reply"
    result = await send(agent, options={"wait": "sent"})
    assert result.status == "failed"
    assert (await _outcomes(agent, result.message_id))["bob@example.org"][0] == "unknown"
    told = await events.wait("email.failed", result.message_id)
    assert told.data["retryable"] is False
    assert "may have been delivered" in told.data["reason"]
    sink.script.drop = "never"
    await home.advance(days=4)
    other = await send(agent, text="Another", options={"wait": "sent"})
    assert other.status == "sent"
    assert len(sink.messages) == 2


def _falter(monkeypatch: pytest.MonkeyPatch, database: Database, failures: int) -> None:
    """From now on the database does not answer the first writes that would finish a job."""
    write, left = database.write, iter(range(failures))

    async def faltering(statements: Sequence[Statement]) -> Sequence[Result]:
        finishing = any(item.sqlite.startswith("DELETE FROM jobs") for item in statements)
        if finishing and next(left, None) is not None:
            raise StoreUnavailable("the database did not answer")
        return await write(statements)

    monkeypatch.setattr(database, "write", faltering)


@pytest.mark.local_only("the database is behind the API")
async def test_an_answer_is_kept_though_the_store_falters(
    sink: SmtpSink, home: Home, agent: Session, events: EventLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    _falter(monkeypatch, home.local.core.db, failures=2)
    result = await send(agent, options={"wait": "sent"})
    assert result.status == "sent"
    assert await _outcomes(agent, result.message_id) == {"bob@example.org": ("succeeded", "sent")}
    await events.wait("email.sent", result.message_id)
    assert len(sink.messages) == 1


async def test_a_kill_before_the_answer_sends_nothing_twice(
    sink: SmtpSink, tmp_path: Path, database_url: str, dns: DnsServer, keys: Keys
) -> None:
    sink.script.hang = True
    environment = environment_of(tmp_path, database_url, dns, sink)
    child = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "tests.engine.child",
        env={**os.environ, **environment},
        stdout=asyncio.subprocess.PIPE,
    )
    try:
        assert child.stdout is not None
        message_id = (await asyncio.wait_for(child.stdout.readline(), 30)).decode().strip()
        await sink.wait_for(1, timeout=30)
    finally:
        child.send_signal(signal.SIGKILL)
        await child.wait()
    sink.script.hang = False
    async with open_home_for_test(tmp_path, database_url, dns, keys, sink=sink) as home:
        agent = await home.local.session(home.agent_key)
        await home.advance(seconds=61)
        view = await settled(agent, message_id)
        assert (view.delivery_status, (await _outcomes(agent, message_id))["bob@example.org"][0]) == (
            "failed",
            "unknown",
        )
        assert "submission.local_retries_exhausted" in await reasons(agent, message_id)
        assert (await send(agent, options={"wait": "sent"})).status == "sent"
    assert len(sink.messages) == 2


async def test_mail_thrown_away_while_it_waits_is_not_sent(
    sink: SmtpSink, home: Home, agent: Session, events: EventLog
) -> None:
    sink.script.final = "451 4.3.0 come back"
    result = await send(agent)
    await _tried(agent, result.message_id, 1)
    await agent.messages.delete(ASSISTANT, result.message_id)
    sink.script.final = "250 2.0.0 Ok"
    await home.advance(seconds=31)
    view = await settled(agent, result.message_id)
    assert view.delivery_status == "failed"
    assert (await reasons(agent, result.message_id))[-1] == "submission.cancelled"
    assert sink.messages == []


async def test_mail_between_agents_does_not_touch_the_relay(
    sink: SmtpSink, owner: Session, agent: Session
) -> None:
    await make_helper(owner)
    result = await send(agent, to=[HELPER], options={"wait": "sent"})
    assert (result.status, result.method) == ("sent", "loopback")
    assert sink.connections == 0


async def test_mail_for_both_is_handed_over_once_to_each(
    sink: SmtpSink, home: Home, owner: Session, agent: Session
) -> None:
    await make_helper(owner)
    sink.script.final = "451 4.3.0 come back"
    result = await send(agent, to=[HELPER, "bob@example.org"])
    await _tried(agent, result.message_id, 1)
    sink.script.final = "250 2.0.0 Ok"
    await home.advance(seconds=31)
    assert (await settled(agent, result.message_id)).delivery_status == "sent"
    assert len(sink.messages) == 1
    written = await reasons(agent, result.message_id)
    assert written.count("submission.local_loopback_accepted") == 1
    assert written.count("submission.upstream_accepted") == 1


@pytest.mark.settings(outbound_smtp_from_domain="relay.example")
async def test_a_shared_domain_that_may_not_leave_goes_out_under_the_relays_address(
    sink: SmtpSink, agent: Session
) -> None:
    result = await send(agent, options={"wait": "sent"})
    assert result.sent_as == "relay"
    [captured] = await sink.wait_for(1)
    assert captured.mail_from.endswith("@relay.example")
    assert b"via e2a" in captured.content
    assert f"Reply-To: {ASSISTANT}\r\n".encode() in captured.content


@pytest.mark.settings(outbound_smtp_from_domain="relay.example")
async def test_mail_that_stays_inside_is_the_agents_own_all_the_same(
    sink: SmtpSink, owner: Session, agent: Session
) -> None:
    await make_helper(owner)
    await protect(owner, HELPER, inbound={"policy": "allowlist", "allowlist": [ASSISTANT], "action": "block"})
    result = await send(agent, to=[HELPER], options={"wait": "sent"})
    assert (result.status, result.sent_as) == ("sent", "own_address")
    [received] = await wait_for_mail(owner, HELPER)
    assert (received.header_from, received.flagged) == (ASSISTANT, None)
    note = await send(agent, to=[ASSISTANT])
    assert (note.status, note.sent_as) == ("sent", "own_address")


async def test_a_repeated_call_learns_what_became_of_the_first(sink: SmtpSink, agent: Session) -> None:
    sink.script.drop = "reply"
    options = {"dedupe": "content", "wait": "sent"}
    first = await send(agent, options=options)
    again = await send(agent, options=options)
    assert (first.status, first.deduplicated) == ("failed", None)
    assert (again.status, again.deduplicated, again.message_id) == ("failed", True, first.message_id)
