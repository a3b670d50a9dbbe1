"""Return paths of mail to several recipients that leaves once: what a report to one proves, and what it does not."""

from __future__ import annotations

import pytest

from e2a_core.contract.engine import Session
from tests.engine.mailbox import arrived, inbox, make_helper, send, settled
from tests.engine.returned import (
    ANN,
    BOB,
    BOUNCED,
    EXIM,
    HARD,
    NOTHING,
    POSTFIX,
    QMAIL,
    RETURN_PATH,
    SENT,
    VICTIM,
    failed,
    mail,
    multipart,
    sent_to,
    states,
    suppressed,
)
from tests.support.home import ASSISTANT, SHARED, EventLog, Home
from tests.support.smtp_sink import SmtpSink
from tests.support.waiting import until

pytestmark = [pytest.mark.anyio, pytest.mark.relayed, pytest.mark.local_only]
MATCHED = {"qmail": QMAIL, "exim": EXIM} | {
    name: HARD[name]
    for name in (
        "postfix",
        "original recipient only",
        "upper case",
        "original recipient of another system",
        "status only in the diagnostic",
        "reply code only",
        "no recipient's type",
    )
}
"""Reports that name the victim."""
UNMATCHED = {name: HARD[name] for name in ("exchange", "forwarded elsewhere")}
"""Reports that name no recipient of the message, so that they may be about any."""


async def path_of(sink: SmtpSink) -> str:
    """The envelope sender of the only mail that left."""
    [left] = await sink.wait_for(1)
    return left.mail_from


def by(domain: str, *groups: str) -> bytes:
    return multipart(*groups).replace(b"mx.example.net", domain.encode())


async def test_mail_to_several_leaves_once(sink: SmtpSink, agent: Session) -> None:
    for recipients in ([ANN, VICTIM], [ANN, VICTIM], [ANN]):
        await sent_to(agent, *recipients)
    assert [item.recipients for item in sink.messages] == [(ANN, VICTIM), (ANN, VICTIM), (ANN,)]
    senders = [item.mail_from for item in sink.messages]
    assert len(set(senders)) == 3
    assert all(RETURN_PATH.fullmatch(item) for item in senders)


async def test_hidden_recipients_and_copies_share_it(sink: SmtpSink, agent: Session) -> None:
    result = await send(agent, to=[ANN], cc=[BOB], bcc=[VICTIM], options={"wait": "sent"})
    await settled(agent, result.message_id)
    [left] = sink.messages
    assert left.recipients == (ANN, BOB, VICTIM)
    assert VICTIM.encode() not in left.content
    assert left.mail_from.encode() not in left.content


async def test_a_path_for_one_proves_its_recipient(
    sink: SmtpSink, home: Home, agent: Session, owner: Session
) -> None:
    """One outside recipient is one, with inboxes of this deployment beside it too."""
    helper = await make_helper(owner)
    view = await sent_to(agent, helper, VICTIM)
    assert (await home.deliver(HARD["exchange"], mail_from="", to=await path_of(sink))).accepted
    assert (await states(agent, view.id))[VICTIM] == BOUNCED
    assert await suppressed(owner) == [VICTIM]


@pytest.mark.parametrize("content", MATCHED.values(), ids=MATCHED)
async def test_a_report_counts_for_whom_it_names_and_suppresses_nobody(
    sink: SmtpSink, home: Home, agent: Session, owner: Session, events: EventLog, content: bytes
) -> None:
    """No Message-ID is told: the path names the message."""
    view = await sent_to(agent, ANN, VICTIM)
    path = await path_of(sink)
    assert (await home.deliver(content, mail_from="", to=path)).accepted
    told = await events.wait("email.bounced", view.id)
    assert (told.data["delivered_to"], told.data["bounce_type"]) == (VICTIM, "permanent")
    assert await states(agent, view.id) == {ANN: SENT, VICTIM: BOUNCED}
    assert await suppressed(owner) == []
    kept = await arrived(agent)
    assert kept.delivered_to == path
    assert kept.auto_submitted is not None


