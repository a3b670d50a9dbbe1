"""What an agent may send, what it is told, and what the message looks like."""

from __future__ import annotations

import asyncio
import base64
from datetime import timedelta
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from typing import Any

import pytest

from e2a_core.contract.engine import Session
from e2a_core.contract.reviews import RejectRequest
from e2a_core.contract.sending import (
    ForwardRequest,
    ReplyRequest,
    SendEmailRequest,
    SendOptions,
    SendResultView,
)
from e2a_core.errors import (
    IdempotencyInFlight,
    IdempotencyKeyReuse,
    InvalidRequest,
    NotFound,
    PayloadTooLarge,
    RateLimited,
    TooManyRecipients,
)
from tests.engine.mailbox import HELPER, arrived, inbox, make_helper, protect, send, settled, wait_for_mail
from tests.support.home import ASSISTANT, SHARED, EventLog, Home

pytestmark = pytest.mark.anyio

FILE = {"filename": "a.txt", "content_type": "text/plain", "data": "YQ=="}
MEBIBYTE = 1024 * 1024


def _file(size: int, **members: str) -> dict[str, str]:
    return {**FILE, "data": base64.b64encode(bytes(size)).decode(), **members}


WRONG: dict[str, tuple[dict[str, Any], str, str]] = {
    "no subject": ({"subject": " "}, "invalid_request", "body.subject"),
    "no text": ({"text": ""}, "invalid_request", "body.text"),
    "subject of two lines": ({"subject": "a\r\nBcc: x@example.org"}, "invalid_request", "body.subject"),
    "nobody": ({"to": []}, "invalid_request", "body.to"),
    "only a hidden recipient": ({"to": [], "bcc": ["a@example.org"]}, "invalid_request", "body.to"),
    "no address": ({"to": ["bob@example.org", "bob"]}, "invalid_recipient", "body.to[1]"),
    "two in one": ({"cc": ["a@example.org, b@example.org"]}, "invalid_recipient", "body.cc[0]"),
    "line break": ({"bcc": ["a@example.org\r\nX: y"]}, "invalid_recipient", "body.bcc[0]"),
    "conversation of two lines": ({"conversation_id": "a\nb"}, "invalid_request", "body.conversation_id"),
    "conversation with a tab": ({"conversation_id": "a\tb"}, "invalid_request", "body.conversation_id"),
    "conversation of blanks": ({"conversation_id": "  "}, "invalid_request", "body.conversation_id"),
    "conversation in blanks": ({"conversation_id": "a "}, "invalid_request", "body.conversation_id"),
    "conversation with a gap": ({"conversation_id": "a  b"}, "invalid_request", "body.conversation_id"),
    "conversation encoded": (
        {"conversation_id": "=?utf-8?q?x?="},
        "invalid_request",
        "body.conversation_id",
    ),
    "reply to nobody": ({"reply_to": "nobody"}, "invalid_request", "body.reply_to"),
    "file without name": (
        {"attachments": [{**FILE, "filename": ""}]},
        "invalid_request",
        "body.attachments[0].filename",
    ),
    "file of two lines": (
        {"attachments": [FILE, {**FILE, "filename": "a\r\nb"}]},
        "invalid_request",
        "body.attachments[1].filename",
    ),
    "file without type": (
        {"attachments": [{**FILE, "content_type": "text"}]},
        "invalid_request",
        "body.attachments[0].content_type",
    ),
    "no base64": (
        {"attachments": [{**FILE, "data": "a*"}]},
        "invalid_attachment",
        "body.attachments[0].data",
    ),
    "eleven files": ({"attachments": [FILE] * 11}, "invalid_request", "body.attachments"),
}


async def test_what_is_wrong_is_named_and_nothing_is_stored(agent: Session) -> None:
    for name, (members, code, location) in WRONG.items():
        with pytest.raises(InvalidRequest) as refused:
            await send(agent, **members)
        assert (name, refused.value.code) == (name, code)
        assert (name, [where for where, _ in refused.value.fields]) == (name, [location])
        assert refused.value.status == 400
    assert await inbox(agent, direction="all") == []


