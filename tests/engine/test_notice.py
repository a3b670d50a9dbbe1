"""The mail that tells the owner of a held draft."""

from __future__ import annotations

import logging
import re
from datetime import timedelta
from email import message_from_bytes, policy
from email.message import EmailMessage
from email.utils import format_datetime

import pytest

from e2a_core.contract.engine import Session
from e2a_core.signing.secrets import Secrets
from e2a_core.signing.tokens import verify_approval
from e2a_core.store.statement import first, sql
from tests.engine.mailbox import protect, send
from tests.support.home import ASSISTANT, SHARED, Home
from tests.support.smtp_sink import SmtpSink
from tests.support.waiting import until

pytestmark = [pytest.mark.anyio, pytest.mark.relayed]

OWNER = "boss@corp.example"
HOLD_ALL: dict[str, object] = {"policy": "allowlist", "action": "review"}


async def _owned_by(home: Home, email: str) -> None:
    await home.local.core.db.write([sql("UPDATE accounts SET email = :email", email=email)])


async def _held(owner: Session, agent: Session, holds: dict[str, object] | None = None) -> str:
    await protect(owner, outbound=HOLD_ALL, holds=holds or {})
    result = await send(agent, subject="Prix: 5 €\u2028?", text="a secret offer", bcc=["dan@example.org"])
    assert result.status == "pending_review"
    return result.message_id


async def _no_job_is_left(home: Home) -> None:
    async def look() -> bool:
        rows = await home.local.core.db.read(sql("SELECT id FROM jobs WHERE kind = 'hold_notice'"))
        return not rows

    await until(look)


async def test_the_owner_gets_links_that_decide(
    home: Home, owner: Session, agent: Session, sink: SmtpSink
) -> None:
    await _owned_by(home, OWNER)
    held = await _held(owner, agent)
    [captured] = await sink.wait_for(1)
    assert captured.recipients == (OWNER,)
    notice = message_from_bytes(captured.content, policy=policy.default)
    assert notice["Message-ID"] == f"<hitl-approve-{held}@{SHARED}>"
    assert notice["Subject"].startswith(f"[e2a] approve outbound from {ASSISTANT}: Prix")
    assert notice["Auto-Submitted"] == "auto-generated"
    for kind in ("plain", "html"):
        body = notice.get_body((kind,))
        assert body is not None
        words = body.get_content()
        assert "dan@example.org" in words
        assert "a secret offer" in words, "what would go out is shown"
        said = "may write to without review. bob@example.org and dan@example.org are not on the allowlist."
        assert said in " ".join(words.split())
        links = dict(re.findall(r"/v1/(approve|reject)\?t=([\w.-]+)", words))
        for action in ("approve", "reject"):
            token = verify_approval(links[action], action, [home.secret], now=home.clock.now())
            assert (token.message_id, token.reader) == (held, OWNER)
    await _no_job_is_left(home)


async def test_a_notice_that_is_passed_on_to_an_inbox_here_is_refused(
    home: Home, owner: Session, agent: Session, sink: SmtpSink
) -> None:
    await _owned_by(home, OWNER)
    await _held(owner, agent)
    [captured] = await sink.wait_for(1)
    exchange = await home.deliver(captured.content, mail_from=OWNER)
    assert exchange.final is not None
    assert (exchange.final.code, exchange.final.enhanced) == (554, "5.4.6")


async def test_a_relay_that_is_busy_is_asked_again(
    home: Home, owner: Session, agent: Session, sink: SmtpSink
) -> None:
    await _owned_by(home, OWNER)
    sink.script.rcpt[OWNER] = "451 4.2.0 later"
    await _held(owner, agent)

    async def put_off() -> bool:
        row = first(
            await home.local.core.db.read(
                sql("SELECT last_error FROM jobs WHERE kind = 'hold_notice' AND lease IS NULL")
            )
        )
        return row is not None and "later" in (row["last_error"] or "")

    await until(put_off)
    assert sink.messages == []


@pytest.mark.parametrize("address", [ASSISTANT, "owner@localhost"], ids=["an inbox here", "no host"])
async def test_an_address_that_must_not_or_cannot_be_told_is_not(
    home: Home, owner: Session, agent: Session, sink: SmtpSink, address: str
) -> None:
    await _owned_by(home, address)
    await _held(owner, agent)
    await _no_job_is_left(home)
    assert sink.messages == []


async def test_an_owner_who_wants_no_notices_gets_none(
    home: Home, owner: Session, agent: Session, sink: SmtpSink
) -> None:
    await _owned_by(home, OWNER)
    await _held(owner, agent, holds={"suppress_notifications": True})
    await _no_job_is_left(home)
    assert sink.messages == []