@pytest.mark.parametrize("content", (NOTHING | UNMATCHED).values(), ids=NOTHING | UNMATCHED)
async def test_what_names_no_recipient_is_kept_as_mail(
    sink: SmtpSink, home: Home, agent: Session, owner: Session, content: bytes
) -> None:
    view = await sent_to(agent, BOB, VICTIM)
    assert (await home.deliver(content, mail_from="", to=await path_of(sink))).accepted
    assert await states(agent, view.id) == {BOB: SENT, VICTIM: SENT}
    assert await suppressed(owner) == []
    assert len(await inbox(agent)) == 1


async def test_only_who_answers_for_a_recipient_suppresses_it(
    sink: SmtpSink, home: Home, agent: Session, owner: Session
) -> None:
    """A recipient at example.org forges what it likes about the one elsewhere, signed as its own domain."""
    view = await sent_to(agent, ANN, BOB, VICTIM)
    path = await path_of(sink)
    everyone = by("example.org", failed(ANN), failed(VICTIM), failed("stranger@example.org"))
    assert (await home.deliver(everyone, mail_from="", to=path, signer=home.keys.alice)).accepted
    assert await states(agent, view.id) == {ANN: BOUNCED, BOB: SENT, VICTIM: BOUNCED}
    assert await suppressed(owner) == [ANN]


@pytest.mark.parametrize("pretended", ["victim.example", "mx.victim.example", SHARED])
async def test_a_reporters_domain_that_is_not_proven_is_none(
    sink: SmtpSink, home: Home, agent: Session, owner: Session, pretended: str
) -> None:
    view = await sent_to(agent, ANN, VICTIM)
    content = by(pretended, failed(VICTIM))
    assert (
        await home.deliver(content, mail_from="", to=await path_of(sink), signer=home.keys.alice)
    ).accepted
    assert (await states(agent, view.id))[VICTIM] == BOUNCED
    assert await suppressed(owner) == []


async def test_a_complaint_suppresses_as_a_bounce_does(
    sink: SmtpSink, home: Home, agent: Session, owner: Session
) -> None:
    view = await sent_to(agent, ANN, BOB, VICTIM)
    path = await path_of(sink)
    for named in ("", f"Original-Rcpt-To: <{VICTIM}>\n", f"Original-Rcpt-To: <{BOB}>\n"):
        fields = f"Feedback-Type: abuse\nVersion: 1\n{named}"
        content = mail(
            "From: fbl@example.org\nMIME-Version: 1.0\n"
            'Content-Type: multipart/report; report-type=feedback-report; boundary="B"',
            f"--B\nContent-Type: message/feedback-report\n\n{fields}\n--B--\n",
        )
        assert (await home.deliver(content, mail_from="", to=path, signer=home.keys.alice)).accepted
    complained = ("succeeded", "complained")
    assert await states(agent, view.id) == {ANN: SENT, BOB: complained, VICTIM: complained}
    assert await suppressed(owner) == [BOB]


async def test_a_report_to_one_path_twice_is_one(
    sink: SmtpSink, home: Home, agent: Session, owner: Session, events: EventLog
) -> None:
    view = await sent_to(agent, ANN, VICTIM)
    path = await path_of(sink)
    content = by("example.org", failed(ANN))
    names = [path, path.upper(), ASSISTANT]
    assert (await home.deliver(content, mail_from="", to=names, signer=home.keys.alice)).accepted
    assert await states(agent, view.id) == {ANN: BOUNCED, VICTIM: SENT}
    assert await suppressed(owner) == [ANN]
    assert len(await inbox(agent)) == 1


