"""What the lists do to mail: when it is asked for, when it is approved, and when it is about to leave."""

from __future__ import annotations

from datetime import timedelta
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from typing import Any

import pytest

from e2a_core.authentication.canonical import SignedMessage
from e2a_core.authentication.dkim import verify_dkim
from e2a_core.authentication.resolver import Resolver
from e2a_core.contract.engine import Session
from e2a_core.contract.reviews import ApproveRequest
from e2a_core.contract.sending import ForwardRequest, ReplyRequest, SendOptions
from e2a_core.contract.suppressions import CreateAgentSuppressionRequest
from e2a_core.errors import InvalidRequest, MessageNotPending, NotFound, RecipientSuppressed
from e2a_core.store.statement import sql
from e2a_core.submission.unsubscribe import find_unsubscribe, unsubscribe
from tests.engine.mailbox import arrived, protect, reasons, send, settled
from tests.support.dns import DnsServer
from tests.support.home import ASSISTANT, EventLog, Home
from tests.support.smtp_sink import SmtpSink
from tests.support.waiting import until

pytestmark = [pytest.mark.anyio, pytest.mark.settings(public_url="https://mail.example")]

BOB = "bob@example.org"
MANAGED = {"mode": "managed"}
HOLD = {"policy": "allowlist", "action": "review"}


async def block(owner: Session, address: str = BOB) -> None:
    await owner.suppressions.create_for_agent(ASSISTANT, CreateAgentSuppressionRequest(address=address))


async def test_mail_to_a_blocked_recipient_is_refused(owner_session: Session, agent: Session) -> None:
    await block(owner_session)
    keyed = {"idempotency_key": "k1"}
    asked: list[dict[str, Any]] = [{"to": ["Bob <BOB@example.org>"]}, {"to": ["a@example.org"], "bcc": [BOB]}]
    for members in asked:
        with pytest.raises(RecipientSuppressed) as refused:
            await send(agent, **members, options=keyed)
        assert (refused.value.status, refused.value.details) == (422, {"addresses": [BOB]})
    await owner_session.suppressions.delete_of_agent(ASSISTANT, BOB)
    assert (await send(agent, options=keyed)).status == "accepted"


async def test_a_held_draft_cannot_be_approved_to_a_blocked_recipient(
    home: Home, owner_session: Session, agent: Session
) -> None:
    await protect(owner_session, outbound=HOLD)
    held = await send(agent)
    await block(owner_session)
    with pytest.raises(RecipientSuppressed):
        await owner_session.reviews.approve(held.message_id, ApproveRequest())
    assert (await owner_session.reviews.get(held.message_id)).review_status == "pending_review"
    result = await owner_session.reviews.approve(held.message_id, ApproveRequest(to=["carol@example.org"]))
    assert result.status == "accepted"


async def test_a_hold_that_expires_to_a_blocked_recipient_is_rejected(
    home: Home, owner_session: Session, agent: Session
) -> None:
    await protect(owner_session, outbound=HOLD, holds={"ttl_seconds": 60, "on_expiry": "approve"})
    held = await send(agent)
    await block(owner_session)
    await home.advance(seconds=61)

    async def ended() -> bool:
        return (await owner_session.reviews.get(held.message_id)).review_status != "pending_review"

    await until(ended)
    view = await owner_session.reviews.get(held.message_id)
    assert view.review_status == "review_expired_rejected"
    assert BOB in (view.rejection_reason or "")


@pytest.mark.relayed
async def test_only_the_blocked_recipient_is_left_out_at_submission(
    sink: SmtpSink, home: Home, owner_session: Session, agent: Session
) -> None:
    soon = home.clock.now() + timedelta(hours=1)
    mixed = await send(agent, to=[BOB, "carol@example.org"], send_at=soon)
    alone = await send(agent, subject="Alone", send_at=soon)
    await block(owner_session)
    await home.advance(hours=1, seconds=1)
    view = await settled(agent, mixed.message_id)
    assert {item.address: item.outcome for item in view.recipients or []} == {
        BOB: "failed",
        "carol@example.org": "succeeded",
    }
    assert (await reasons(agent, mixed.message_id))[-2:] == sorted(
        ["submission.upstream_accepted", "suppression.recipient_blocked"],
        key=(await reasons(agent, mixed.message_id)).index,
    )
    [captured] = await sink.wait_for(1)
    assert captured.recipients == ("carol@example.org",)
    assert (await settled(agent, alone.message_id)).delivery_status == "failed"
    assert {"submission.cancelled", "suppression.recipient_blocked"} <= set(
        await reasons(agent, alone.message_id)
    )
    page = await agent.messages.lifecycle(ASSISTANT, alone.message_id)
    [row] = [item for item in page.items if item.reason_code == "suppression.recipient_blocked"]
    assert (row.recipient, row.evidence) == (
        BOB,
        {"suppression_scope": "agent", "suppression_source": "manual"},
    )
    assert len(sink.messages) == 1


