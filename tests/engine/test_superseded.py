"""A person answers in the conversation in which the agent's answer is held: the agent's is cancelled, with a word."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from e2a_core.contract.engine import Session
from e2a_core.contract.messages import MessageQuery
from e2a_core.contract.principal import Door
from e2a_core.contract.reviews import ApproveRequest
from e2a_core.contract.sending import ForwardRequest, ReplyRequest, SendEmailRequest, SendOptions
from e2a_core.errors import MessageNotPending
from tests.engine.mailbox import protect
from tests.support.home import ASSISTANT, EventLog, Home

pytestmark = [pytest.mark.anyio, pytest.mark.local_only("people act where the home is")]

HOLD: dict[str, object] = {"policy": "allowlist", "action": "review"}
OPEN: dict[str, object] = {"policy": "open"}
REASON = "a person answered in this conversation meanwhile, so this draft was not sent"


async def person(home: Home, door: Door = "dashboard") -> Session:
    owner = (await home.local.session(home.account_key)).principal
    return home.local.session_of(
        replace(owner, credential_id="person:per_1", door=door, person="rita@example.org")
    )


async def received(home: Home, agent: Session, subject: str = "Question") -> str:
    await home.deliver(subject=subject, text="When?")
    page = await agent.messages.list(ASSISTANT, MessageQuery(subject_contains=subject))
    return page.items[0].id


async def held(owner: Session, agent: Session, message_id: str, text: str = "Perhaps Friday") -> str:
    await protect(owner, outbound=HOLD)
    result = await agent.messages.reply(ASSISTANT, message_id, ReplyRequest(text=text), SendOptions())
    assert result.status == "pending_review"
    await protect(owner, outbound=OPEN)
    return result.message_id


async def status(owner: Session, message_id: str) -> str | None:
    return (await owner.messages.get(ASSISTANT, message_id, peek=True)).review_status


@pytest.mark.parametrize("door", ["dashboard", "command"])
async def test_a_persons_reply_cancels_the_held_one(
    home: Home, owner: Session, agent: Session, events: EventLog, door: Door
) -> None:
    question = await received(home, agent)
    draft, second = await held(owner, agent, question), await held(owner, agent, question, "Or Monday")
    session = await person(home, door)
    result = await session.messages.reply(ASSISTANT, question, ReplyRequest(text="Friday"), SendOptions())
    assert result.status == "accepted"
    for message_id in (draft, second):
        view = await agent.messages.get(ASSISTANT, message_id)
        assert (view.review_status, view.rejection_reason) == ("review_rejected", REASON)
        told = await events.wait("email.review_rejected", message_id)
        assert (told.data["reason_code"], told.data["reason"]) == ("answered_by_person", REASON)
        assert "auto_resolved" not in told.data
    assert not (await owner.reviews.list()).items


async def test_the_owner_of_the_home_is_a_person_at_the_command_line(
    home: Home, owner: Session, agent: Session
) -> None:
    question = await received(home, agent)
    draft = await held(owner, agent, question)
    session = await home.local.home_session(agent_email=ASSISTANT, scope="account")
    await session.messages.reply(ASSISTANT, question, ReplyRequest(text="Friday"), SendOptions())
    assert await status(owner, draft) == "review_rejected"


async def test_new_mail_in_the_conversation_counts_too(home: Home, owner: Session, agent: Session) -> None:
    question = await received(home, agent)
    draft = await held(owner, agent, question)
    conversation = (await owner.messages.get(ASSISTANT, draft)).conversation_id
    request = SendEmailRequest(
        to=["alice@example.org"], subject="Friday", text="Friday", conversation_id=conversation
    )
    await (await person(home)).messages.send(ASSISTANT, request, SendOptions())
    assert await status(owner, draft) == "review_rejected"


@pytest.mark.parametrize("who", ["agent", "account key", "mcp", "listen"])
async def test_what_is_no_persons_reply_cancels_nothing(
    home: Home, owner: Session, agent: Session, who: str
) -> None:
    question = await received(home, agent)
    draft = await held(owner, agent, question)
    session = {
        "agent": agent,
        "account key": owner,
        "mcp": await home.local.home_session(scope="account", agent_email=ASSISTANT, door="mcp"),
        "listen": await home.local.home_session(agent_email=ASSISTANT),
    }[who]
    await session.messages.reply(ASSISTANT, question, ReplyRequest(text="Monday"), SendOptions())
    assert await status(owner, draft) == "pending_review"


async def test_other_conversations_forwards_and_other_mail_stay(
    home: Home, owner: Session, agent: Session
) -> None:
    question, other = await received(home, agent), await received(home, agent, "Another matter")
    draft = await held(owner, agent, other)
    await protect(owner, outbound=HOLD)
    forward = await agent.messages.forward(
        ASSISTANT, question, ForwardRequest(to=["bob@example.org"], text="See"), SendOptions()
    )
    fresh = await agent.messages.send(
        ASSISTANT, SendEmailRequest(to=["alice@example.org"], subject="Question", text="New"), SendOptions()
    )
    await protect(owner, outbound=OPEN)
    session = await person(home)
    await session.messages.reply(ASSISTANT, question, ReplyRequest(text="Friday"), SendOptions())
    to_bob = ForwardRequest(to=["bob@example.org"], text="Look")
    await session.messages.forward(ASSISTANT, other, to_bob, SendOptions())
    for message_id in (draft, forward.message_id, fresh.message_id):
        assert await status(owner, message_id) == "pending_review"


async def test_a_persons_reply_that_is_held_counts_too(home: Home, owner: Session, agent: Session) -> None:
    """Where all that goes out is held, a person's own mail may be, and they have answered all the same."""
    question = await received(home, agent)
    draft = await held(owner, agent, question)
    await protect(owner, outbound=HOLD)
    session = await person(home)
    own = await session.messages.reply(ASSISTANT, question, ReplyRequest(text="Friday"), SendOptions())
    assert own.status == "pending_review"
    assert await status(owner, draft) == "review_rejected"
    late = await held(owner, agent, question)
    await owner.reviews.approve(own.message_id, ApproveRequest())
    assert await status(owner, late) == "review_rejected", "what the agent wrote meanwhile is late too"
    assert await status(owner, own.message_id) == "sent"


