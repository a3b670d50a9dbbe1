"""Conversations exist whoever wrote, and their counts follow their messages."""

from __future__ import annotations

import pytest

from e2a_core.contract.conversations import ConversationSummaryView
from e2a_core.contract.engine import Session
from e2a_core.contract.messages import MessageQuery, UpdateMessageRequest
from e2a_core.contract.sending import ReplyRequest, SendOptions
from tests.engine.mailbox import arrived, inbox, send
from tests.support.home import ASSISTANT, Home

pytestmark = pytest.mark.anyio


async def _all(session: Session) -> list[ConversationSummaryView]:
    return list((await session.conversations.list(ASSISTANT)).items)


def _counts(row: ConversationSummaryView) -> tuple[int, int, int, bool]:
    return row.message_count, row.inbound_count, row.outbound_count, row.has_unread


async def test_mail_that_nobody_answered_is_a_conversation(home: Home, agent: Session) -> None:
    assert (await home.deliver(message_id="<first@example.org>", subject="Question")).accepted
    first = await arrived(agent)
    assert (
        await home.deliver(subject="Re: Question", headers={"In-Reply-To": "<first@example.org>"})
    ).accepted
    assert (await home.deliver(subject="Elsewhere")).accepted
    elsewhere, thread = await _all(agent)
    assert (thread.id, thread.latest_subject, _counts(thread)) == (
        first.thread_id,
        "Re: Question",
        (2, 2, 0, True),
    )
    assert elsewhere.latest_subject == "Elsewhere"
    detail = await agent.conversations.get(ASSISTANT, thread.id)
    assert [item.subject for item in detail.messages] == [first.subject, "Re: Question"]
    listed = await inbox(agent, read_status="all", conversation_id=thread.id)
    assert [item.thread_id for item in listed] == [thread.id] * 2


async def test_the_id_of_a_thread_names_its_conversation(home: Home, agent: Session) -> None:
    assert (await home.deliver()).accepted
    first = await arrived(agent)
    request = ReplyRequest(text="An answer.")
    result = await agent.messages.reply(ASSISTANT, first.id, request, SendOptions(wait="sent"))
    [row] = await _all(agent)
    assert (row.id, _counts(row)) == (result.conversation_id, (2, 1, 1, True))
    assert first.thread_id is not None
    assert (await agent.conversations.get(ASSISTANT, first.thread_id)).id == result.conversation_id
    listed = await inbox(agent, direction="all", conversation_id=first.thread_id)
    assert {item.id for item in listed} == {first.id, result.message_id}


async def test_counts_follow_reading_the_trash_and_deletion(
    home: Home, agent: Session, owner: Session
) -> None:
    assert (await home.deliver(message_id="<a@example.org>", subject="a")).accepted
    [a] = await inbox(agent)
    assert (await home.deliver(subject="b", headers={"In-Reply-To": "<a@example.org>"})).accepted
    b = next(item for item in await inbox(agent) if item.subject == "b")
    [row] = await _all(agent)
    assert (_counts(row), row.first_message_at, row.last_message_at) == (
        (2, 2, 0, True),
        a.created_at,
        b.created_at,
    )
    for item in (a, b):
        await agent.messages.update(ASSISTANT, item.id, UpdateMessageRequest(read_status="read"))
    assert _counts((await _all(agent))[0]) == (2, 2, 0, False)
    await agent.messages.update(ASSISTANT, a.id, UpdateMessageRequest(read_status="unread"))
    assert _counts((await _all(agent))[0]) == (2, 2, 0, True)
    await agent.messages.delete(ASSISTANT, a.id)
    [row] = await _all(agent)
    assert (_counts(row), row.first_message_at) == ((1, 1, 0, False), b.created_at)
    await agent.messages.restore(ASSISTANT, a.id)
    [row] = await _all(agent)
    # It was unread when it went to the trash, and restoring reads nothing.
    assert (_counts(row), row.first_message_at) == ((2, 2, 0, True), a.created_at)
    for item in (a, b):
        await agent.messages.delete(ASSISTANT, item.id)
        await owner.messages.delete(ASSISTANT, item.id, permanent=True)
    assert await _all(agent) == []


async def test_a_page_of_conversations_goes_on_where_the_last_one_ended(home: Home, agent: Session) -> None:
    for number in range(5):
        assert (await home.deliver(subject=f"letter {number}")).accepted
    await send(agent, subject="Started", conversation_id="case-7")
    await send(agent, subject="Again", conversation_id="case-7")
    found: list[str] = []
    cursor = None
    while True:
        page = await agent.conversations.list(ASSISTANT, cursor=cursor, limit=2)
        found += [item.latest_subject for item in page.items]
        cursor = page.next_cursor
        if cursor is None:
            break
    assert found == ["Again", *(f"letter {number}" for number in range(4, -1, -1))]
    assert len((await agent.messages.list(ASSISTANT, MessageQuery(direction="all"))).items) == 7