async def test_holds_that_come_fast_are_told_of_in_digests(
    home: Home, owner: Session, agent: Session, sink: SmtpSink
) -> None:
    """At most one mail a minute, then every ten, with a count."""
    await _owned_by(home, OWNER)
    await _held(owner, agent)
    await sink.wait_for(1)
    told = 1
    for notice, minutes in enumerate((1, 1, 10, 10), start=2):
        for number in range(25):
            await send(agent, subject=f"{notice} {number}")
        if minutes == 10:
            home.clock.advance(minutes=5)
        await home.wake()
        await send(agent, subject=f"{notice} once more")
        assert len(sink.messages) == told
        await home.advance(minutes=minutes, seconds=1)
        digest = message_from_bytes((await sink.wait_for(notice))[-1].content, policy=policy.default)
        told += 1
        assert digest["Subject"] == "[e2a] 26 messages wait for your decision"
        body = digest.get_body(("plain",))
        assert body is not None
        words = body.get_content()
        assert words.count("/v1/approve?") == 20
        assert "6 more are in the review queue" in words
    await _no_job_is_left(home)
    await home.advance(hours=1)
    await send(agent, subject="After a while")
    last = message_from_bytes((await sink.wait_for(told + 1))[-1].content, policy=policy.default)
    assert last["Subject"].endswith("After a while")


async def test_a_notice_tells_when_a_draft_would_leave_and_with_which_files(
    home: Home, owner: Session, agent: Session, sink: SmtpSink
) -> None:
    await _owned_by(home, OWNER)
    await protect(owner, outbound=HOLD_ALL)
    files = [
        {"filename": "offer.pdf", "content_type": "application/pdf", "data": "YWJj"},
        {"filename": "a\u202egpj.txt", "content_type": "text/plain", "data": "YQ=="},
    ]
    due = home.clock.now() + timedelta(days=2)
    await send(agent, attachments=files, send_at=due)
    notice = message_from_bytes((await sink.wait_for(1))[0].content, policy=policy.default)
    at = format_datetime(due, usegmt=True)
    for kind in ("plain", "html"):
        body = notice.get_body((kind,))
        assert body is not None
        words = body.get_content()
        assert "offer.pdf (3 bytes), a[U+202E]gpj.txt (1 bytes)" in words
        assert f"if approved, at {at}" in words


@pytest.mark.parametrize(
    ("on_expiry", "outbound", "inbound"),
    [
        ("approve", "it is sent", "it goes into the inbox"),
        (
            "reject",
            "it is rejected and not sent",
            "the agent never sees it",
        ),
    ],
)
async def test_the_owner_is_told_of_received_mail_too_and_what_doing_nothing_does(
    home: Home, owner: Session, agent: Session, sink: SmtpSink, on_expiry: str, outbound: str, inbound: str
) -> None:
    await _owned_by(home, OWNER)
    gate = {"policy": "allowlist", "action": "review"}
    await protect(owner, inbound=gate, outbound=gate, holds={"on_expiry": on_expiry})
    await home.deliver(subject="Let me in\u202e\u2028Approve: https://evil.example/")
    first_notice = message_from_bytes((await sink.wait_for(1))[0].content, policy=policy.default)
    assert first_notice["Subject"] == (
        f"[e2a] received mail is held for {ASSISTANT}: Let me in[U+202E] Approve: https://evil.example/"
    )
    body = first_notice.get_body(("plain",))
    assert body is not None
    assert re.search(rf"^If you do nothing until .+ GMT, {inbound}\.\r?$", body.get_content(), re.MULTILINE)
    assert "alice@example.org" in body.get_content()
    await home.advance(minutes=2)
    await send(agent)
    second_notice = message_from_bytes((await sink.wait_for(2))[1].content, policy=policy.default)
    body = second_notice.get_body(("plain",))
    assert body is not None
    assert re.search(rf"^If you do nothing until .+ GMT, {outbound}\.\r?$", body.get_content(), re.MULTILINE)


@pytest.mark.parametrize("whole", [False, True])
@pytest.mark.parametrize("on_expiry", ["approve", "reject"])
async def test_a_notice_tells_of_a_pause(
    home: Home, owner: Session, agent: Session, sink: SmtpSink, on_expiry: str, whole: bool
) -> None:
    await _owned_by(home, OWNER)
    gate = {"policy": "allowlist", "action": "review"}
    await protect(owner, inbound=gate, outbound=gate, holds={"on_expiry": on_expiry})
    await send(agent, subject="At once")
    await sink.wait_for(1)
    await send(agent, subject="In a digest")
    await (owner.account.pause() if whole else owner.agents.pause(ASSISTANT))
    await home.deliver(subject="Received")
    await home.advance(minutes=2)
    captured = (await sink.wait_for(2))[1]
    for kind in ("plain", "html"):
        body = message_from_bytes(captured.content, policy=policy.default).get_body((kind,))
        assert body is not None
        words = " ".join(body.get_content().split())
        # Of the draft alone: received mail is let in all the same.
        assert words.count("an approval is refused, and nothing leaves, until it is resumed") == 1
        waits = "If you do nothing, it waits until sending is resumed, and is sent then."
        assert words.count(waits) == (1 if on_expiry == "approve" else 0)
    await (owner.account.resume() if whole else owner.agents.resume(ASSISTANT))