async def test_the_paths_of_both_kinds_open_nothing_of_the_other(
    sink: SmtpSink, home: Home, agent: Session, owner: Session
) -> None:
    """The code of a message is not one of its recipients', nor that of another message."""
    several, alone = await sent_to(agent, ANN, VICTIM), await sent_to(agent, VICTIM)
    [shared, own] = [item.mail_from for item in sink.messages]
    (shared_id, _, shared_mac), (own_id, _, own_mac) = (
        item.partition("@")[0].partition(".") for item in (shared, own)
    )
    for address in (f"{shared_id}.{own_mac}@{SHARED}", f"{own_id}.{shared_mac}@{SHARED}"):
        refused = (await home.deliver(POSTFIX, mail_from="", to=address)).recipients[address]
        assert (refused.code, refused.enhanced) == (550, "5.1.1")
    assert await states(agent, several.id) == {ANN: SENT, VICTIM: SENT}
    assert await states(agent, alone.id) == {VICTIM: SENT}


async def test_a_report_elsewhere_needs_who_answers_for_the_recipient(
    sink: SmtpSink, home: Home, agent: Session, owner: Session
) -> None:
    """What knows only the Message-ID could not have got the mail."""
    view = await sent_to(agent, ANN, VICTIM)
    named = f"In-Reply-To: {view.email_message_id}\r\nSubject:".encode()
    content = by("example.org", failed(ANN), failed(VICTIM)).replace(b"Subject:", named, 1)
    assert (await home.deliver(content, mail_from="", signer=home.keys.alice)).accepted
    assert await states(agent, view.id) == {ANN: BOUNCED, VICTIM: SENT}
    assert await suppressed(owner) == [ANN]


async def test_the_path_wins_over_the_message_that_is_named(
    sink: SmtpSink, home: Home, agent: Session
) -> None:
    named, proven = await sent_to(agent, BOB, VICTIM), await sent_to(agent, ANN, VICTIM)
    content = POSTFIX.replace(b"Subject:", f"In-Reply-To: {named.email_message_id}\r\nSubject:".encode(), 1)
    assert (await home.deliver(content, mail_from="", to=sink.messages[1].mail_from)).accepted
    assert await states(agent, named.id) == {BOB: SENT, VICTIM: SENT}
    assert await states(agent, proven.id) == {ANN: SENT, VICTIM: BOUNCED}


async def test_another_attempt_for_one_keeps_the_path(sink: SmtpSink, home: Home, agent: Session) -> None:
    """Greylisting remembers the sender, and the one who is left must not get a path that proves more."""
    sink.script.rcpt[VICTIM] = "451 4.7.1 greylisted"
    result = await send(agent, to=[ANN, VICTIM])

    async def deferred() -> bool:
        return (await states(agent, result.message_id)).get(VICTIM) == ("pending", "deferred")

    await until(deferred)
    del sink.script.rcpt[VICTIM]
    await home.advance(minutes=1)
    view = await settled(agent, result.message_id)
    assert await states(agent, view.id) == {ANN: SENT, VICTIM: SENT}
    assert [item.recipients for item in sink.messages] == [(ANN,), (VICTIM,)]
    assert len({item.mail_from for item in sink.messages}) == 1


async def test_mail_with_a_sender_to_it_is_ordinary_mail(
    sink: SmtpSink, home: Home, agent: Session, owner: Session
) -> None:
    view = await sent_to(agent, ANN, VICTIM)
    assert (await home.deliver(POSTFIX, mail_from=VICTIM, to=await path_of(sink))).accepted
    assert len(await inbox(agent)) == 1
    assert await states(agent, view.id) == {ANN: SENT, VICTIM: SENT}


@pytest.mark.settings(outbound_smtp_from_domain="relay.example")
async def test_the_relays_identity_has_it_too(
    sink: SmtpSink, home: Home, agent: Session, owner: Session
) -> None:
    view = await sent_to(agent, ANN, VICTIM)
    path = await path_of(sink)
    assert path.rpartition("@")[2] == "relay.example"
    assert (await home.deliver(POSTFIX, mail_from="", to=path)).accepted
    assert await states(agent, view.id) == {ANN: SENT, VICTIM: BOUNCED}
