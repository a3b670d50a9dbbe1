"""Return paths for a recipient: what a report to one proves, and what anything else does not."""

from __future__ import annotations

from dataclasses import replace

import pytest

from e2a_core.agents.queries import AgentRow, insert_agent
from e2a_core.contract.engine import Session
from e2a_core.errors import InvalidSlug
from e2a_core.messages.queries import by_message_id
from e2a_core.messages.rows import MessageRow
from e2a_core.store.statement import sql
from e2a_core.submission.return_path import return_path
from tests.engine.mailbox import arrived, inbox, make_helper, send, settled
from tests.engine.returned import (
    ANN,
    BOB,
    BOUNCED,
    HARD,
    NOTHING,
    POSTFIX,
    RETURN_PATH,
    SENT,
    VICTIM,
    failed,
    multipart,
    return_paths,
    sent_to,
    states,
    suppressed,
)
from tests.support.home import ASSISTANT, SECRET, SHARED, EventLog, Home
from tests.support.smtp_sink import SmtpSink
from tests.support.waiting import until

pytestmark = [
    pytest.mark.anyio,
    pytest.mark.relayed,
    pytest.mark.local_only,
    pytest.mark.settings(outbound_smtp_verp="recipient"),
]


async def test_each_recipient_has_a_return_path(sink: SmtpSink, agent: Session) -> None:
    await sent_to(agent, ANN, VICTIM)
    await sent_to(agent, ANN)
    senders = [item.mail_from for item in sink.messages]
    assert [item.recipients for item in sink.messages] == [(ANN,), (VICTIM,), (ANN,)]
    assert len(set(senders)) == 3
    assert all(RETURN_PATH.fullmatch(item) for item in senders)
    assert {len(item.rpartition("@")[0]) for item in senders} == {64}
    assert sink.connections == 1


@pytest.mark.parametrize("content", HARD.values(), ids=HARD)
async def test_a_report_to_the_return_path_is_believed(
    sink: SmtpSink, home: Home, agent: Session, owner: Session, events: EventLog, content: bytes
) -> None:
    """No server's name is proven and no Message-ID is told."""
    view = await sent_to(agent, ANN, VICTIM)
    assert (await home.deliver(content, mail_from="", to=return_paths(sink)[VICTIM])).accepted
    told = await events.wait("email.bounced", view.id)
    assert (told.data["delivered_to"], told.data["bounce_type"]) == (VICTIM, "permanent")
    assert await states(agent, view.id) == {ANN: SENT, VICTIM: BOUNCED}
    assert await suppressed(owner) == [VICTIM]
    kept = await arrived(agent)
    assert kept.delivered_to == return_paths(sink)[VICTIM]
    assert kept.auto_submitted is not None


@pytest.mark.parametrize("content", NOTHING.values(), ids=NOTHING)
async def test_what_reports_no_failure_is_kept_as_mail(
    sink: SmtpSink, home: Home, agent: Session, owner: Session, content: bytes
) -> None:
    view = await sent_to(agent, ANN, VICTIM)
    assert (await home.deliver(content, mail_from="", to=return_paths(sink)[VICTIM])).accepted
    assert await states(agent, view.id) == {ANN: SENT, VICTIM: SENT}
    assert await suppressed(owner) == []
    assert len(await inbox(agent)) == 1


@pytest.mark.parametrize(
    ("groups", "expected"),
    [
        ([f"Final-Recipient: rfc822; {VICTIM}\nAction: delayed\nStatus: 4.4.1"], "deferred"),
        ([failed(VICTIM, "4.4.7")], "bounced"),
        ([f"Final-Recipient: rfc822; {VICTIM}\nAction: delivered\nStatus: 2.0.0"], "delivered"),
        (
            [failed("a@list.example"), "Final-Recipient: rfc822; b@list.example\nAction: delivered"],
            "delivered",
        ),
        ([f"Final-Recipient: rfc822; {VICTIM}\nAction: failed"], "bounced"),
    ],
    ids=["delayed", "given up", "delivered", "one of a list", "no code"],
)
async def test_what_may_pass_suppresses_nobody(
    sink: SmtpSink, home: Home, agent: Session, owner: Session, groups: list[str], expected: str
) -> None:
    view = await sent_to(agent, ANN, VICTIM)
    assert (await home.deliver(multipart(*groups), mail_from="", to=return_paths(sink)[VICTIM])).accepted
    assert (await states(agent, view.id))[VICTIM][1] == expected
    assert await suppressed(owner) == []


