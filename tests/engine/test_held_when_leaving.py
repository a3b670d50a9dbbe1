"""Mail that waited is held when it leaves if its agent's protection asks for a review by then."""

from __future__ import annotations

import base64
import re
from datetime import datetime, timedelta
from email import message_from_bytes, policy
from email.message import EmailMessage
from typing import Any

import pytest

from e2a_core.contract.engine import Session
from e2a_core.contract.reviews import ApproveRequest, RejectRequest
from e2a_core.contract.sending import ForwardRequest, ReplyRequest, SendOptions
from e2a_core.store.statement import sql
from tests.engine.mailbox import arrived, protect, reasons, send, settled
from tests.engine.test_leaving import BOB_ONLY, INSIDE, NOBODY, deferred, scheduled
from tests.support.home import ASSISTANT, EventLog, Home
from tests.support.smtp_sink import CapturedMessage, SmtpSink
from tests.support.waiting import until

pytestmark = [
    pytest.mark.anyio,
    pytest.mark.relayed,
    pytest.mark.local_only("what leaves is no matter of the door"),
]

_TOKEN = re.compile(rb"(?<=unsubscribe)\S+")
PNG = b"\x89PNG\r\n\x1a\n" + bytes(range(256))
LETTER = b"From: carol@example.org\r\nSubject: Inner\r\n\r\nInside\r\n"


def attached(name: str, content_type: str, data: bytes) -> dict[str, str]:
    return {"filename": name, "content_type": content_type, "data": base64.b64encode(data).decode()}


SHAPES: dict[str, dict[str, Any]] = {
    "text": {},
    "names in the fields": {"to": ['"Bob, the Builder" <bob@example.org>'], "cc": ["Zoë <zoe@example.org>"]},
    "html": {"html": "<p>Hello <b>Bob</b></p>"},
    "other scripts": {"subject": "见面 — Prix: 5 €", "text": "Γειά\r\n.\r\nFrom here on  \r\n\tto there"},
    "an answer goes elsewhere": {"reply_to": ["desk@example.org"]},
    "one file": {"attachments": [attached("a.bin", "application/octet-stream", bytes(range(256)))]},
    "an empty file": {"attachments": [attached("empty.txt", "text/plain", b"")]},
    "two of one name": {
        "attachments": [
            attached("a.txt", "text/plain", b"one\n"),
            attached("a.txt", "text/plain", b"two\r\n"),
        ]
    },
    "a message": {"attachments": [attached("letter.eml", "message/rfc822", LETTER)]},
    "a message that is not one": {"attachments": [attached("x.eml", "message/rfc822", b"\xff\nx")]},
    "what looks like a multipart": {
        "attachments": [attached("m", "multipart/mixed; boundary=x", b"--x\r\n\r\ny\r\n--x--")]
    },
    "an invitation": {
        "attachments": [attached("i.ics", "text/calendar; method=REQUEST", b"BEGIN:VCALENDAR\r\n")]
    },
    "a winmail.dat": {
        "attachments": [attached("winmail.dat", "application/ms-tnef", b"\x78\x9f\x3e\x22\x00\x00")]
    },
    "a signature": {"attachments": [attached("smime.p7m", "application/pkcs7-mime", b"0\x80\x06\x09")]},
    "a name in another script": {
        "attachments": [attached("Prüfbericht — 見.pdf", "application/pdf", b"%PDF")]
    },
    "an unsubscribe link": {"unsubscribe": {"mode": "managed"}},
    "blind copies alone with a cc": {"to": [], "cc": ["bob@example.org"], "bcc": ["dan@example.org"]},
}
"""Requests whose draft has to be the same after it waited."""


async def held(session: Session, message_id: str) -> None:
    async def look() -> bool:
        view = await session.messages.get(ASSISTANT, message_id, peek=True)
        return view.review_status == "pending_review"

    await until(look)


