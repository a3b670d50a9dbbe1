"""Text no database can hold, from correspondents, who are not told, and from callers, who are."""

from __future__ import annotations

import base64

import pytest

from e2a_core.contract.engine import Session
from e2a_core.contract.messages import MessageQuery
from e2a_core.contract.sending import SendEmailRequest, SendOptions
from e2a_core.errors import InvalidRequest, NotFound
from e2a_core.texts import is_storable
from tests.support.home import ASSISTANT, EventLog, Home
from tests.support.smtp_client import submit
from tests.support.smtp_sink import SmtpSink
from tests.support.waiting import until

pytestmark = pytest.mark.anyio

NUL = b"\x00"
SURROGATE = b"\xed\xa0\x80"
"""U+D800 in the way of UTF-8, which no decoder of UTF-8 takes."""
ENCODED = b"=?utf-8?q?=00=ED=A0=80?= =?utf-16?b?ANgAAA==?="
"""The same two in encoded words, as octets of UTF-8 and as code units of UTF-16."""
HOSTILE = NUL + SURROGATE + b"\xff" + ENCODED
UTF_16 = base64.b64encode("\x00a\ud800b".encode("utf-16-le", "surrogatepass"))

FIELDS = b"".join(
    name + b": " + value + b"\r\n"
    for name, value in [
        (b"From", b'"' + HOSTILE + b'" <alice' + NUL + b"@example.org>"),
        (b"To", HOSTILE + b" <assistant@agents.example>, " + HOSTILE + b"@example.org"),
        (b"Cc", b"<" + HOSTILE + b"@example.org>"),
        (b"Reply-To", b"<a" + SURROGATE + b"@example.org>"),
        (b"Subject", b"hostile " + HOSTILE),
        (b"Message-ID", b"<" + HOSTILE + b"@example.org>"),
        (b"In-Reply-To", b"<a" + NUL + b"@example.org>"),
        (b"References", b"<b" + SURROGATE + b"@example.org>"),
        (b"X-E2A-Conversation-Id", HOSTILE),
        (b"List-Id", HOSTILE),
        (b"DKIM-Signature", b"v=1; a=rsa-sha256; d=" + HOSTILE + b"; s=" + HOSTILE + b"; b=" + HOSTILE),
        (b"ARC-Seal", b"i=1; a=rsa-sha256; d=" + HOSTILE + b"; s=" + HOSTILE + b"; cv=none; b=" + HOSTILE),
        (b"X-" + b"Other", HOSTILE),
    ]
)
PARTS = [
    (b"text/plain; charset=utf-8", b"", b"plain " + HOSTILE),
    (b"text/plain; charset=utf-16", b"Content-Transfer-Encoding: base64\r\n", UTF_16),
    (b"text/html", b"", b"<p>" + HOSTILE + b"&#0;&#xD800;&#55296;</p>"),
    (
        b'application/octet-stream; name="' + HOSTILE + b'"',
        b"Content-ID: <"
        + HOSTILE
        + b">\r\nContent-Disposition: attachment; filename*=utf-8''%00%ED%A0%80.txt\r\n",
        b"data",
    ),
    (b"message/rfc822", b"", b"Subject: " + HOSTILE + b"\r\nFrom: " + HOSTILE + b"\r\n\r\n" + HOSTILE),
    (
        b"message/delivery-status",
        b"",
        b"Reporting-MTA: dns; "
        + HOSTILE
        + b"\r\n\r\nFinal-Recipient: rfc822; "
        + HOSTILE
        + b"@example.org\r\n"
        b"Action: failed\r\nStatus: 5.1.1\r\nDiagnostic-Code: smtp; " + HOSTILE + b"\r\n",
    ),
]


def hostile_letter() -> bytes:
    parts = b"".join(
        b"--b\r\nContent-Type: " + content_type + b"\r\n" + fields + b"\r\n" + body + b"\r\n"
        for content_type, fields, body in PARTS
    )
    return (
        FIELDS + b"MIME-Version: 1.0\r\nContent-Type: multipart/report; boundary=b; report-type=" + HOSTILE
    ) + (b"\r\n\r\n" + parts + b"--b--\r\n")


def texts(value: object) -> list[str]:
    """Every string in a JSON value."""
    if isinstance(value, str):
        return [value]
    if isinstance(value, dict):
        return [text for item in value.items() for part in item for text in texts(part)]
    return [text for item in value for text in texts(item)] if isinstance(value, list) else []


async def test_mail_full_of_it_is_stored_listed_and_read(
    home: Home, agent: Session, events: EventLog
) -> None:
    exchange = await submit(
        home.smtp, hostile_letter(), mail_from="alice@example.org", recipients=[ASSISTANT], helo="é.[x]\\"
    )
    assert exchange.mail.code == 503
    exchange = await submit(
        home.smtp, hostile_letter(), mail_from="al+ice@example.org", recipients=[ASSISTANT], helo="a\\b(c);d"
    )
    assert exchange.accepted, exchange
    page = await agent.messages.list(ASSISTANT, MessageQuery(query="hostile", subject_contains="HOSTILE"))
    (row,) = page.items
    told = await events.wait("email.received", row.id)
    view = await agent.messages.get(ASSISTANT, row.id)
    assert "plain" in (view.parsed.text if view.parsed else "")
    lifecycle = await agent.messages.lifecycle(ASSISTANT, row.id)
    for answer in (page.to_wire(), view.to_wire(), told.to_wire(), lifecycle.to_wire()):
        assert [text for text in texts(answer) if not is_storable(text)] == []
    assert HOSTILE in await agent.messages.raw(ASSISTANT, row.id)


@pytest.mark.parametrize("field", ["to", "cc", "subject", "text", "conversation_id", "reply_to"])
async def test_a_draft_with_it_is_refused_and_nothing_is_kept(home: Home, agent: Session, field: str) -> None:
    members = {"to": ["bob@example.org"], "subject": "s", "text": "t"}
    bad = "a\x00@example.org"
    request = SendEmailRequest(**{**members, field: [bad] if field in {"to", "cc"} else bad})
    with pytest.raises(InvalidRequest):
        await agent.messages.send(ASSISTANT, request, SendOptions())
    listed = await agent.messages.list(ASSISTANT, MessageQuery(direction="all"))
    assert listed.items == []


async def test_asking_for_it_is_refused(agent: Session) -> None:
    for query in (MessageQuery(subject_contains="\x00"), MessageQuery(conversation_id="\x00")):
        with pytest.raises(InvalidRequest):
            await agent.messages.list(ASSISTANT, query)
    with pytest.raises(NotFound):
        await agent.messages.get(ASSISTANT, "msg_\x00")


@pytest.mark.relayed
async def test_a_relay_may_answer_with_it(sink: SmtpSink, agent: Session) -> None:
    sink.script.final = "250 2.0.0 Ok \x00ÿ <queue\x00ÿ@sink.example>"
    request = SendEmailRequest(to=["bob@example.org"], subject="s", text="t")
    sent = await agent.messages.send(ASSISTANT, request, SendOptions())

    async def settled() -> str | None:
        view = await agent.messages.get(ASSISTANT, sent.message_id)
        return view.delivery_status if view.delivery_status not in {"accepted", "sending"} else None

    assert await until(settled) == "sent"
    assert len(sink.messages) == 1