async def test_a_persons_held_reply_is_not_cancelled_by_another(
    home: Home, owner: Session, agent: Session
) -> None:
    question = await received(home, agent)
    await protect(owner, outbound=HOLD)
    session = await person(home)
    own = await session.messages.reply(ASSISTANT, question, ReplyRequest(text="Friday"), SendOptions())
    await protect(owner, outbound=OPEN)
    await session.messages.reply(ASSISTANT, question, ReplyRequest(text="At noon"), SendOptions())
    assert await status(owner, own.message_id) == "pending_review"


async def test_the_first_decision_on_a_draft_is_the_only_one(
    home: Home, owner: Session, agent: Session, events: EventLog
) -> None:
    """An approval and a person's reply at once: the draft is sent or cancelled, and told of once."""
    session = await person(home)
    for number in range(6):
        question = await received(home, agent, f"Question {number}")
        draft = await held(owner, agent, question)
        approving = owner.reviews.approve(draft, ApproveRequest())
        reply = session.messages.reply(ASSISTANT, question, ReplyRequest(text="Friday"), SendOptions())
        first, second = (approving, reply) if number % 2 else (reply, approving)
        outcomes = await asyncio.gather(first, second, return_exceptions=True)
        refused = [item for item in outcomes if isinstance(item, BaseException)]
        assert all(isinstance(item, MessageNotPending) for item in refused)
        approved = await status(owner, draft) == "sent"
        assert approved is not bool(refused)
        wanted = "email.review_approved" if approved else "email.review_rejected"
        await events.wait(wanted, draft)
        told = [kind for kind in events.types(draft) if "review_" in kind]
        assert told == ["email.review_requested", wanted]


async def test_the_log_says_who_answered(home: Home, owner: Session, agent: Session) -> None:
    question = await received(home, agent)
    draft = await held(owner, agent, question)
    await (await person(home)).messages.reply(ASSISTANT, question, ReplyRequest(text="Friday"), SendOptions())
    stages = (await owner.messages.lifecycle(ASSISTANT, draft)).items
    assert [item.reason_code for item in stages][-1] == "review.rejected"