async def test_limits_say_what_was_given_and_what_is_allowed(agent: Session) -> None:
    with pytest.raises(TooManyRecipients) as crowd:
        await send(agent, to=["bob@example.org"] * 40, cc=["carol@example.org"] * 11)
    assert crowd.value.details is not None
    assert (crowd.value.details["provided"], crowd.value.details["max_recipients"]) == (51, 50)
    with pytest.raises(PayloadTooLarge) as big:
        await send(agent, attachments=[_file(10 * MEBIBYTE + 1, filename="big.bin")])
    assert big.value.details is not None
    assert (big.value.details["scope"], big.value.details["filename"]) == ("attachment", "big.bin")
    with pytest.raises(PayloadTooLarge) as heavy:
        await send(agent, attachments=[_file(9 * MEBIBYTE)] * 3)
    assert heavy.value.details is not None
    assert heavy.value.details["scope"] == "attachments_total"


async def test_replies_and_forwards_are_checked_alike(home: Home, agent: Session) -> None:
    assert (await home.deliver()).accepted
    parent = (await arrived(agent)).id
    with pytest.raises(InvalidRequest) as empty:
        await agent.messages.reply(ASSISTANT, parent, ReplyRequest(text=" "), SendOptions())
    assert empty.value.fields[0][0] == "body.text"
    with pytest.raises(InvalidRequest) as nobody:
        await agent.messages.forward(ASSISTANT, parent, ForwardRequest(to=[], text=""), SendOptions())
    assert nobody.value.fields[0][0] == "body.to"
    with pytest.raises(InvalidRequest) as wrong:
        await agent.messages.reply(ASSISTANT, parent, ReplyRequest(text="x", cc=["y"]), SendOptions())
    assert wrong.value.code == "invalid_recipient"


async def test_text_no_database_can_hold_is_refused_by_name(
    home: Home, owner: Session, agent: Session
) -> None:
    nul = "a\x00b"
    for name in ("subject", "text", "html", "conversation_id"):
        with pytest.raises(InvalidRequest) as refused:
            await send(agent, **{name: nul})
        assert [where for where, _ in refused.value.fields] == [f"body.{name}"]
    for name in ("from", "subject_contains", "conversation_id", "filter", "labels", "since", "cursor"):
        wrong: dict[str, Any] = {name: [nul] if name == "labels" else nul}
        with pytest.raises(InvalidRequest) as unlisted:
            await inbox(agent, **wrong)
        assert unlisted.value.fields[0][0].startswith(f"query.{name}")
    await protect(owner, outbound={"policy": "allowlist", "action": "review"})
    held = await send(agent)
    with pytest.raises(InvalidRequest) as unsaid:
        await owner.reviews.reject(held.message_id, RejectRequest(reason=nul))
    assert unsaid.value.fields[0][0] == "body.reason"
    for attempt in (
        agent.messages.get(ASSISTANT, nul),
        agent.messages.get(nul, held.message_id),
        agent.messages.lifecycle(ASSISTANT, nul),
        agent.conversations.get(ASSISTANT, nul),
        owner.reviews.get(nul),
    ):
        with pytest.raises(NotFound):
            await attempt


async def test_a_sandbox_captures_and_says_so(home: Home, agent: Session, events: EventLog) -> None:
    result = await send(agent, to=["Bob <BOB@example.org>", "bob@example.org"], cc=["carol@example.org"])
    assert (result.status, result.method, result.sandbox) == ("accepted", "sandbox", True)
    view = await settled(agent, result.message_id)
    assert (view.delivery_status, view.method) == ("sent", "sandbox")
    assert (view.to, view.cc) == (["bob@example.org"], ["carol@example.org"])
    assert [(item.address, item.outcome) for item in view.recipients or []] == [
        ("bob@example.org", "succeeded"),
        ("carol@example.org", "succeeded"),
    ]
    assert "nothing was sent" in ((view.recipients or [])[0].detail or "")
    told = await events.wait("email.sent", result.message_id)
    assert told.data["method"] == "sandbox"


