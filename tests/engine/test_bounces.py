"""Delivery reports that come back to the agent whose mail they are about."""

from __future__ import annotations

import asyncio

import pytest

from e2a_core.contract.engine import Session
from e2a_core.contract.message_views import MessageView
from tests.engine.mailbox import HELPER, arrived, make_helper, protect, reasons, send, settled
from tests.support.home import ASSISTANT, EventLog, Home
from tests.support.smtp_client import SmtpExchange
from tests.support.smtp_sink import SmtpSink
from tests.support.waiting import until

pytestmark = [pytest.mark.anyio, pytest.mark.relayed]

REPORT = """\
--report
Content-Type: text/plain

Your message could not be delivered.
--report
Content-Type: message/delivery-status

Reporting-MTA: dns; mx.example.org

Final-Recipient: rfc822; {recipient}
Action: {action}
Status: {status}
Diagnostic-Code: smtp; 550 no such user here
--report
Content-Type: text/rfc822-headers

From: assistant@agents.example
Message-ID: {message_id}
--report--
"""


async def _sent(agent: Session) -> MessageView:
    result = await send(agent, to=["bob@example.org", "carol@example.org"], options={"wait": "sent"})
    return await settled(agent, result.message_id)


async def _report(
    home: Home,
    sink: SmtpSink,
    message_id: str | None,
    *,
    to: str | None = None,
    recipient: str = "bob@example.org",
    action: str = "failed",
    status: str = "5.1.1",
) -> SmtpExchange:
    """Report to the return path of the mail that the recipient got, or to the inbox if there was none."""
    sent = (item.mail_from for item in sink.messages if recipient.lower() in item.recipients)
    to = to or next(sent, ASSISTANT)
    body = REPORT.format(recipient=recipient, action=action, status=status, message_id=message_id)
    headers = {
        "MIME-Version": "1.0",
        "Content-Type": "multipart/report; report-type=delivery-status; boundary=report",
    }
    return await home.deliver(
        sender="Mailer <mailer-daemon@example.org>",
        mail_from="",
        to=to,
        headers=headers,
        body=body.replace("\n", "\r\n").encode(),
    )


def _outcomes(view: MessageView) -> dict[str, tuple[str, str]]:
    return {item.address: (item.outcome, item.status) for item in view.recipients or []}


async def _told_of_all(home: Home, events: EventLog) -> None:
    """Until the watch has told of everything before now."""
    assert (await home.deliver(subject="the last")).accepted
    async with asyncio.timeout(20):
        while events.seen[-1].data.get("subject") != "the last":
            await events.next()


async def test_a_bounce_is_matched_to_the_mail_and_its_recipient(
    home: Home, sink: SmtpSink, agent: Session, events: EventLog
) -> None:
    sent = await _sent(agent)
    assert (await _report(home, sink, sent.email_message_id, recipient="BOB@example.org")).accepted
    told = await events.wait("email.bounced", sent.id)
    assert (told.data["delivered_to"], told.data["bounce_type"]) == ("bob@example.org", "permanent")
    view = await agent.messages.get(ASSISTANT, sent.id)
    assert _outcomes(view) == {
        "bob@example.org": ("failed", "bounced"),
        "carol@example.org": ("succeeded", "sent"),
    }
    assert view.delivery_status == "bounced"
    assert "no such user" in (view.delivery_detail or "")
    page = await agent.messages.lifecycle(ASSISTANT, sent.id)
    assert (page.items[-1].reason_code, page.items[-1].recipient) == (
        "delivery.permanent_bounce",
        "bob@example.org",
    )
    report = await arrived(agent)
    assert report.auto_submitted is not None
    assert report.auto_submitted.kind == "bounce"
    assert (report.delivery_report or {})["original_message_id"] == sent.email_message_id