async def test_a_late_bounce_counts(sink: SmtpSink, home: Home, agent: Session, owner: Session) -> None:
    view = await sent_to(agent, ANN, VICTIM)
    path = return_paths(sink)[VICTIM]
    delivered = f"Final-Recipient: rfc822; {VICTIM}\nAction: relayed\nStatus: 2.0.0"
    assert (await home.deliver(multipart(delivered), mail_from="", to=path)).accepted
    await home.advance(days=5)
    assert (await home.deliver(POSTFIX, mail_from="", to=path)).accepted
    assert (await states(agent, view.id))[VICTIM] == BOUNCED
    assert await suppressed(owner) == [VICTIM]


async def test_what_an_address_may_look_like(
    sink: SmtpSink, home: Home, agent: Session, owner: Session
) -> None:
    everyone = [f"r{number}@victim.example" for number in range(4)]
    view = await sent_to(agent, *everyone)
    paths = return_paths(sink)
    forms = [
        paths[everyone[0]].upper(),
        "Bounce" + paths[everyone[1]].removeprefix("bounce"),
        f"@relay.example.net:{paths[everyone[2]]}",
        '"{}"@{}'.format(*paths[everyone[3]].split("@")),
    ]
    for address, form in zip(everyone, forms, strict=True):
        assert (await home.deliver(multipart(failed(address)), mail_from="", to=form)).accepted
    assert set((await states(agent, view.id)).values()) == {BOUNCED}
    assert await suppressed(owner) == everyone


async def test_a_forged_return_path_is_refused(
    sink: SmtpSink, home: Home, agent: Session, owner: Session
) -> None:
    view = await sent_to(agent, ANN, VICTIM)
    other = await sent_to(agent, VICTIM)
    [ann, victim, alone] = [item.mail_from for item in sink.messages]
    (first_id, _, first_mac), (other_id, _, other_mac) = (
        item.partition("@")[0].partition(".") for item in (victim, alone)
    )
    changed = "a" if first_mac[0] != "a" else "b"
    forged = [
        f"{first_id}.{other_mac}@{SHARED}",
        f"{other_id}.{first_mac}@{SHARED}",
        f"{first_id}.{changed}{first_mac[1:]}@{SHARED}",
        f"bounce+{'0' * 32}.{first_mac}@{SHARED}",
        victim.replace(SHARED, "other.example"),
        victim.replace(SHARED, f"sub.{SHARED}"),
        victim.replace(".", "", 1),
        victim.replace("@", "x@"),
        victim.replace("bounce+", "bounce-"),
        f"bounce@{SHARED}",
        f"bounce+tag@{SHARED}",
    ]
    for address in forged:
        for mail_from in ("", "mailer-daemon@example.org"):
            refused = (await home.deliver(POSTFIX, mail_from=mail_from, to=address)).recipients[address]
            assert (refused.code, refused.enhanced) == (550, "5.1.1"), address
    # Ann's side has only Ann's, whomever the report names.
    assert (await home.deliver(multipart(failed(VICTIM)), mail_from="", to=ann)).accepted
    for message in (view, other):
        assert BOUNCED not in (await states(agent, message.id)).values()
    assert await suppressed(owner) == []


async def test_the_return_path_wins_over_the_message_that_is_named(
    sink: SmtpSink, home: Home, agent: Session
) -> None:
    named = await sent_to(agent, VICTIM)
    proven = await sent_to(agent, VICTIM)
    content = POSTFIX.replace(b"Subject:", f"In-Reply-To: {named.email_message_id}\r\nSubject:".encode(), 1)
    assert (await home.deliver(content, mail_from="", to=sink.messages[1].mail_from)).accepted
    assert await states(agent, named.id) == {VICTIM: SENT}
    assert await states(agent, proven.id) == {VICTIM: BOUNCED}