async def test_the_composed_message(home: Home, agent: Session) -> None:
    result = await send(
        agent,
        to=["Zoë Ångström <zoe@example.org>"],
        bcc=["hidden@example.org"],
        subject="Prix à payer — 100 €",
        text="Bonjour,\n" + "é" * 2000,
        html="<p>Bonjour</p>",
        reply_to="Desk <desk@example.org>",
        attachments=[{**FILE, "filename": "résumé.txt"}],
        options={"wait": "sent"},
    )
    raw = await agent.messages.raw(ASSISTANT, result.message_id)
    assert max(map(len, raw.split(b"\r\n"))) <= 998
    assert b"\n" not in raw.replace(b"\r\n", b"")
    wire = message_from_bytes(raw, EmailMessage, policy=default)
    assert wire["Subject"] == "Prix à payer — 100 €"
    assert wire["To"] == "Zoë Ångström <zoe@example.org>"
    assert wire["Reply-To"] == "Desk <desk@example.org>"
    assert wire["Auto-Submitted"] == "auto-generated"
    assert (wire["Bcc"], b"hidden" in raw) == (None, False)
    text, html = wire.get_body(("plain",)), wire.get_body(("html",))
    assert text is not None
    assert html is not None
    assert "é" * 2000 in text.get_content()
    [file] = wire.iter_attachments()
    assert (file.get_filename(), file.get_content().strip()) == ("résumé.txt", "a")
    view = await agent.messages.get(ASSISTANT, result.message_id)
    assert view.bcc == ["hidden@example.org"]
    assert (view.header_from, view.email_message_id) == (ASSISTANT, wire["Message-ID"])


async def test_ones_own_copy_is_dropped_beside_others(agent: Session) -> None:
    result = await send(agent, to=["bob@example.org", ASSISTANT], options={"wait": "sent"})
    view = await settled(agent, result.message_id)
    assert view.to == ["bob@example.org"]
    assert await inbox(agent) == []


async def test_an_agent_without_inbox_fails_for_good(owner: Session, agent: Session) -> None:
    await make_helper(owner)
    result = await send(agent, to=[HELPER, f"nobody@{SHARED}"], options={"wait": "sent"})
    view = await settled(agent, result.message_id)
    outcomes = {item.address: (item.outcome, item.enhanced) for item in view.recipients or []}
    assert outcomes == {HELPER: ("succeeded", "2.1.5"), f"nobody@{SHARED}": ("failed", "5.1.1")}
    assert len(await inbox(owner, HELPER)) == 1


async def test_mail_to_an_agent_and_outside_reaches_both(owner: Session, agent: Session) -> None:
    await make_helper(owner)
    result = await send(agent, to=[f"helper+tag@{SHARED}", "bob@example.org"], options={"wait": "sent"})
    assert (result.status, result.method) == ("sent", "sandbox")
    [copy] = await wait_for_mail(owner, HELPER)
    assert (copy.tag, copy.header_from, copy.to) == (
        "tag",
        ASSISTANT,
        [f"helper+tag@{SHARED}", "bob@example.org"],
    )


async def test_an_idempotency_key_is_answered_once(agent: Session) -> None:
    keyed = {"idempotency_key": "key-1"}
    first = await send(agent, options=keyed)
    assert await send(agent, options=keyed) == first
    with pytest.raises(IdempotencyKeyReuse):
        await send(agent, text="Something else", options=keyed)
    assert (await send(agent, options={"idempotency_key": "key-2"})).message_id != first.message_id
    assert len(await inbox(agent, direction="outbound")) == 2


async def test_an_idempotency_key_is_released_by_an_error(agent: Session) -> None:
    keyed = {"idempotency_key": "key-1"}
    with pytest.raises(InvalidRequest):
        await send(agent, to=["bob"], options=keyed)
    assert (await send(agent, options=keyed)).status == "accepted"


async def test_a_key_used_twice_at_once_sends_once(agent: Session) -> None:
    async def attempt() -> str:
        try:
            return (await send(agent, options={"idempotency_key": "key-1"})).message_id
        except IdempotencyInFlight as busy:
            return busy.code

    answers = await asyncio.gather(*(attempt() for _ in range(5)))
    assert len(set(answers) - {"idempotency_in_flight"}) == 1
    assert len(await inbox(agent, direction="outbound")) == 1


async def test_the_same_mail_again_is_the_first_one(home: Home, agent: Session) -> None:
    minted = {"dedupe": "content"}
    first = await send(agent, to=["bob@example.org"], options=minted)
    again = await send(agent, to=["BOB@example.org"], options=minted)
    assert (again.message_id, again.deduplicated) == (first.message_id, True)
    assert first.deduplicated is None
    assert (await send(agent, text="Other words", options=minted)).deduplicated is None
    assert (await send(agent, conversation_id="other", options=minted)).deduplicated is None
    assert (await send(agent)).message_id != first.message_id
    home.clock.advance(minutes=10, seconds=1)
    later = await send(agent, options=minted)
    assert (later.deduplicated, later.message_id == first.message_id) == (None, False)


