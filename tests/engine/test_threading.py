"""Replies find their threads and conversations, in both directions."""

from __future__ import annotations

import base64
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default

import pytest

from e2a_core.contract.engine import Session
from e2a_core.contract.sending import ForwardRequest, ReplyRequest, SendOptions, SendResultView
from e2a_core.errors import InvalidRequest, NotFound
from tests.engine.mailbox import HELPER, arrived, inbox, make_helper, send, settled, wait_for_mail
from tests.support.home import ASSISTANT, Home

pytestmark = pytest.mark.anyio

AT_ONCE = SendOptions(wait="sent")


async def _reply(session: Session, parent: str, email: str = ASSISTANT, **members: object) -> SendResultView:
    request = ReplyRequest.model_validate({"text": "An answer.", **members})
    return await session.messages.reply(email, parent, request, AT_ONCE)


async def _wire(session: Session, message_id: str, email: str = ASSISTANT) -> EmailMessage:
    return message_from_bytes(await session.messages.raw(email, message_id), EmailMessage, policy=default)


async def test_a_human_reply_joins_the_thread_and_conversation(home: Home, agent: Session) -> None:
    result = await send(agent, options={"wait": "sent"})
    sent = await agent.messages.get(ASSISTANT, result.message_id)
    answer = {"In-Reply-To": sent.email_message_id or "", "References": sent.email_message_id or ""}
    assert (await home.deliver(subject="Re: Hi", headers=answer)).accepted
    view = await arrived(agent)
    assert (view.thread_id, view.conversation_id) == (sent.thread_id, result.conversation_id)
    # A client that names the root alone still finds it.
    assert (await home.deliver(headers={"References": f"<lost@x.example> {sent.email_message_id}"})).accepted
    assert (await arrived(agent)).thread_id == sent.thread_id


async def test_a_reply_adopts_the_mail_before_it_into_its_conversation(home: Home, agent: Session) -> None:
    assert (await home.deliver(message_id="<first@example.org>")).accepted
    first = await arrived(agent)
    assert (await home.deliver(headers={"In-Reply-To": "<first@example.org>"})).accepted
    second = await arrived(agent)
    assert second.thread_id == first.thread_id
    assert (first.conversation_id, second.conversation_id) == ("", "")
    result = await _reply(agent, second.id)
    for message_id in (first.id, second.id, result.message_id):
        view = await agent.messages.get(ASSISTANT, message_id)
        assert (view.conversation_id, view.thread_id) == (result.conversation_id, first.thread_id)
    detail = await agent.conversations.get(ASSISTANT, result.conversation_id or "")
    assert [item.id for item in detail.messages] == [first.id, second.id, result.message_id]
    assert (detail.inbound_count, detail.outbound_count, detail.has_unread) == (2, 1, False)
    assert detail.participants == ["alice@example.org", ASSISTANT]


async def test_a_reply_is_one_to_any_mail_client(home: Home, agent: Session) -> None:
    headers = {"References": "<root@example.org>", "Reply-To": "Desk <desk@example.org>"}
    assert (await home.deliver(message_id="<q@example.org>", subject="Question", headers=headers)).accepted
    parent = await arrived(agent)
    result = await _reply(agent, parent.id)
    wire = await _wire(agent, result.message_id)
    assert wire["Subject"] == "Re: Question"
    assert wire["In-Reply-To"] == "<q@example.org>"
    assert wire["References"].split() == ["<root@example.org>", "<q@example.org>"]
    assert wire["To"] == "desk@example.org"
    assert wire["Auto-Submitted"] == "auto-replied"
    assert wire["From"] == ASSISTANT
    assert wire["Message-ID"].endswith("@agents.example>")
    assert "X-E2A-Conversation-Id" not in wire


@pytest.mark.parametrize(
    ("subject", "replied", "forwarded"),
    [
        ("RE: Lunch", "RE: Lunch", "Fwd: RE: Lunch"),
        ("Fw: Lunch", "Re: Fw: Lunch", "Fw: Lunch"),
        ("", "Re: (no subject)", "Fwd: (no subject)"),
        ("Käse", "Re: Käse", "Fwd: Käse"),
    ],
)
async def test_subjects_are_prefixed_once(
    home: Home, agent: Session, subject: str, replied: str, forwarded: str
) -> None:
    assert (await home.deliver(subject=subject)).accepted
    parent = await arrived(agent)
    reply = await _reply(agent, parent.id)
    forward = await agent.messages.forward(
        ASSISTANT, parent.id, ForwardRequest(to=["bob@example.org"], text=""), AT_ONCE
    )
    assert (await _wire(agent, reply.message_id))["Subject"] == replied
    assert (await _wire(agent, forward.message_id))["Subject"] == forwarded


