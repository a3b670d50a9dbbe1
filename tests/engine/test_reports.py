"""Reports that come back: what they say of a recipient, and who is not written to again."""

from __future__ import annotations

import pytest

from e2a_core.engine import Session
from e2a_core.errors import RecipientSuppressed
from e2a_core.wire.messages import MessageView
from tests.engine.mailbox import HELPER, make_helper, reasons, send, settled
from tests.support.home import ASSISTANT, EventLog, Home, until
from tests.support.smtp_sink import SmtpSink

pytestmark = [pytest.mark.anyio, pytest.mark.relayed]

ANN, BOB = "ann@example.org", "bob@example.org"


def delivery_report(message_id: str, *groups: str) -> bytes:
    status = "\r\n\r\n".join(groups)
    return report("delivery-status", f"Reporting-MTA: dns; mx.example.org\r\n\r\n{status}\r\n", message_id)


def complaint(message_id: str, kind: str = "abuse", *recipients: str) -> bytes:
    named = "".join(f"Original-Rcpt-To: <{item}>\r\n" for item in recipients)
    return report("feedback-report", f"Feedback-Type: {kind}\r\nVersion: 1\r\n{named}", message_id)


def report(kind: str, fields: str, message_id: str) -> bytes:
    return (
        "From: MAILER-DAEMON@example.org\r\nTo: assistant@agents.example\r\nSubject: Report\r\n"
        f"Message-ID: <report-{abs(hash((kind, fields, message_id)))}@example.org>\r\n"
        "Date: Tue, 1 Sep 2026 10:00:00 +0000\r\nMIME-Version: 1.0\r\n"
        f'Content-Type: multipart/report; report-type={kind}; boundary="XX"\r\n\r\n'
        "--XX\r\nContent-Type: text/plain\r\n\r\nA report.\r\n"
        f"--XX\r\nContent-Type: message/{kind}\r\n\r\n{fields}\r\n"
        f"--XX\r\nContent-Type: text/rfc822-headers\r\n\r\nMessage-ID: {message_id}\r\n\r\n--XX--\r\n"
    ).encode()


def group(address: str, action: str, status: str) -> str:
    return f"Final-Recipient: rfc822; {address}\r\nAction: {action}\r\nStatus: {status}"


async def sent_to(session: Session, *recipients: str) -> MessageView:
    result = await send(session, to=list(recipients), options={"wait_sent": True})
    return await settled(session, result.message_id)


async def outcomes(session: Session, message_id: str) -> dict[str, tuple[str, str]]:
    view = await session.messages.get(ASSISTANT, message_id)
    return {item.address: (item.outcome, item.status) for item in view.recipients or []}


async def test_a_permanent_bounce_ends_writing_to_the_recipient(
    sink: SmtpSink, home: Home, agent: Session, owner: Session, events: EventLog
) -> None:
    view = await sent_to(agent, ANN, BOB)
    content = delivery_report(
        view.email_message_id or "",
        group("ANN@example.org", "failed", "5.1.1"),
        group("x@example.org", "failed", "5.1.1"),
    )
    assert (await home.deliver(content, mail_from="")).accepted
    told = await events.wait("email.bounced", view.id)
    assert (told.data["delivered_to"], told.data["bounce_type"]) == (ANN, "permanent")
    added = await events.wait("domain.suppression_added")
    assert (added.data["address"], added.data["source"], added.data["message_id"]) == (ANN, "bounce", view.id)
    assert await outcomes(agent, view.id) == {ANN: ("failed", "bounced"), BOB: ("succeeded", "sent")}
    assert (await agent.messages.get(ASSISTANT, view.id)).delivery_status == "bounced"
    assert set(await reasons(agent, view.id)) >= {
        "delivery.permanent_bounce",
        "suppression.hard_bounce_applied",
    }
    [entry] = (await owner.suppressions.list()).items
    assert (entry.address, entry.source, entry.source_message_id) == (ANN, "bounce", view.id)
    with pytest.raises(RecipientSuppressed):
        await send(agent, to=[ANN])
    # A second report of it says nothing new.
    again = delivery_report(
        view.email_message_id or "", group(ANN, "failed", "5.1.2"), group(BOB, "delivered", "2.0.0")
    )
    assert (await home.deliver(again, mail_from="")).accepted
    await events.wait("email.delivered", view.id)
    assert (await outcomes(agent, view.id))[BOB] == ("succeeded", "delivered")
    assert [event.type for event in events.seen].count("email.bounced") == 1
    assert len((await owner.suppressions.list()).items) == 1


async def test_what_may_pass_is_no_reason_to_stop(
    sink: SmtpSink, home: Home, agent: Session, owner: Session, events: EventLog
) -> None:
    view = await sent_to(agent, ANN, BOB)
    content = delivery_report(
        view.email_message_id or "", group(ANN, "delayed", "4.4.1"), group(BOB, "failed", "4.4.7")
    )
    assert (await home.deliver(content, mail_from="")).accepted
    told = await events.wait("email.bounced", view.id)
    assert (told.data["delivered_to"], told.data["bounce_type"]) == (BOB, "transient")
    assert await outcomes(agent, view.id) == {ANN: ("succeeded", "deferred"), BOB: ("failed", "bounced")}
    assert (await owner.suppressions.list()).items == []


async def test_a_complaint_ends_writing_to_the_recipient(
    sink: SmtpSink, home: Home, agent: Session, owner: Session, events: EventLog
) -> None:
    await make_helper(owner)
    view = await sent_to(agent, ANN, BOB)
    message_id = view.email_message_id or ""
    for harmless in (complaint(message_id, "not-spam", ANN), complaint(message_id)):
        assert (await home.deliver(harmless, mail_from="fbl@example.org")).accepted
    # Feedback goes to one address of a domain, whoever wrote the message.
    told_elsewhere = complaint(message_id, "abuse", "Bob@example.org", "x@example.org")
    assert (await home.deliver(told_elsewhere, mail_from="fbl@example.org", to=HELPER)).accepted
    told = await events.wait("email.complained", view.id)
    assert told.data["delivered_to"] == BOB
    assert await outcomes(agent, view.id) == {ANN: ("succeeded", "sent"), BOB: ("succeeded", "complained")}
    [entry] = (await owner.suppressions.list()).items
    assert (entry.address, entry.source) == (BOB, "complaint")
    assert {"complaint.recipient_reported", "suppression.complaint_applied"} <= set(
        await reasons(agent, view.id)
    )


async def test_an_anonymous_complaint_about_mail_to_one(
    sink: SmtpSink, home: Home, agent: Session, owner: Session
) -> None:
    view = await sent_to(agent, ANN)
    assert (await home.deliver(complaint(view.email_message_id or ""), mail_from="fbl@example.org")).accepted

    async def blocked() -> list[str]:
        return [item.address for item in (await owner.suppressions.list()).items]

    assert await until(blocked) == [ANN]


async def test_nobody_reports_on_anothers_mail(
    sink: SmtpSink, home: Home, agent: Session, owner: Session
) -> None:
    await make_helper(owner)
    view = await sent_to(agent, ANN)
    forged = delivery_report(view.email_message_id or "", group(ANN, "failed", "5.1.1"))
    assert (await home.deliver(forged, mail_from="", to=HELPER)).accepted
    assert await outcomes(agent, view.id) == {ANN: ("succeeded", "sent")}
    assert (await owner.suppressions.list()).items == []