async def test_mail_with_a_sender_is_ordinary_mail(
    sink: SmtpSink, home: Home, agent: Session, owner: Session
) -> None:
    """Some autoresponders have a sender; their answer must not be lost, nor count as a report."""
    view = await sent_to(agent, ANN, VICTIM)
    path = return_paths(sink)[VICTIM]
    assert (await home.deliver(POSTFIX, mail_from="victim@victim.example", to=path)).accepted
    assert (await home.deliver(NOTHING["challenge"], mail_from="c@victim.example", to=path)).accepted
    assert len(await inbox(agent)) == 2
    assert await states(agent, view.id) == {ANN: SENT, VICTIM: SENT}
    assert await suppressed(owner) == []


async def test_a_complaint_to_the_return_path_is_of_its_recipient(
    sink: SmtpSink, home: Home, agent: Session, owner: Session
) -> None:
    view = await sent_to(agent, ANN, VICTIM)
    content = multipart("Feedback-Type: abuse\nVersion: 1", kind="feedback-report")
    content = content.replace(b"Reporting-MTA: dns; mx.example.net\r\n\r\n", b"")
    assert (await home.deliver(content, mail_from="", to=return_paths(sink)[VICTIM])).accepted
    assert await states(agent, view.id) == {ANN: SENT, VICTIM: ("succeeded", "complained")}
    assert await suppressed(owner) == [VICTIM]


async def test_a_report_to_two_return_paths_is_about_both_and_one_message(
    sink: SmtpSink, home: Home, agent: Session, owner: Session
) -> None:
    view = await sent_to(agent, ANN, VICTIM)
    content = multipart(failed(ANN), failed(VICTIM))
    paths = return_paths(sink)
    assert (await home.deliver(content, mail_from="", to=[ASSISTANT, *paths.values()])).accepted
    assert await states(agent, view.id) == {ANN: BOUNCED, VICTIM: BOUNCED}
    assert await suppressed(owner) == [ANN, VICTIM]
    assert len(await inbox(agent)) == 1


async def test_the_same_octets_to_another_return_path_are_another_report(
    sink: SmtpSink, home: Home, agent: Session
) -> None:
    view = await sent_to(agent, ANN, VICTIM)
    content = multipart(failed("x@elsewhere.example"))
    for path in return_paths(sink).values():
        assert (await home.deliver(content, mail_from="", to=path)).accepted
        assert (await home.deliver(content, mail_from="", to=path)).accepted
    assert await states(agent, view.id) == {ANN: BOUNCED, VICTIM: BOUNCED}
    assert len(await inbox(agent)) == 2


async def test_a_claim_at_the_inbox_counts_for_mail_to_one_alone(
    sink: SmtpSink, home: Home, agent: Session, owner: Session
) -> None:
    alone, several = await sent_to(agent, VICTIM), await sent_to(agent, ANN, VICTIM)
    for view in (several, alone):
        named = f"In-Reply-To: {view.email_message_id}\r\nSubject:".encode()
        assert (await home.deliver(POSTFIX.replace(b"Subject:", named, 1), mail_from="")).accepted
        assert await suppressed(owner) == ([] if view is several else [VICTIM])
    assert await states(agent, several.id) == {ANN: SENT, VICTIM: SENT}
    assert await states(agent, alone.id) == {VICTIM: BOUNCED}


@pytest.mark.settings(outbound_smtp_verp="off")
async def test_without_return_paths_all_is_as_before(
    sink: SmtpSink, home: Home, agent: Session, owner: Session, events: EventLog
) -> None:
    view = await sent_to(agent, ANN, VICTIM)
    [left] = sink.messages
    assert (left.mail_from, left.recipients) == (ASSISTANT, (ANN, VICTIM))
    named = f"In-Reply-To: {view.email_message_id}\r\nSubject:".encode()
    assert (await home.deliver(POSTFIX.replace(b"Subject:", named, 1), mail_from="")).accepted
    await events.wait("email.bounced", view.id)
    assert await states(agent, view.id) == {ANN: SENT, VICTIM: BOUNCED}
    assert await suppressed(owner) == []