async def test_reply_all_copies_the_others_and_not_ourselves(home: Home, agent: Session) -> None:
    copies = {"Cc": f"Carol <carol@example.org>, assistant+copy@agents.example, {ASSISTANT.upper()}"}
    assert (
        await home.deliver(to=ASSISTANT, headers={"To": f"{ASSISTANT}, bob@example.org", **copies})
    ).accepted
    parent = await arrived(agent)
    only = await settled(agent, (await _reply(agent, parent.id)).message_id)
    assert (only.to, only.cc) == (["alice@example.org"], [])
    everyone = await settled(
        agent, (await _reply(agent, parent.id, reply_all=True, cc=["dan@example.org"])).message_id
    )
    assert everyone.to == ["alice@example.org"]
    assert everyone.cc == ["bob@example.org", "carol@example.org", "dan@example.org"]


async def test_an_answer_to_ones_own_mail_goes_where_that_went(agent: Session) -> None:
    first = await send(agent, to=["bob@example.org"], cc=["carol@example.org"], options={"wait": "sent"})
    again = await settled(agent, (await _reply(agent, first.message_id, reply_all=True)).message_id)
    assert (again.to, again.cc) == (["bob@example.org"], ["carol@example.org"])
    assert again.conversation_id == first.conversation_id
    sent = await agent.messages.get(ASSISTANT, first.message_id)
    assert (await _wire(agent, again.id))["In-Reply-To"] == sent.email_message_id


async def test_history_is_quoted_on_request(home: Home, agent: Session) -> None:
    assert (await home.deliver(text="Shall we?\nBest, Alice")).accepted
    parent = await arrived(agent)
    plain = await _wire(agent, (await _reply(agent, parent.id)).message_id)
    assert "Shall we?" not in plain.get_content()
    quoted = await _wire(agent, (await _reply(agent, parent.id, quote_history=True)).message_id)
    text = quoted.get_content()
    assert text.startswith("An answer.")
    assert "> Shall we?" in text
    assert "alice@example.org" in text


async def test_a_forward_carries_the_attachments_and_starts_anew(home: Home, agent: Session) -> None:
    kind = {"MIME-Version": "1.0", "Content-Type": "multipart/mixed; boundary=x"}
    body = (
        b"--x\r\nContent-Type: text/plain\r\n\r\nSee the file.\r\n--x\r\nContent-Type: text/csv; name=data.csv\r\n"
        b'Content-Disposition: attachment; filename="data.csv"\r\n\r\na,b\r\n--x--\r\n'
    )
    assert (await home.deliver(subject="Data", headers=kind, body=body)).accepted
    parent = await arrived(agent)
    extra = {"filename": "note.txt", "content_type": "text/plain", "data": base64.b64encode(b"note").decode()}
    request = ForwardRequest.model_validate(
        {"to": ["bob@example.org"], "text": "FYI", "attachments": [extra]}
    )
    result = await agent.messages.forward(ASSISTANT, parent.id, request, AT_ONCE)
    view = await agent.messages.get(ASSISTANT, result.message_id)
    assert [item.filename for item in view.attachments] == ["data.csv", "note.txt"]
    first = await agent.messages.attachment_content(ASSISTANT, result.message_id, 0)
    assert first.data.rstrip() == b"a,b"
    assert view.thread_id != parent.thread_id
    assert view.conversation_id.startswith("conv_")
    assert view.parsed is not None
    whole = f"{view.parsed.text}\n{view.parsed.quoted_text}"
    for expected in ("FYI", "alice@example.org", "Subject: Data", "See the file."):
        assert expected in whole
    assert (await agent.messages.get(ASSISTANT, parent.id)).conversation_id == ""


async def test_agents_carry_the_conversation_between_them(owner: Session, agent: Session) -> None:
    await make_helper(owner)
    first = await send(
        agent, to=[HELPER], subject="Plan", conversation_id="conv_plan", options=AT_ONCE.model_dump()
    )
    assert (first.status, first.method) == ("sent", "loopback")
    [received] = await wait_for_mail(owner, HELPER)
    assert received.conversation_id == "conv_plan"
    await _reply(owner, received.id, HELPER)
    [answer] = await wait_for_mail(owner, ASSISTANT)
    assert (answer.conversation_id, answer.subject) == ("conv_plan", "Re: Plan")
    sent = await agent.messages.get(ASSISTANT, first.message_id)
    assert answer.thread_id == sent.thread_id


async def test_mail_to_oneself_is_in_the_inbox_when_the_call_returns(agent: Session) -> None:
    result = await send(agent, to=[ASSISTANT], subject="Note")
    assert (result.status, result.method, result.sent_as) == ("sent", "loopback", "own_address")
    assert result.provider_message_id is None
    [note] = await inbox(agent)
    assert (note.subject, note.header_from, note.conversation_id) == (
        "Note",
        ASSISTANT,
        result.conversation_id,
    )


async def test_a_message_that_does_not_exist_cannot_be_answered(home: Home, agent: Session) -> None:
    assert (await home.deliver()).accepted
    parent = await arrived(agent)
    await agent.messages.delete(ASSISTANT, parent.id)
    for target in (parent.id, "msg_none"):
        with pytest.raises(NotFound):
            await _reply(agent, target)
    with pytest.raises(InvalidRequest):
        await agent.conversations.get(ASSISTANT, "c" * 201)
    with pytest.raises(NotFound):
        await agent.conversations.get(ASSISTANT, "conv_none")


