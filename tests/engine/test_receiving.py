"""Mail that comes in over SMTP, as its agent then sees it."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import Sequence
from datetime import timedelta

import asyncpg
import pytest

from e2a_core.contract.engine import Session
from e2a_core.contract.messages import UpdateMessageRequest
from e2a_core.erasure.agents import purge_agent
from e2a_core.errors import AttachmentTooLarge, NotFound
from e2a_core.signing.auth_headers import verify_auth_headers
from e2a_core.smtpserver.arrival import Arrival
from e2a_core.smtpserver.deliver import Delivered, Delivery
from e2a_core.smtpserver.loopback import LoopbackTransport
from e2a_core.smtpserver.session import Recipient
from e2a_core.store.statement import first, sql
from tests.engine.mailbox import HELPER, all_mail, arrived, inbox, make_helper, reasons
from tests.support.home import ASSISTANT, SHARED, EventLog, Home
from tests.support.smtp_client import letter
from tests.support.waiting import until

pytestmark = pytest.mark.anyio

MIXED = b"""\
--outer\r
Content-Type: multipart/alternative; boundary=inner\r
\r
--inner\r
Content-Type: text/plain; charset=iso-8859-1\r
Content-Transfer-Encoding: quoted-printable\r
\r
Caf=E9 at noon?\r
\r
On Mon, 2 Nov 2026, Assistant wrote:\r
> Where shall we meet?\r
--inner\r
Content-Type: text/html; charset=utf-8\r
\r
<p>Caf\xc3\xa9 at noon?</p>\r
--inner--\r
--outer\r
Content-Type: application/pdf\r
Content-Disposition: attachment; filename="menu.pdf"\r
Content-Transfer-Encoding: base64\r
\r
JVBERi0xLjQ=\r
--outer--\r
"""


async def test_a_letter_is_listed_and_reading_it_marks_it_read(home: Home, agent: Session) -> None:
    assert (await home.deliver(subject="Lunch", text="At noon?")).accepted
    [summary] = await inbox(agent)
    assert (summary.subject, summary.header_from, summary.envelope_from) == (
        "Lunch",
        "alice@example.org",
        "alice@example.org",
    )
    assert (summary.delivered_to, summary.preview, summary.read_status) == (ASSISTANT, "At noon?", "unread")
    assert (await agent.messages.get(ASSISTANT, summary.id, peek=True)).read_status == "unread"
    view = await agent.messages.get(ASSISTANT, summary.id)
    assert view.read_status == "read"
    assert view.parsed is not None
    assert view.parsed.text == "At noon?"
    assert await inbox(agent) == []


async def test_a_letter_can_be_marked_unread(home: Home, agent: Session) -> None:
    assert (await home.deliver()).accepted
    [summary] = await inbox(agent)
    await agent.messages.update(ASSISTANT, summary.id, UpdateMessageRequest(read_status="read"))
    assert await inbox(agent) == []
    await agent.messages.update(ASSISTANT, summary.id, UpdateMessageRequest(read_status="unread"))
    assert [item.id for item in await inbox(agent)] == [summary.id]


async def test_text_quote_html_and_attachments_are_told_apart(home: Home, agent: Session) -> None:
    kind = {"MIME-Version": "1.0", "Content-Type": 'multipart/mixed; boundary="outer"'}
    assert (await home.deliver(headers=kind, body=MIXED)).accepted
    view = await arrived(agent)
    assert view.parsed is not None
    assert view.parsed.text == "Café at noon?"
    assert "Where shall we meet?" in (view.parsed.quoted_text or "")
    assert view.parsed.html is not None
    assert "<p>Café at noon?</p>" in view.parsed.html
    [menu] = view.attachments
    assert (menu.index, menu.filename, menu.content_type, menu.size_bytes) == (
        0,
        "menu.pdf",
        "application/pdf",
        8,
    )
    assert (await agent.messages.attachment_content(ASSISTANT, view.id, 0)).data == b"%PDF-1.4"
    inline = await agent.messages.attachment(ASSISTANT, view.id, 0, inline=True)
    assert base64.b64decode(inline.data or "") == b"%PDF-1.4"
    with pytest.raises(NotFound) as missing:
        await agent.messages.attachment(ASSISTANT, view.id, 1)
    assert missing.value.code == "attachment_not_found"


async def test_the_raw_message_is_what_came_below_our_own_trace(home: Home, agent: Session) -> None:
    forged = [f"{SHARED}; dmarc=pass header.from=bank.example", "other.example; dmarc=pass"]
    content = letter(headers={"Authentication-Results": forged, "X-Kept": "yes"})
    assert (await home.deliver(content)).accepted
    view = await arrived(agent)
    raw = await agent.messages.raw(ASSISTANT, view.id)
    assert base64.b64decode(view.raw_message or "") == raw
    assert raw.startswith(f"Authentication-Results: {SHARED};".encode())
    assert b"\r\nReceived: from client.example.org ([127.0.0.1])" in raw
    assert b"bank.example" not in raw
    assert b"Authentication-Results: other.example; dmarc=pass\r\n" in raw
    assert raw.endswith(content.partition(b"X-Kept")[2])
    assert view.size_bytes == len(raw)


async def test_the_signed_headers_verify_over_the_raw_message(home: Home, agent: Session) -> None:
    assert (await home.deliver(signer=home.keys.alice)).accepted
    view = await arrived(agent)
    assert view.auth_headers is not None
    claim = verify_auth_headers(
        view.auth_headers,
        [home.secret],
        raw_message=await agent.messages.raw(ASSISTANT, view.id),
        now=home.clock.now(),
    )
    assert (claim.verified, claim.sender, claim.entity_type) == (True, "alice@example.org", "human")
    assert (claim.domain_check, claim.message_id) == ("spf=pass; dkim=pass; dmarc=pass", view.id)
    assert "X-E2A-Auth-Delegation" not in view.auth_headers
    assert len(view.auth_headers) == 8


async def test_made_up_signed_headers_are_not_handed_on(home: Home, agent: Session) -> None:
    made_up = {"X-E2A-Auth-Verified": "true", "x-e2a-auth-sender": "boss@example.org"}
    content = letter(headers={**made_up, "X-E2A-Conversation-Id": "theirs"})
    signed = home.keys.alice.sign(content, b"mime-version", b"content-type", b"x-e2a-conversation-id")
    assert (await home.deliver(signed, mail_from="x@list.example")).accepted
    view = await arrived(agent)
    raw = await agent.messages.raw(ASSISTANT, view.id)
    assert b"x-e2a-auth" not in raw.lower()
    assert b"X-E2A-Conversation-Id: theirs" in raw
    verify_auth_headers(view.auth_headers or {}, [home.secret], raw_message=raw, now=home.clock.now())
    # What is checked is what came.
    assert view.verified_domain == "example.org"


async def test_the_evidence_names_what_passed(home: Home, agent: Session) -> None:
    assert (await home.deliver(signer=home.keys.alice)).accepted
    view = await arrived(agent)
    assert view.verified_domain == "example.org"
    assert view.authentication is not None
    evidence = view.authentication
    assert (evidence.spf.status, evidence.spf.domain, evidence.spf.aligned) == ("pass", "example.org", True)
    [signature] = evidence.dkim
    assert (signature.status, signature.domain, signature.selector, signature.aligned) == (
        "pass",
        "example.org",
        "mail",
        True,
    )
    assert (evidence.dmarc.status, evidence.dmarc.policy, evidence.dmarc.aligned_by) == (
        "pass",
        "reject",
        ["spf", "dkim"],
    )


async def test_a_pass_for_another_domain_does_not_vouch_for_the_author(home: Home, agent: Session) -> None:
    assert (await home.deliver(sender="ceo@elsewhere.example", mail_from="bulk@list.example")).accepted
    view = await arrived(agent)
    assert view.verified_domain is None
    assert view.authentication is not None
    assert view.authentication.spf.status == "pass"
    assert view.authentication.dmarc.status == "fail"
    assert (view.auth_headers or {})["X-E2A-Auth-Verified"] == "false"


async def test_alignment_without_a_dmarc_record_verifies_but_names_no_domain(
    home: Home, agent: Session
) -> None:
    assert (await home.deliver(sender="ann@plain.example", mail_from="ann@plain.example")).accepted
    view = await arrived(agent)
    assert (view.auth_headers or {})["X-E2A-Auth-Verified"] == "true"
    assert view.verified_domain is None
    assert view.authentication is not None
    assert view.authentication.dmarc.status == "none"


async def test_a_changed_signed_message_fails_dkim(home: Home, agent: Session) -> None:
    signed = home.keys.alice.sign(letter(text="Pay 10"))
    assert (await home.deliver(signed.replace(b"Pay 10", b"Pay 99"), mail_from="x@list.example")).accepted
    view = await arrived(agent)
    assert view.authentication is not None
    assert [item.status for item in view.authentication.dkim] == ["fail"]
    assert view.verified_domain is None


async def test_addresses_are_matched_without_case_and_with_tags(home: Home, agent: Session) -> None:
    assert (await home.deliver(to="ASSISTANT@Agents.Example")).accepted
    assert (await home.deliver(to=f"assistant+orders@{SHARED}")).accepted
    assert (await home.deliver(to=f'"assistant+quoted"@{SHARED}')).accepted
    quoted, newest, first = await inbox(agent)
    assert first.tag is None
    assert (newest.tag, newest.delivered_to) == ("orders", f"assistant+orders@{SHARED}")
    assert quoted.tag == "quoted"
    unknown = await home.deliver(to=f'"assist ant"@{SHARED}')
    assert [reply.code for reply in unknown.recipients.values()] == [550]


async def test_unknown_and_trashed_recipients_are_refused(home: Home, owner: Session) -> None:
    await make_helper(owner)
    await owner.agents.delete(HELPER)
    exchange = await home.deliver(to=[f"nobody@{SHARED}", HELPER, "someone@example.net"])
    replies = [(reply.code, reply.enhanced) for reply in exchange.recipients.values()]
    assert replies == [(550, "5.1.1"), (550, "5.2.1"), (550, "5.1.1")]
    assert exchange.final is None


async def test_an_inbox_that_goes_while_a_message_comes_in_refuses_it(home: Home, owner: Session) -> None:
    await make_helper(owner)

    async def trash() -> None:
        await owner.agents.delete(HELPER)

    async def purge() -> None:
        await purge_agent(home.local.core, HELPER)

    for gone, reply in ((trash, (550, "5.2.1")), (purge, (550, "5.1.1"))):
        if gone is purge:
            await owner.agents.restore(HELPER)
        exchange = await home.deliver(to=HELPER, before_content=gone)
        assert exchange.recipients[HELPER].code == 250
        assert exchange.final is not None
        assert (exchange.final.code, exchange.final.enhanced) == reply


async def test_an_inbox_that_goes_does_not_take_the_others_mail_along(
    home: Home, owner: Session, agent: Session
) -> None:
    await make_helper(owner)

    async def purge() -> None:
        await purge_agent(home.local.core, HELPER)

    assert (await home.deliver(to=[HELPER, ASSISTANT], before_content=purge)).accepted
    assert len(await inbox(agent)) == 1


@pytest.mark.local_only("the transport is of the deployment itself")
async def test_an_inbox_that_goes_at_the_last_moment_is_told_of(home: Home, owner: Session) -> None:
    core = home.local.core

    class Late(Delivery):
        """Loses one of the inboxes after it was looked up."""

        async def deliver(self, arrival: Arrival, recipients: Sequence[Recipient]) -> Delivered:
            await purge_agent(core, HELPER)
            return await super().deliver(arrival, recipients)

    await make_helper(owner)
    other = await make_helper(owner, f"other@{SHARED}")
    result = await LoopbackTransport(core, Late(core)).submit(ASSISTANT, [HELPER, other], letter())
    assert {item.address: (item.outcome, item.code, item.enhanced) for item in result.outcomes} == {
        HELPER: ("failed", 550, "5.1.1"),
        other: ("succeeded", 250, "2.1.5"),
    }
    assert len(await inbox(owner, other)) == 1


async def test_several_recipients_share_one_stored_content(
    home: Home, owner: Session, agent: Session
) -> None:
    await make_helper(owner)
    exchange = await home.deliver(
        letter(message_id="<shared@example.org>"), to=[ASSISTANT, HELPER, f"assistant+copy@{SHARED}"]
    )
    assert exchange.accepted
    assert len(await inbox(agent)) == 1
    assert len(await inbox(owner, HELPER)) == 1
    row = first(await home.local.core.db.read(sql("SELECT count(*) AS n FROM raw_messages")))
    assert row is not None
    assert row["n"] == 1


async def test_the_same_message_twice_is_one_copy(home: Home, agent: Session) -> None:
    content = letter(message_id="<once@example.org>")
    assert (await home.deliver(content)).accepted
    assert (await home.deliver(content)).accepted
    assert len(await inbox(agent)) == 1
    other = letter(message_id="<once@example.org>", text="Other words.")
    assert (await home.deliver(other)).accepted
    assert len(await inbox(agent)) == 2


async def test_without_a_message_id_the_date_tells_messages_apart(home: Home, agent: Session) -> None:
    unnamed = letter(message_id=None)
    later = unnamed.replace(b"Date: Mon, 02 Nov 2026 09:30:00", b"Date: Mon, 02 Nov 2026 09:30:01")
    for content in (unnamed, unnamed, later):
        assert (await home.deliver(content)).accepted
    assert len(await inbox(agent)) == 2
    # The same words from somebody else are another message.
    assert (await home.deliver(unnamed, mail_from="bob@example.org")).accepted
    assert len(await inbox(agent)) == 3
    undated = unnamed.replace(b"Date: Mon, 02 Nov 2026 09:30:00 +0000\r\n", b"")
    for _ in range(2):
        assert (await home.deliver(undated)).accepted
    assert len(await inbox(agent)) == 5


@pytest.mark.parametrize(
    "headers", [{"Received": ["from a by b; now"] * 51}, {"X-E2A-Loop": SHARED}], ids=["hops", "mark"]
)
async def test_loops_are_refused(home: Home, agent: Session, headers: dict[str, str]) -> None:
    exchange = await home.deliver(headers=headers)
    assert exchange.final is not None
    assert (exchange.final.code, exchange.final.enhanced) == (554, "5.4.6")
    assert await inbox(agent) == []


async def test_automatic_mail_is_recognised(home: Home, agent: Session) -> None:
    kinds = {
        "auto-replied": {"Auto-Submitted": "auto-replied (vacation)"},
        "auto-generated": {"Auto-Submitted": "auto-generated"},
        "list": {"List-Id": "<news.example.org>"},
        "bulk": {"Precedence": "bulk"},
    }
    for kind, headers in kinds.items():
        assert (await home.deliver(subject=kind, headers=headers)).accepted
    assert (await home.deliver(subject="bounce", mail_from="")).accepted
    assert (await home.deliver(subject="person", headers={"Auto-Submitted": "no"})).accepted
    found = {
        item.subject: item.auto_submitted.kind if item.auto_submitted else None for item in await inbox(agent)
    }
    assert found == {**{kind: kind for kind in kinds}, "bounce": "bounce", "person": None}


async def test_the_null_sender_shows_as_no_envelope_sender(home: Home, agent: Session) -> None:
    assert (await home.deliver(mail_from="")).accepted
    view = await arrived(agent)
    assert view.envelope_from is None
    assert view.header_from == "alice@example.org"


@pytest.mark.parametrize(
    "content",
    [
        b"no header at all\r\n",
        b"\r\n",
        b"Subject: =?utf-8?q?broken=?= \xff\xfe\r\nMessage-ID: <a b@c>\r\n\r\n\x00\x01\xff\r\n",
        b"From: a@example.org, b@example.org\r\nSubject: nul \x00 inside\r\n\r\nx\x00y\r\n",
        b"Content-Type: multipart/mixed; boundary=x\r\nSubject: open\r\n\r\n--x\r\nContent-Type: text/html\r\n\r\n<p",
        b"From: \xed\xa0\x80@example.org\r\nTo: <<<>>>\r\nDate: never\r\nSubject: \xed\xa0\x80\r\n\r\n\xed\xa0\x80\r\n",
        b"Content-Type: text/plain; charset=no-such\r\nContent-Transfer-Encoding: base64\r\n\r\n@@@@\r\n",
    ],
    ids=["no header", "empty", "bytes", "nul", "cut off", "surrogates", "unknown charset"],
)
async def test_malformed_mail_is_taken_and_can_be_read(home: Home, agent: Session, content: bytes) -> None:
    assert (await home.deliver(content)).accepted
    view = await arrived(agent)
    assert (await agent.messages.raw(ASSISTANT, view.id)).endswith(content.rstrip(b"\r\n") + b"\r\n")
    view.model_dump_json()


async def test_long_texts_are_cut_and_said_to_be(home: Home, agent: Session) -> None:
    words = " ".join(f"word{number}" for number in range(60_000))
    text = "\n".join(words[at : at + 900] for at in range(0, len(words), 900))
    assert (await home.deliver(text=text)).accepted
    view = await arrived(agent)
    assert view.parsed is not None
    assert view.parsed.truncated
    assert len(view.parsed.text.encode()) <= 16_384
    assert [item.id for item in await inbox(agent, query="word900")] == [view.id]


async def test_the_same_message_over_two_connections_at_once_is_one_copy(home: Home, agent: Session) -> None:
    content = letter(message_id="<race@example.org>")
    exchanges = await asyncio.gather(*(home.deliver(content) for _ in range(6)))
    assert all(exchange.accepted for exchange in exchanges)
    assert len(await inbox(agent)) == 1


async def test_a_name_server_that_fails_leaves_the_sender_unproven(home: Home, agent: Session) -> None:
    assert (await home.deliver(sender="x@broken.example", mail_from="x@broken.example")).accepted
    view = await arrived(agent)
    assert view.authentication is not None
    assert (view.authentication.spf.status, view.authentication.dmarc.status) == ("temperror", "temperror")
    assert (view.verified_domain, (view.auth_headers or {})["X-E2A-Auth-Verified"]) == (None, "false")
    assert (await reasons(agent, view.id))[-1] == "authentication.dmarc_temporary_error"


async def test_a_large_attachment_is_downloaded_not_inlined(home: Home, agent: Session) -> None:
    kind = {"MIME-Version": "1.0", "Content-Type": "application/octet-stream; name=big.bin"}
    assert (
        await home.deliver(headers=kind, body=b"x" * 900 + b"\r\n" + (b"y" * 900 + b"\r\n") * 300)
    ).accepted
    view = await arrived(agent)
    with pytest.raises(AttachmentTooLarge):
        await agent.messages.attachment(ASSISTANT, view.id, 0, inline=True)
    link = await agent.messages.attachment(ASSISTANT, view.id, 0)
    assert link.data is None
    assert f"/v1/agents/{ASSISTANT}/messages/{view.id}/attachments/0/download?token=" in link.download_url
    lifetime = link.expires_at - home.clock.now()
    assert timedelta(minutes=14) < lifetime <= timedelta(minutes=15)


async def test_a_store_that_fails_asks_for_a_retry(home: Home) -> None:
    exchange = await home.deliver(before_content=home.local.core.db.close)
    assert exchange.final is not None
    assert (exchange.final.code, exchange.final.enhanced) == (451, "4.3.0")
    exchange = await home.deliver()
    assert [reply.code for reply in exchange.recipients.values()] == [451]


@pytest.mark.parametrize("database_kind", ["postgresql"], indirect=True)
async def test_a_database_server_that_hangs_up_loses_nothing(
    home: Home, agent: Session, events: EventLog, database_url: str
) -> None:
    async def hang_up() -> None:
        connection = await asyncpg.connect(database_url)
        await connection.execute(
            "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity "
            "WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )
        await connection.close()

    exchange = await home.deliver(subject="meanwhile", before_content=hang_up)
    assert exchange.final is not None
    assert exchange.final.code in {250, 451}
    if not exchange.accepted:

        async def again() -> bool:
            return (await home.deliver(subject="meanwhile")).accepted

        await until(again)
    assert [item.subject for item in await inbox(agent)] == ["meanwhile"]
    assert (await home.deliver(subject="afterwards")).accepted

    async def told() -> bool:
        return any(event.data.get("subject") == "afterwards" for event in events.seen)

    await until(told)


async def test_nested_messages_are_visible(home: Home, agent: Session) -> None:
    inner = letter(sender="Carol <carol@example.org>", subject="Inner", text="Within.")
    body = b"--x\r\nContent-Type: text/plain\r\n\r\nSee below.\r\n--x\r\nContent-Type: message/rfc822\r\n\r\n"
    kind = {"MIME-Version": "1.0", "Content-Type": "multipart/mixed; boundary=x"}
    assert (await home.deliver(headers=kind, body=body + inner + b"--x--\r\n")).accepted
    view = await arrived(agent)
    assert view.parsed is not None
    [nested] = view.parsed.nested or []
    assert (nested.subject, nested.header_from) == ("Inner", "carol@example.org")
    carried = (await agent.messages.attachment_content(ASSISTANT, view.id, nested.index)).data
    assert b"Within." in carried


async def test_mail_is_in_one_inbox_only(home: Home, owner: Session, agent: Session) -> None:
    await make_helper(owner)
    assert (await home.deliver(to=HELPER)).accepted
    assert await all_mail(agent) == []
    [message] = await all_mail(owner, HELPER)
    with pytest.raises(NotFound):
        await agent.messages.get(ASSISTANT, message.id)
