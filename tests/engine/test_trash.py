"""What is in the trash is said to be there, and how it comes back, whatever was asked of it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import pytest

from e2a_core.contract.engine import Session
from e2a_core.contract.messages import MessageQuery, UpdateMessageRequest
from e2a_core.contract.sending import ForwardRequest, ReplyRequest, SendOptions
from e2a_core.errors import E2AError, NotFound
from tests.engine.mailbox import arrived, make_helper, protect, send
from tests.support.home import ASSISTANT, Home

pytestmark = pytest.mark.anyio

Change = Callable[[Session, str], Awaitable[object]]

CHANGES: dict[str, Change] = {
    "reply": lambda agent, id: agent.messages.reply(ASSISTANT, id, ReplyRequest(text="Yes."), SendOptions()),
    "reply to all": lambda agent, id: agent.messages.reply(
        ASSISTANT, id, ReplyRequest(text="Yes.", reply_all=True), SendOptions(idempotency_key="k")
    ),
    "forward": lambda agent, id: agent.messages.forward(
        ASSISTANT, id, ForwardRequest(to=["bob@example.org"]), SendOptions()
    ),
    "label": lambda agent, id: agent.messages.update(
        ASSISTANT, id, UpdateMessageRequest(add_labels=["later"])
    ),
    "unlabel": lambda agent, id: agent.messages.update(
        ASSISTANT, id, UpdateMessageRequest(remove_labels=["later"])
    ),
    "mark unread": lambda agent, id: agent.messages.update(
        ASSISTANT, id, UpdateMessageRequest(read_status="unread")
    ),
}


async def test_a_message_in_the_trash_is_said_to_be_there(home: Home, agent: Session) -> None:
    await home.deliver(b"From: Alice <alice@example.org>\r\nSubject: s\r\n\r\nHello.\r\n")
    message_id = (await arrived(agent)).id
    await agent.messages.delete(ASSISTANT, message_id)
    for change in CHANGES.values():
        with pytest.raises(NotFound, match=r"in the trash.*restore_message") as refused:
            await change(agent, message_id)
        assert (refused.value.code, refused.value.status) == ("not_found", 404)
    await agent.messages.restore(ASSISTANT, message_id)
    for change in CHANGES.values():
        await change(agent, message_id)


async def test_a_conversation_in_the_trash_is_said_to_be_there(home: Home, agent: Session) -> None:
    await home.deliver(b"From: Alice <alice@example.org>\r\nSubject: s\r\n\r\nHello.\r\n")
    message = await arrived(agent)
    await agent.messages.delete(ASSISTANT, message.id)
    with pytest.raises(NotFound, match=r"in the trash.*restore_message"):
        await agent.conversations.get(ASSISTANT, message.thread_id or "")
    with pytest.raises(NotFound, match="no such conversation"):
        await agent.conversations.get(ASSISTANT, "thr_none")


ASKS: dict[str, Callable[[Session, str], Awaitable[object]]] = {
    "look": lambda session, email: session.agents.get(email),
    "delete": lambda session, email: session.agents.delete(email),
    "mail": lambda session, email: session.messages.list(email, MessageQuery()),
    "send": send,
    "protection": lambda session, email: session.protection.get(email),
}


async def test_an_inbox_in_the_trash_is_said_to_be_there(owner: Session, agent: Session) -> None:
    helper = await make_helper(owner)
    await owner.agents.delete(helper)
    for ask in ASKS.values():
        with pytest.raises(NotFound, match=r"in the trash.*restore_agent"):
            await ask(owner, helper)
        with pytest.raises(E2AError) as refused:
            await ask(agent, helper)
        assert "trash" not in refused.value.message


async def test_a_draft_is_answered_once_it_is_approved(owner: Session, agent: Session) -> None:
    await protect(owner, outbound={"policy": "allowlist", "action": "review"})
    held = await send(agent)
    with pytest.raises(NotFound, match="only once it is approved"):
        await CHANGES["reply"](agent, held.message_id)