async def test_conversations_are_listed_by_their_latest_mail(home: Home, agent: Session) -> None:
    for name in ("one", "two", "three"):
        await send(agent, conversation_id=name, subject=name)
        home.clock.advance(minutes=2)
    assert [item.id for item in (await agent.conversations.list(ASSISTANT)).items] == ["three", "two", "one"]
    first = await agent.conversations.list(ASSISTANT, limit=2)
    rest = await agent.conversations.list(ASSISTANT, limit=2, cursor=first.next_cursor)
    assert [item.id for item in rest.items] == ["one"]
    assert rest.next_cursor is None
    middle = first.items[1]
    since = await agent.conversations.list(ASSISTANT, since=middle.last_message_at.isoformat())
    until = await agent.conversations.list(ASSISTANT, until=middle.last_message_at.isoformat())
    assert [item.id for item in since.items] == ["three", "two"]
    assert [item.id for item in until.items] == ["one"]
    assert (middle.latest_subject, middle.latest_from) == ("two", ASSISTANT)


async def test_an_html_reply_quotes_a_plain_letter(home: Home, agent: Session) -> None:
    assert (await home.deliver(text="Is 1 < 2?")).accepted
    parent = await arrived(agent)
    result = await _reply(agent, parent.id, html="<p>Yes</p>", quote_history=True)
    html = (await _wire(agent, result.message_id)).get_body(("html",))
    assert html is not None
    assert html.get_content().startswith("<p>Yes</p>")
    assert "Is 1 &lt; 2?" in html.get_content()


async def test_a_forwards_comment_is_read_in_html_too(home: Home, agent: Session) -> None:
    kind = {"MIME-Version": "1.0", "Content-Type": "text/html; charset=utf-8"}
    assert (await home.deliver(headers=kind, body=b"<p>Original</p>\r\n")).accepted
    parent = await arrived(agent)
    request = ForwardRequest(to=["bob@example.org"], text="For <you>")
    result = await agent.messages.forward(ASSISTANT, parent.id, request, AT_ONCE)
    wire = await _wire(agent, result.message_id)
    html, text = wire.get_body(("html",)), wire.get_body(("plain",))
    assert html is not None
    assert text is not None
    assert "For &lt;you&gt;" in html.get_content()
    assert "<p>Original</p>" in html.get_content()
    assert text.get_content().startswith("For <you>")


@pytest.mark.parametrize("kind", ["weird", "text/pl\x01ain", "image/" + "x" * 300, "multipart/mixed"])
@pytest.mark.parametrize(
    "name", ["", "filename*=utf-8''a%0d%0ab.txt", 'filename="a\x01b"', "filename*=utf-8''%00"]
)
async def test_whatever_was_attached_can_be_forwarded(
    home: Home, agent: Session, kind: str, name: str
) -> None:
    body = (
        "--x\r\nContent-Type: text/plain\r\n\r\nhi\r\n"
        f"--x\r\nContent-Type: {kind}\r\nContent-Disposition: attachment; {name}\r\n\r\ndata\r\n--x--\r\n"
    )
    headers = {"MIME-Version": "1.0", "Content-Type": "multipart/mixed; boundary=x"}
    assert (await home.deliver(headers=headers, body=body.encode())).accepted
    parent = await arrived(agent)
    request = ForwardRequest(to=["bob@example.org"], text="See")
    result = await agent.messages.forward(ASSISTANT, parent.id, request, AT_ONCE)
    assert len((await agent.messages.get(ASSISTANT, result.message_id)).attachments) == len(
        parent.attachments
    )
    assert len(parent.attachments) == 1


async def test_ids_without_angle_brackets_thread_both_ways(home: Home, agent: Session) -> None:
    assert (await home.deliver(message_id="5f2c.77@legacy.example.org")).accepted
    first = await arrived(agent)
    result = await _reply(agent, first.id)
    wire = await _wire(agent, result.message_id)
    assert wire["In-Reply-To"] == "<5f2c.77@legacy.example.org>"
    bare = str(wire["Message-ID"]).strip("<>")
    for name in ("In-Reply-To", "References"):
        assert (await home.deliver(headers={name: f"other@x.example {bare}"})).accepted
        assert (await arrived(agent)).thread_id == first.thread_id


async def test_an_answer_carries_on_what_outlook_threads_by(home: Home, agent: Session) -> None:
    root = bytes([1, 0xDB, 0xF6, 0x98, 0x89, 6]) + bytes(range(16))
    fields = {"Thread-Topic": "Order 7", "Thread-Index": base64.b64encode(root).decode()}
    assert (await home.deliver(headers=fields)).accepted
    wire = await _wire(agent, (await _reply(agent, (await arrived(agent)).id)).message_id)
    index = base64.b64decode(wire["Thread-Index"])
    assert (index[:22], len(index), wire["Thread-Topic"]) == (root, 27, "Order 7")
    assert (await home.deliver(headers={"Thread-Index": "no base64!"})).accepted
    wire = await _wire(agent, (await _reply(agent, (await arrived(agent)).id)).message_id)
    assert (wire["Thread-Index"], wire["Thread-Topic"]) == (None, None)