def shape(content: bytes) -> list[tuple[object, ...]]:
    """The fields a reader sees, and each part with its content. The unsubscribe link has a new token each time."""
    message = message_from_bytes(content, policy=policy.default)
    assert isinstance(message, EmailMessage)
    fields = [
        (name, str(message[name])) for name in ("From", "To", "Cc", "Reply-To", "Subject", "Auto-Submitted")
    ]
    parts: list[tuple[object, ...]] = []
    for part in message.walk():
        if part.is_multipart() and part.get_content_maintype() == "multipart":
            parts.append((part.get_content_type(),))
            continue
        data = part.as_bytes() if part.is_multipart() else part.get_payload(decode=True)
        assert isinstance(data, bytes)
        data = _TOKEN.sub(b"", data)
        parts.append(
            (
                part.get_content_type(),
                part.get_filename(),
                part["Content-ID"],
                part.get_content_disposition(),
                data,
            )
        )
    return [*fields, *parts]


@pytest.mark.settings(send_rate_per_minute="0", public_url="https://mail.example")
async def test_what_was_held_leaves_as_it_was_written(
    sink: SmtpSink, home: Home, owner: Session, agent: Session
) -> None:
    at_once: dict[str, list[CapturedMessage]] = {}
    for name, members in SHAPES.items():
        before = len(sink.messages)
        await settled(agent, (await send(agent, **members)).message_id)
        at_once[name] = sink.messages[before:]
    waiting = {name: await scheduled(home, agent, **members) for name, members in SHAPES.items()}
    await protect(owner, outbound={**NOBODY, "action": "review"})
    await home.advance(hours=2)
    for name, message_id in waiting.items():
        await held(agent, message_id)
        seen = await owner.reviews.get(message_id)
        assert seen.body is not None, name
        assert len(seen.attachments) == len(SHAPES[name].get("attachments", [])), name
        before = len(sink.messages)
        result = await owner.reviews.approve(message_id, ApproveRequest(content_hash=seen.content_hash))
        assert (result.status, result.edited) == ("accepted", False), name
        await settled(agent, message_id)
        for reviewed, first in zip(sink.messages[before:], at_once[name], strict=True):
            assert shape(reviewed.content) == shape(first.content), name
            assert reviewed.recipients == first.recipients, name


async def test_a_forward_and_an_answer_that_were_held_keep_pictures_files_and_thread(
    sink: SmtpSink, home: Home, owner: Session, agent: Session
) -> None:
    letter = EmailMessage(policy=policy.SMTP)
    letter["From"], letter["To"], letter["Subject"] = "alice@example.org", ASSISTANT, "Plan"
    letter["Message-ID"] = "<plan@example.org>"
    letter.set_content("See the picture")
    letter.add_alternative('<p>See <img src="cid:logo@x"></p>', subtype="html")
    html = letter.get_body(("html",))
    assert html is not None
    letter.add_attachment(b"%PDF-1.7", maintype="application", subtype="pdf", filename="a.pdf")
    html.add_related(PNG, "image", "png", cid="<logo@x>", filename="logo.png")
    letter.add_attachment(PNG[::-1], maintype="image", subtype="png", filename="b.png", cid="<unused@x>")
    await home.deliver(letter.as_bytes())
    parent = (await arrived(agent)).id
    later = home.clock.now() + timedelta(hours=1)

    async def ask(send_at: datetime | None) -> list[str]:
        forward = ForwardRequest(to=["bob@example.org"], text="", send_at=send_at)
        reply = ReplyRequest(text="Fine", send_at=send_at)
        options = SendOptions()
        forwarded = await agent.messages.forward(ASSISTANT, parent, forward, options)
        answered = await agent.messages.reply(ASSISTANT, parent, reply, options)
        return [forwarded.message_id, answered.message_id]

    for message_id in await ask(None):
        await settled(agent, message_id)
    waiting = await ask(later)
    await protect(owner, outbound={**NOBODY, "action": "review"})
    await home.advance(hours=2)
    for message_id in waiting:
        await held(agent, message_id)
        await owner.reviews.approve(message_id, ApproveRequest())
        await settled(agent, message_id)
    at_once, reviewed = sink.messages[:2], sink.messages[2:]
    for one, other in zip(by_recipient(at_once), by_recipient(reviewed), strict=True):
        assert shape(one.content) == shape(other.content)
    answer = message_from_bytes(by_recipient(reviewed)[0].content, policy=policy.default)
    assert answer["In-Reply-To"] == "<plan@example.org>"