@pytest.mark.settings(
    outbound_smtp_verp="recipient", hmac_secret=f"a-newer-secret-of-the-tests-and-nothing-else,{SECRET}"
)
async def test_a_return_path_of_an_older_secret_is_known(
    sink: SmtpSink, home: Home, agent: Session, owner: Session
) -> None:
    view = await sent_to(agent, ANN, VICTIM)
    core = home.local.core
    older = replace(core, secrets=type(core.secrets)(core.secrets[1:]))
    [stored] = await core.db.read(by_message_id(view.id))
    path = return_path(older, MessageRow.from_store(stored), VICTIM)
    assert path != return_paths(sink)[VICTIM]
    assert (await home.deliver(POSTFIX, mail_from="", to=path)).accepted
    assert await suppressed(owner) == [VICTIM]


async def test_a_retry_keeps_the_return_path(sink: SmtpSink, home: Home, agent: Session) -> None:
    sink.script.rcpt[VICTIM] = "451 4.7.1 greylisted"
    result = await send(agent, to=[ANN, VICTIM])

    async def deferred() -> bool:
        return (await states(agent, result.message_id)).get(VICTIM) == ("pending", "deferred")

    await until(deferred)
    del sink.script.rcpt[VICTIM]
    await home.advance(minutes=1)
    view = await settled(agent, result.message_id)
    assert await states(agent, view.id) == {ANN: SENT, VICTIM: SENT}
    mails = [item.split(">")[0] for item in sink.commands if item.startswith("MAIL")]
    assert len(mails) == 3
    assert mails[1] == mails[2] == f"MAIL FROM:<{return_paths(sink)[VICTIM]}"


async def test_a_relay_that_is_lost_is_not_tried_for_everyone(
    sink: SmtpSink, home: Home, agent: Session
) -> None:
    everyone = [f"r{number}@example.org" for number in range(5)]
    sink.script.drop = "reply"
    result = await send(agent, to=everyone)

    async def tried() -> bool:
        return ("unknown", "sending") in (await states(agent, result.message_id)).values() and all(
            state != ("pending", "accepted") for state in (await states(agent, result.message_id)).values()
        )

    await until(tried)
    assert len(sink.messages) == 1
    assert list((await states(agent, result.message_id)).values()) == [
        ("unknown", "sending"),
        *[("pending", "deferred")] * 4,
    ]
    sink.script.drop = "never"
    await home.advance(minutes=6)
    await settled(agent, result.message_id)
    assert [item.recipients for item in sink.messages] == [(item,) for item in everyone]


async def test_what_one_copy_met_is_stored_before_the_next_leaves(
    sink: SmtpSink, home: Home, agent: Session
) -> None:
    """A process that dies at one copy does not make those before it unknown."""
    sink.script.rcpt[ANN] = "550 5.1.1 no such user"
    result = await send(agent, to=[ANN, BOB, VICTIM])
    await sink.wait_for(1)
    sink.script.hang = True
    await sink.wait_for(2)
    assert await states(agent, result.message_id) == {
        ANN: ("failed", "failed"),
        BOB: SENT,
        VICTIM: ("unknown", "sending"),
    }
    sink.drop_connections()
    await settled(agent, result.message_id)
    assert [item.recipients for item in sink.messages] == [(BOB,), (VICTIM,)]


async def test_each_id_the_relay_gives_is_known(sink: SmtpSink, home: Home, agent: Session) -> None:
    """A relay that stamps its own Message-ID gives every copy another."""
    sink.script.rcpt[BOB] = "451 4.7.1 greylisted"
    result = await send(agent, to=[ANN, BOB])

    async def deferred() -> bool:
        return (await states(agent, result.message_id)).get(BOB) == ("pending", "deferred")

    await until(deferred)
    sink.script.rcpt.clear()
    sink.script.final = "250 2.0.0 Ok <second@sink.example>"
    await home.advance(minutes=1)
    view = await settled(agent, result.message_id)
    for reply_to in ("<captured@sink.example>", "<second@sink.example>"):
        assert (await home.deliver(headers={"In-Reply-To": reply_to})).accepted
        assert (await arrived(agent)).thread_id == view.thread_id