async def test_the_same_reply_again_is_the_first_one(home: Home, agent: Session) -> None:
    assert (await home.deliver()).accepted
    parent = (await arrived(agent)).id
    options = SendOptions(dedupe="content")
    first = await agent.messages.reply(ASSISTANT, parent, ReplyRequest(text="Yes"), options)
    again = await agent.messages.reply(ASSISTANT, parent, ReplyRequest(text="Yes"), options)
    assert (again.message_id, again.deduplicated) == (first.message_id, True)


async def test_mail_that_came_to_nothing_can_be_sent_again(
    home: Home, owner: Session, agent: Session
) -> None:
    minted: dict[str, Any] = {"options": {"dedupe": "content"}}
    soon = home.clock.now() + timedelta(hours=1)
    first = await send(agent, send_at=soon, **minted)
    assert (await send(agent, send_at=soon, **minted)).message_id == first.message_id
    await agent.messages.delete(ASSISTANT, first.message_id)
    anew = await send(agent, send_at=soon, **minted)
    assert (anew.status, anew.deduplicated) == ("scheduled", None)
    assert anew.message_id != first.message_id

    await protect(owner, outbound={"policy": "allowlist", "action": "review"})
    held = await send(agent, text="Please?", **minted)
    assert held.status == "pending_review"
    assert (await send(agent, text="Please?", **minted)).message_id == held.message_id
    await owner.reviews.reject(held.message_id, RejectRequest())
    again = await send(agent, text="Please?", **minted)
    assert (again.status, again.deduplicated) == ("pending_review", None)
    assert again.message_id != held.message_id

    await protect(owner, outbound={"policy": "open"})
    sent = await send(agent, text="Sent", options={"dedupe": "content", "wait": "sent"})
    await agent.messages.delete(ASSISTANT, sent.message_id)
    repeated = await send(agent, text="Sent", **minted)
    assert (repeated.message_id, repeated.deduplicated) == (sent.message_id, True)


@pytest.mark.settings(send_rate_per_minute="3")
async def test_the_rate_of_sends_is_bounded(home: Home, owner: Session, agent: Session) -> None:
    sent = [await send(agent, options={"wait": "sent"}) for _ in range(3)]
    with pytest.raises(RateLimited) as refused:
        await send(agent)
    assert refused.value.status == 429
    assert 1 <= (refused.value.retry_after_seconds or 0) <= 60
    await make_helper(owner)
    assert (await send(owner, HELPER)).status == "accepted"
    # Throwing sent mail away does not buy more of it.
    await agent.messages.delete(ASSISTANT, sent[0].message_id)
    with pytest.raises(RateLimited):
        await send(agent)
    home.clock.advance(seconds=61)
    assert (await send(agent)).status == "accepted"


@pytest.mark.settings(send_rate_per_minute="3")
async def test_the_rate_holds_for_sends_at_once(agent: Session) -> None:
    sends = (send(agent, subject=f"{number}") for number in range(12))
    results = await asyncio.gather(*sends, return_exceptions=True)
    refused = [item for item in results if isinstance(item, RateLimited)]
    assert len(refused) == 9
    assert all(1 <= (item.retry_after_seconds or 0) <= 60 for item in refused)
    assert len(await inbox(agent, direction="outbound")) == 3


async def test_sending_needs_an_inbox_one_may_use(agent: Session) -> None:
    with pytest.raises(NotFound):
        await agent.messages.send(
            f"nobody@{SHARED}",
            SendEmailRequest(to=["bob@example.org"], subject="Hi", text="Hi"),
            SendOptions(),
        )


async def test_a_result_names_what_each_recipient_got(owner: Session, agent: Session) -> None:
    members: dict[str, Any] = {
        "to": ["Bob <BOB@example.org>"],
        "cc": ["dan@example.org"],
        "bcc": ["eve@example.org"],
    }
    everybody = ["bob@example.org", "dan@example.org", "eve@example.org"]

    def told(result: SendResultView) -> list[tuple[str, str]]:
        return [(item.address, item.outcome) for item in result.recipients or []]

    assert told(await send(agent, **members)) == [(item, "pending") for item in everybody]
    waited = await send(agent, subject="Waited", **members, options={"wait": "sent"})
    assert sorted(told(waited)) == [(item, "succeeded") for item in everybody]
    await protect(owner, outbound={"policy": "allowlist", "action": "review"})
    assert told(await send(agent, subject="Held", **members)) == [(item, "pending") for item in everybody]
    for row in await inbox(agent, direction="outbound"):
        assert row.preview == "Hello Bob"