def by_recipient(messages: list[CapturedMessage]) -> list[CapturedMessage]:
    return sorted(messages, key=lambda item: item.recipients)


@pytest.mark.parametrize("waits", ["scheduled", "deferred"])
@pytest.mark.parametrize(
    ("gate", "members"),
    [
        (NOBODY, {}),
        (INSIDE, {}),
        (BOB_ONLY, {"cc": ["eve@example.org"]}),
        (BOB_ONLY, {"bcc": ["eve@example.org"]}),
        (BOB_ONLY, {"reply_to": "eve@example.org"}),
        (
            {"policy": "allowlist", "allowlist": ["dan@example.org"]},
            {"to": ["bob@example.org", "dan@example.org"]},
        ),
    ],
)
async def test_a_gate_that_asks_for_a_review_meanwhile_holds_what_waits(
    sink: SmtpSink,
    home: Home,
    owner: Session,
    agent: Session,
    events: EventLog,
    waits: str,
    gate: dict[str, object],
    members: dict[str, Any],
) -> None:
    await home.local.core.db.write([sql("UPDATE accounts SET email = 'boss@corp.example'")])
    message_id = await (
        scheduled(home, agent, **members) if waits == "scheduled" else deferred(sink, agent, **members)
    )
    before = len(sink.messages)
    await protect(owner, outbound={**gate, "action": "review"}, holds={"ttl_seconds": 600})
    await home.advance(hours=2)
    now = home.clock.now()
    await held(agent, message_id)
    [entry] = (await owner.reviews.list()).items
    assert entry.id == message_id
    assert entry.approval_expires_at is not None
    assert timedelta(seconds=590) < entry.approval_expires_at - now < timedelta(seconds=630)
    seen = await owner.reviews.get(message_id)
    assert seen.hold_reason is not None
    assert seen.hold_reason.code == "recipient_gate"
    assert seen.body is not None
    assert seen.body.text == "Hello Bob"
    assert (seen.delivery_status, seen.email_message_id) == (None, None)
    assert [item.action for item in seen.protection or []] == ["review"]
    requested = await events.wait("email.review_requested", message_id)
    assert requested.data["reason_source"] == "recipient_gate"
    # The owner is told, and nobody else.
    told = (await sink.wait_for(before + 1))[before:]
    assert [item.recipients for item in told] == [("boss@corp.example",)]
    assert (await reasons(agent, message_id))[-1] == "review.hold_created"


async def test_a_reviewer_may_change_whom_it_goes_to(
    sink: SmtpSink, home: Home, owner: Session, agent: Session
) -> None:
    message_id = await scheduled(home, agent, cc=["eve@example.org"])
    await protect(owner, outbound={**NOBODY, "action": "review"})
    await home.advance(hours=2)
    await held(agent, message_id)
    edits = ApproveRequest(to=["dan@example.org"], cc=[], text="Hello Dan")
    assert (await owner.reviews.approve(message_id, edits)).edited is True
    view = await settled(agent, message_id)
    assert [(item.address, item.outcome) for item in view.recipients or []] == [
        ("dan@example.org", "succeeded")
    ]
    assert [item.recipients for item in sink.messages] == [("dan@example.org",)]


async def test_who_has_the_message_does_not_get_it_again(
    sink: SmtpSink, home: Home, owner: Session, agent: Session
) -> None:
    message_id = await deferred(sink, agent, cc=["eve@example.org"])
    assert [item.recipients for item in sink.messages] == [("eve@example.org",)]
    await protect(owner, outbound={**NOBODY, "action": "review"})
    await home.advance(hours=2)
    await held(agent, message_id)
    outcomes = {
        item.address: item.outcome
        for item in (await agent.messages.get(ASSISTANT, message_id)).recipients or []
    }
    assert outcomes == {"bob@example.org": "pending", "eve@example.org": "succeeded"}
    await owner.reviews.approve(message_id, ApproveRequest())
    view = await settled(agent, message_id)
    assert (view.delivery_status, {item.outcome for item in view.recipients or []}) == ("sent", {"succeeded"})
    assert [item.recipients for item in sink.messages] == [("eve@example.org",), ("bob@example.org",)]