async def test_a_bounce_of_a_purged_message_is_refused(sink: SmtpSink, home: Home, agent: Session) -> None:
    view = await sent_to(agent, ANN, VICTIM)
    path = return_paths(sink)[VICTIM]
    await agent.messages.delete(ASSISTANT, view.id)
    assert (await home.deliver(multipart(failed("trashed@x.example")), mail_from="", to=path)).accepted
    await home.local.core.db.write([sql("DELETE FROM messages WHERE id = :id", id=view.id)])
    refused = (await home.deliver(POSTFIX, mail_from="", to=path)).recipients[path]
    assert (refused.code, refused.enhanced) == (550, "5.1.1")


@pytest.mark.settings(outbound_smtp_verp="recipient", outbound_smtp_from_domain="relay.example")
async def test_the_relays_identity_has_return_paths_too(
    sink: SmtpSink, home: Home, agent: Session, owner: Session
) -> None:
    view = await sent_to(agent, ANN, VICTIM)
    path = return_paths(sink)[VICTIM]
    assert (view.sent_as, path.rpartition("@")[2]) == ("relay", "relay.example")
    assert (await home.deliver(POSTFIX, mail_from="", to=path)).accepted
    assert await states(agent, view.id) == {ANN: SENT, VICTIM: BOUNCED}
    wrong = path.replace("relay.example", SHARED)
    assert (await home.deliver(POSTFIX, mail_from="", to=wrong)).recipients[wrong].code == 550


async def test_mail_to_an_inbox_here_keeps_the_plain_sender(
    sink: SmtpSink, home: Home, agent: Session, owner: Session
) -> None:
    helper = await make_helper(owner)
    await sent_to(agent, helper, ANN)
    assert [item.recipients for item in sink.messages] == [(ANN,)]
    [kept] = await inbox(owner, helper)
    assert (kept.envelope_from, kept.header_from) == (None, ASSISTANT)


async def test_a_trashed_inbox_takes_no_reports(
    sink: SmtpSink, home: Home, agent: Session, owner: Session
) -> None:
    await sent_to(agent, VICTIM)
    await owner.agents.delete(ASSISTANT)
    path = return_paths(sink)[VICTIM]
    refused = (await home.deliver(POSTFIX, mail_from="", to=path)).recipients[path]
    assert (refused.code, refused.enhanced) == (550, "5.2.1")


@pytest.mark.parametrize("name", ["bounce", f"bounce@{SHARED}", f"bounce+a@{SHARED}", f"Bounce@{SHARED}"])
async def test_no_inbox_has_the_name(owner: Session, name: str) -> None:
    with pytest.raises(InvalidSlug):
        await make_helper(owner, name)


async def test_an_inbox_that_has_the_name_keeps_its_mail(
    sink: SmtpSink, home: Home, agent: Session, owner: Session
) -> None:
    core = home.local.core
    [row] = await core.db.read(sql("SELECT account_id, created_at FROM agents WHERE email = :e", e=ASSISTANT))
    old = AgentRow(
        email=f"bounce@{SHARED}",
        account_id=row["account_id"],
        domain=SHARED,
        registered_domain=SHARED,
        name="",
        protection="{}",
        created_at=row["created_at"],
        deleted_at=None,
        domain_verified=True,
    )
    await core.db.write([insert_agent(old)])
    view = await sent_to(agent, VICTIM)
    assert (await home.deliver(to=[old.email, f"bounce+news@{SHARED}"])).accepted
    assert (await home.deliver(POSTFIX, mail_from="", to=return_paths(sink)[VICTIM])).accepted
    assert [item.subject for item in await inbox(owner, old.email)] == ["Hello"]
    assert await states(agent, view.id) == {VICTIM: BOUNCED}
