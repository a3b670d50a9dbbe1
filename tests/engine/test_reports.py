"""Reports that come back: what they say of a recipient, and who is not written to again."""

from __future__ import annotations

import pytest

from e2a_core.contract.engine import Session
from e2a_core.contract.message_views import MessageView
from e2a_core.errors import RecipientSuppressed
from tests.engine.mailbox import HELPER, inbox, make_helper, reasons, send, settled
from tests.support.home import ASSISTANT, EventLog, Home
from tests.support.smtp_sink import SmtpSink
from tests.support.waiting import until

pytestmark = [pytest.mark.anyio, pytest.mark.relayed]

ANN, BOB, VICTIM = "ann@example.org", "bob@example.org", "victim@victim.example"
RELAY = "agent@relay.example"


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
    result = await send(session, to=list(recipients), options={"wait": "sent"})
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
    assert (await home.deliver(content, mail_from="", signer=home.keys.alice)).accepted
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
    assert (await home.deliver(again, mail_from="", signer=home.keys.alice)).accepted
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
    assert (await home.deliver(content, mail_from="", signer=home.keys.alice)).accepted
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


async def test_a_recipient_cannot_have_another_left_out(
    sink: SmtpSink, home: Home, agent: Session, owner: Session, events: EventLog
) -> None:
    view = await sent_to(agent, VICTIM, BOB)
    message_id = view.email_message_id or ""
    forged = delivery_report(message_id, group(VICTIM, "failed", "5.1.1"))
    # Not a report at all, since nobody reports under a name of his own.
    assert (await home.deliver(forged, mail_from="bob@example.org", signer=home.keys.alice)).accepted
    assert (await outcomes(agent, view.id))[VICTIM] == ("succeeded", "sent")
    # Bob's own domain is proven, and it is not the victim's; then the victim's is claimed, and not proven.
    as_the_victim = forged.replace(b"MAILER-DAEMON@example.org", b"MAILER-DAEMON@victim.example")
    assert (await home.deliver(forged, mail_from="", signer=home.keys.alice)).accepted
    assert (await home.deliver(as_the_victim, mail_from="")).accepted
    assert (await outcomes(agent, view.id))[VICTIM] == ("succeeded", "sent")
    complained = complaint(message_id, "abuse", VICTIM)
    assert (await home.deliver(complained, mail_from="fbl@example.org")).accepted
    await events.wait("email.complained", view.id)
    assert "email.bounced" not in events.types()
    assert (await owner.suppressions.list()).items == []
    assert (await send(agent, to=[VICTIM], subject="Again")).status == "accepted"


async def test_the_true_report_counts_though_a_forged_one_was_first(
    sink: SmtpSink, home: Home, agent: Session, owner: Session
) -> None:
    view = await sent_to(agent, ANN, BOB)
    content = delivery_report(view.email_message_id or "", group(ANN, "failed", "5.1.1"))
    assert (await home.deliver(content, mail_from="")).accepted
    assert (await owner.suppressions.list()).items == []
    assert (await home.deliver(content, mail_from="", signer=home.keys.alice)).accepted
    assert [item.address for item in (await owner.suppressions.list()).items] == [ANN]
    # Whom the owner takes off the list does not come back for the same message.
    await owner.suppressions.delete(ANN)
    again = delivery_report(view.email_message_id or "", group(ANN, "failed", "5.1.2"))
    assert (await home.deliver(again, mail_from="", signer=home.keys.alice)).accepted
    assert (await owner.suppressions.list()).items == []


@pytest.mark.parametrize("to", [["ann@sub.example.org", VICTIM], [VICTIM]], ids=["below", "alone"])
async def test_who_answers_for_the_recipient_is_believed(
    sink: SmtpSink, home: Home, agent: Session, owner: Session, to: list[str]
) -> None:
    view = await sent_to(agent, *to)
    content = delivery_report(view.email_message_id or "", group(to[0], "failed", "5.1.1"))
    assert (await home.deliver(content, mail_from="", signer=home.keys.alice)).accepted
    assert [item.address for item in (await owner.suppressions.list()).items] == [to[0]]


@pytest.mark.settings(outbound_smtp_from_domain="mail.example.org")
async def test_the_deployments_own_domain_is_believed(
    sink: SmtpSink, home: Home, agent: Session, owner: Session
) -> None:
    view = await sent_to(agent, VICTIM, BOB)
    content = delivery_report(view.email_message_id or "", group(VICTIM, "failed", "5.1.1"))
    assert (await home.deliver(content, mail_from="", signer=home.keys.alice)).accepted
    assert [item.address for item in (await owner.suppressions.list()).items] == [VICTIM]


async def test_nobody_reports_on_anothers_mail(
    sink: SmtpSink, home: Home, agent: Session, owner: Session
) -> None:
    await make_helper(owner)
    view = await sent_to(agent, ANN)
    forged = delivery_report(view.email_message_id or "", group(ANN, "failed", "5.1.1"))
    assert (await home.deliver(forged, mail_from="", to=HELPER)).accepted
    assert await outcomes(agent, view.id) == {ANN: ("succeeded", "sent")}
    assert (await owner.suppressions.list()).items == []


@pytest.mark.settings(outbound_smtp_from_domain="relay.example")
async def test_a_report_to_the_relays_own_address_finds_the_inbox(
    sink: SmtpSink, home: Home, agent: Session, owner: Session, events: EventLog
) -> None:
    await make_helper(owner)
    view = await sent_to(agent, ANN)
    [left] = sink.messages
    assert (view.sent_as, left.mail_from.rpartition("@")[2]) == ("relay", "relay.example")
    for message_id in (view.provider_message_id or "", view.email_message_id or ""):
        content = delivery_report(message_id, group(ANN, "failed", "5.1.1"))
        assert (await home.deliver(content, mail_from="", to=RELAY.upper())).accepted
    told = await events.wait("email.bounced", view.id)
    assert told.data["delivered_to"] == ANN
    assert await outcomes(agent, view.id) == {ANN: ("failed", "bounced")}
    assert [item.delivered_to for item in await inbox(agent)] == [RELAY.upper()] * 2
    assert await inbox(owner, HELPER) == []


@pytest.mark.settings(outbound_smtp_from_domain="relay.example")
async def test_the_relays_own_address_takes_nothing_else(
    sink: SmtpSink, home: Home, agent: Session, owner: Session
) -> None:
    view = await sent_to(agent, ANN)
    content = delivery_report(view.email_message_id or "", group(ANN, "failed", "5.1.1"))
    named = await home.deliver(content, mail_from="x@example.org", to=RELAY)
    assert (named.recipients[RELAY].code, named.recipients[RELAY].enhanced) == (550, "5.1.1")
    unknown = delivery_report("<unknown@relay.example>", group(ANN, "failed", "5.1.1"))
    for other in (None, unknown):
        refused = await home.deliver(other, mail_from="", to=RELAY)
        assert refused.final is not None
        assert (refused.final.code, refused.final.enhanced) == (550, "5.1.1")
    assert (await home.deliver(mail_from="", to=[RELAY, ASSISTANT])).accepted
    assert [item.delivered_to for item in await inbox(agent)] == [ASSISTANT]
    assert (await owner.suppressions.list()).items == []