async def test_a_report_about_one_keeps_the_others_from_nothing(
    home: Home, agent: Session, sink: SmtpSink
) -> None:
    """A recipient still waits for the mail when the report about another comes."""
    sink.script.rcpt["carol@example.org"] = "451 4.2.0 greylisted"
    result = await send(agent, to=["bob@example.org", "carol@example.org"])

    async def waiting() -> MessageView | None:
        view = await agent.messages.get(ASSISTANT, result.message_id, peek=True)
        return view if ("pending", "deferred") in _outcomes(view).values() else None

    view = await until(waiting)
    assert view is not None
    assert (await _report(home, sink, view.email_message_id)).accepted
    assert (await agent.messages.get(ASSISTANT, view.id)).delivery_status == "sending"
    del sink.script.rcpt["carol@example.org"]
    await home.advance(minutes=1)
    assert _outcomes(await settled(agent, view.id)) == {
        "bob@example.org": ("failed", "bounced"),
        "carol@example.org": ("succeeded", "sent"),
    }


async def test_a_report_under_the_relays_own_id_is_matched_too(
    home: Home, sink: SmtpSink, agent: Session
) -> None:
    sent = await _sent(agent)
    assert (await _report(home, sink, sent.provider_message_id)).accepted
    assert (await agent.messages.get(ASSISTANT, sent.id)).delivery_status == "bounced"


@pytest.mark.parametrize(
    ("action", "status", "delivery", "reason"),
    [
        ("delivered", "2.0.0", "delivered", "delivery.recipient_server_accepted"),
        ("delayed", "4.2.0", "deferred", "delivery.temporary_delay"),
        ("failed", "4.4.7", "bounced", "delivery.transient_bounce"),
    ],
)
async def test_other_reports(
    home: Home, sink: SmtpSink, agent: Session, action: str, status: str, delivery: str, reason: str
) -> None:
    sent = await _sent(agent)
    assert (await _report(home, sink, sent.email_message_id, action=action, status=status)).accepted
    view = await agent.messages.get(ASSISTANT, sent.id)
    assert view.delivery_status == delivery
    assert (await reasons(agent, sent.id))[-1] == reason


async def test_a_report_does_not_take_a_message_back(
    home: Home, sink: SmtpSink, agent: Session, events: EventLog
) -> None:
    sent = await _sent(agent)
    assert (await _report(home, sink, sent.email_message_id)).accepted
    assert (await _report(home, sink, sent.email_message_id, status="5.2.1")).accepted
    assert (await _report(home, sink, sent.email_message_id, action="delayed", status="4.2.0")).accepted
    view = await agent.messages.get(ASSISTANT, sent.id)
    assert view.delivery_status == "bounced"
    assert _outcomes(view)["bob@example.org"] == ("failed", "bounced")
    await _told_of_all(home, events)
    assert events.types().count("email.bounced") == 1


async def test_reports_about_others_change_nothing(
    home: Home, sink: SmtpSink, owner: Session, agent: Session, events: EventLog
) -> None:
    await make_helper(owner)
    sent = await _sent(agent)
    assert (await _report(home, sink, sent.email_message_id, recipient="eve@example.org")).accepted
    assert (await _report(home, sink, "<unknown@agents.example>", to=ASSISTANT)).accepted
    assert (await _report(home, sink, sent.email_message_id, to=HELPER)).accepted
    assert (await agent.messages.get(ASSISTANT, sent.id)).delivery_status == "sent"
    await _told_of_all(home, events)
    assert "email.bounced" not in events.types()


async def test_a_bounce_counts_though_the_gate_holds_it(
    home: Home, sink: SmtpSink, owner: Session, agent: Session, events: EventLog
) -> None:
    sent = await _sent(agent)
    await protect(owner, inbound={"policy": "allowlist", "action": "review"})
    assert (await _report(home, sink, sent.email_message_id)).accepted
    await events.wait("email.bounced", sent.id)
    assert (await agent.messages.get(ASSISTANT, sent.id)).delivery_status == "bounced"