@pytest.mark.relayed
async def test_a_managed_unsubscribe_link(sink: SmtpSink, home: Home, agent: Session, dns: DnsServer) -> None:
    result = await send(
        agent, html="<html><body><p>Hi</p></body></html>", unsubscribe=MANAGED, options={"wait": "sent"}
    )
    [captured] = await sink.wait_for(1)
    message = message_from_bytes(captured.content, policy=default)
    assert isinstance(message, EmailMessage)
    link = message["List-Unsubscribe"].strip("<>")
    assert message["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    plain, rich = message.get_body(("plain",)), message.get_body(("html",))
    assert plain is not None
    assert rich is not None
    assert link in plain.get_content()
    assert link in rich.get_content().split("</body>")[0]
    resolver = Resolver(dns.address, home.clock)
    [verdict] = await verify_dkim(SignedMessage.parse(captured.content), resolver, home.clock.now())
    assert verdict.status == "pass"
    signature = str(message["DKIM-Signature"])
    assert "List-Unsubscribe:" in signature
    assert "List-Unsubscribe-Post" in signature

    core, token = home.local.core, link.rpartition("/u/")[2]
    [kept] = await core.db.read(sql("SELECT * FROM unsubscribe_tokens"))
    assert token not in kept.values()
    target = await find_unsubscribe(core, token)
    assert (target.agent_email, target.address) == (ASSISTANT, BOB)
    assert (await send(agent, subject="looking changes nothing")).status == "accepted"
    async with EventLog(await home.local.session(home.account_key)) as events:
        assert await unsubscribe(core, token) == target == await unsubscribe(core, token)
        told = await events.wait("agent.suppression_added")
    assert told.data == {"agent_email": ASSISTANT, "address": BOB, "source": "unsubscribe"}
    with pytest.raises(RecipientSuppressed):
        await send(agent, subject="again")
    assert result.status == "sent"


async def test_links_nobody_was_sent_lead_nowhere(home: Home) -> None:
    for token in ("", "u1_" + "A" * 43, "u1_" + "A" * 42, "\x00", "é" * 46):
        with pytest.raises(NotFound):
            await find_unsubscribe(home.local.core, token)


async def test_a_link_is_for_one_recipient(home: Home, agent: Session) -> None:
    asked: list[dict[str, Any]] = [{"to": [BOB, "carol@example.org"]}, {"cc": ["carol@example.org"]}]
    for members in asked:
        with pytest.raises(InvalidRequest) as refused:
            await send(agent, unsubscribe=MANAGED, **members)
        assert refused.value.fields[0][0] == "body.unsubscribe"
    assert (
        await send(agent, to=[BOB, "Bob <BOB@example.org>", ASSISTANT], unsubscribe=MANAGED)
    ).status == "accepted"


async def test_a_hold_keeps_the_wish_and_approval_makes_the_link(
    home: Home, owner_session: Session, agent: Session
) -> None:
    await home.deliver(subject="Question")
    parent = (await arrived(agent)).id
    await protect(owner_session, outbound=HOLD)
    reply = await agent.messages.reply(
        ASSISTANT, parent, ReplyRequest.model_validate({"text": "x", "unsubscribe": MANAGED}), SendOptions()
    )
    forward = await agent.messages.forward(
        ASSISTANT,
        parent,
        ForwardRequest.model_validate({"to": [BOB], "text": "x", "unsubscribe": MANAGED}),
        SendOptions(),
    )
    assert await home.local.core.db.read(sql("SELECT * FROM unsubscribe_tokens")) in ([], ())
    with pytest.raises(InvalidRequest):
        await owner_session.reviews.approve(forward.message_id, ApproveRequest(to=[BOB, "carol@example.org"]))
    for held in (reply, forward):
        await owner_session.reviews.approve(held.message_id, ApproveRequest())
        content = await agent.messages.raw(ASSISTANT, held.message_id)
        assert b"\r\nList-Unsubscribe: <" in content
    with pytest.raises(MessageNotPending):
        await owner_session.reviews.approve(reply.message_id, ApproveRequest())