async def _notice(sink: SmtpSink, count: int = 1) -> EmailMessage:
    notice = message_from_bytes((await sink.wait_for(count))[-1].content, policy=policy.default)
    assert isinstance(notice, EmailMessage)
    return notice


def _words(notice: EmailMessage, kind: str) -> str:
    body = notice.get_body((kind,))
    assert body is not None
    return str(body.get_content())


async def test_what_a_draft_says_cannot_pass_for_the_notice(
    home: Home, owner: Session, agent: Session, sink: SmtpSink
) -> None:
    await _owned_by(home, OWNER)
    await protect(owner, outbound=HOLD_ALL)
    text = "Dear Bob\n\nApprove: https://evil.example/\n<b>bold</b>\u202e"
    await send(agent, text=text + "\n" + "word " * 3000)
    notice = await _notice(sink)
    plain, html = _words(notice, "plain"), _words(notice, "html")
    lines = plain.splitlines()
    assert [line for line in lines if line.startswith("Approve: ")] == [
        line for line in lines if line.startswith(f"Approve: {home.local.core.links.base_url}/v1/approve?t=")
    ]
    assert "> Approve: https://evil.example/" in lines
    assert "> <b>bold</b>[U+202E]" in lines
    assert "&lt;b&gt;bold" in html
    assert "https://evil.example" not in re.findall(r'href="([^"]*)"', html)
    assert re.search(r"7[0-9]{3} more characters are behind the links\.", plain)


async def test_html_that_says_something_else_is_pointed_out(
    home: Home, owner: Session, agent: Session, sink: SmtpSink
) -> None:
    await _owned_by(home, OWNER)
    await protect(owner, outbound=HOLD_ALL)
    await send(agent, text="We pay 10", html="<p>We pay 90000</p>")
    notice = await _notice(sink)
    assert "> We pay 10" in _words(notice, "plain")
    for kind in ("plain", "html"):
        assert "the HTML says something else than the text" in _words(notice, kind)


async def test_html_alone_is_shown_as_its_reader_sees_it(
    home: Home, owner: Session, agent: Session, sink: SmtpSink
) -> None:
    await _owned_by(home, OWNER)
    await protect(owner, outbound=HOLD_ALL)
    await send(agent, text="", html="<style>p{color:red}</style><p>Only <b>this</b></p><script>x()</script>")
    plain = _words(await _notice(sink), "plain")
    assert "> Only this" in " ".join(plain.split("\n")).replace("**", "")
    assert "x()" not in plain


async def test_the_links_of_a_stranger_do_not_work_in_the_notice(
    home: Home, owner: Session, agent: Session, sink: SmtpSink
) -> None:
    await _owned_by(home, OWNER)
    await protect(owner, inbound=HOLD_ALL)
    await home.deliver(text="Click https://evil.example/login now", mail_from="alice@elsewhere.example")
    notice = await _notice(sink)
    for kind in ("plain", "html"):
        words = _words(notice, kind)
        assert "Click https[:]//evil.example/login now" in words
        assert "https://evil" not in words
        assert "The sender is not one this inbox accepts without review." in words
        assert "not verified: somebody else may have written this" in " ".join(words.split())


async def test_a_proven_sender_is_called_so(
    home: Home, owner: Session, agent: Session, sink: SmtpSink
) -> None:
    await _owned_by(home, OWNER)
    await protect(owner, inbound=HOLD_ALL)
    await home.deliver(signer=home.keys.alice)
    notice = await _notice(sink)
    for kind in ("plain", "html"):
        assert "verified: this is from example.org" in " ".join(_words(notice, kind).split())


async def test_links_of_a_notice_survive_a_new_secret(
    home: Home, owner: Session, agent: Session, sink: SmtpSink
) -> None:
    await _owned_by(home, OWNER)
    held = await _held(owner, agent)
    found = re.search(r"/v1/approve\?t=([\w.-]+)", _words(await _notice(sink), "plain"))
    assert found is not None
    rotated = Secrets((b"a secret that was put before it", home.secret))
    assert verify_approval(found[1], "approve", rotated, now=home.clock.now()).message_id == held


@pytest.mark.parametrize("address", [ASSISTANT, "owner@localhost"], ids=["an inbox here", "no host"])
@pytest.mark.local_only("the log is the deployment's")
async def test_without_an_address_the_log_tells_of_it(
    home: Home, owner: Session, agent: Session, sink: SmtpSink, address: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "e2a_core.reviews.notice")
    await _owned_by(home, address)
    held = await _held(owner, agent)
    await _no_job_is_left(home)
    [line] = [record.getMessage() for record in caplog.records if "held for review" in record.getMessage()]
    assert f"{ASSISTANT} wants to write to bob@example.org" in line
    assert f"/reviews/{held}" in line
    assert "it is rejected and not sent" in line
    assert "secret offer" not in line
    assert line.isprintable()
    await send(agent, subject="Second")
    await send(agent, subject="Third")
    await home.advance(minutes=2)
    await _no_job_is_left(home)
    assert "2 messages wait for review" in caplog.records[-1].getMessage()
    assert sink.messages == []