@pytest.mark.parametrize("some", [False, True])
async def test_a_rejection_ends_what_waited(
    sink: SmtpSink, home: Home, owner: Session, agent: Session, events: EventLog, some: bool
) -> None:
    message_id = await deferred(sink, agent, **({"cc": ["eve@example.org"]} if some else {}))
    before = len(sink.messages)
    await protect(owner, outbound={**NOBODY, "action": "review"})
    await home.advance(hours=2)
    await held(agent, message_id)
    await owner.reviews.reject(message_id, RejectRequest(reason="no"))
    view = await agent.messages.get(ASSISTANT, message_id)
    assert (view.review_status, view.rejection_reason) == ("review_rejected", "no")
    assert view.delivery_status == ("sent" if some else None)
    outcomes = {item.address: item.outcome for item in view.recipients or []}
    assert outcomes == {"bob@example.org": "failed", **({"eve@example.org": "succeeded"} if some else {})}
    await events.wait("email.review_rejected", message_id)
    if some:
        assert {"email.sent", "email.failed"} <= {*events.types(message_id)}
    await home.advance(hours=24)
    assert len(sink.messages) == before


@pytest.mark.parametrize("on_expiry", ["approve", "reject"])
async def test_time_decides_on_what_is_held_when_it_leaves(
    sink: SmtpSink, home: Home, owner: Session, agent: Session, on_expiry: str
) -> None:
    message_id = await scheduled(home, agent)
    holds = {"ttl_seconds": 600, "on_expiry": on_expiry}
    await protect(owner, outbound={**NOBODY, "action": "review"}, holds=holds)
    await home.advance(hours=2)
    await held(agent, message_id)
    await home.advance(hours=1)

    async def over() -> bool:
        view = await agent.messages.get(ASSISTANT, message_id, peek=True)
        return view.review_status != "pending_review" and view.delivery_status not in {"accepted", "sending"}

    await until(over)
    assert len(sink.messages) == (1 if on_expiry == "approve" else 0)


async def test_an_agent_may_withdraw_what_is_held_when_it_leaves(
    sink: SmtpSink, home: Home, owner: Session, agent: Session
) -> None:
    message_id = await scheduled(home, agent)
    await protect(owner, outbound={**NOBODY, "action": "review"})
    await home.advance(hours=2)
    await held(agent, message_id)
    assert (await agent.messages.delete(ASSISTANT, message_id)).cancelled is True
    assert (await owner.reviews.list()).items == []
    assert sink.messages == []


async def test_what_left_keeps_no_draft(sink: SmtpSink, home: Home, agent: Session) -> None:
    sent = await settled(agent, (await send(agent)).message_id)
    waiting = await scheduled(home, agent)
    rows = await home.local.core.db.read(sql("SELECT id, draft FROM messages"))
    assert {row["id"]: row["draft"] is not None for row in rows} == {sent.id: False, waiting: True}
    assert (await agent.messages.get(ASSISTANT, waiting)).body is None


async def test_what_an_older_version_queued_is_stopped_and_says_so(
    sink: SmtpSink, home: Home, owner: Session, agent: Session
) -> None:
    message_id = await scheduled(home, agent)
    await home.local.core.db.write([sql("UPDATE messages SET draft = NULL")])
    await protect(owner, outbound={**NOBODY, "action": "review"})
    await home.advance(hours=2)
    view = await settled(agent, message_id)
    assert view.delivery_status == "failed"
    assert "send it again to have it reviewed" in (view.delivery_detail or "")


async def test_mail_that_was_flagged_when_accepted_shows_the_review_when_held(
    sink: SmtpSink, home: Home, owner: Session, agent: Session
) -> None:
    await protect(owner, outbound={**NOBODY, "action": "flag"})
    message_id = await scheduled(home, agent)
    await protect(owner, outbound={**NOBODY, "action": "review"})
    await home.advance(hours=2)
    await held(agent, message_id)
    assert [item.action for item in (await owner.reviews.get(message_id)).protection or []] == ["review"]
