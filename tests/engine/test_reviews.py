"""Mail that waits for a person: who may decide, what a decision does, and that there is only one."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from e2a_core.contract.agents import CreateDelegationRequest
from e2a_core.contract.engine import Session
from e2a_core.contract.messages import UpdateMessageRequest
from e2a_core.contract.protection import ProtectionConfig
from e2a_core.contract.reviews import ApproveRequest, RejectRequest
from e2a_core.contract.sending import ReplyRequest, SendOptions, SendResultView
from e2a_core.errors import (
    DraftChanged,
    E2AError,
    Forbidden,
    IdempotencyKeyReuse,
    InvalidRequest,
    MessageNotPending,
    NotFound,
)
from e2a_core.reviews import queries
from e2a_core.store.statement import first, sql
from tests.engine.mailbox import HELPER, arrived, inbox, make_helper, protect, reasons, send, settled
from tests.support.home import ASSISTANT, EventLog, Home
from tests.support.smtp_sink import SmtpSink
from tests.support.waiting import until

pytestmark = pytest.mark.anyio

HOLD_ALL: dict[str, object] = {"policy": "allowlist", "action": "review"}


async def _held_draft(owner: Session, agent: Session, **members: Any) -> SendResultView:
    await protect(owner, outbound=HOLD_ALL, **members.pop("config", {}))
    result = await send(agent, **members)
    assert result.status == "pending_review"
    return result


async def _held_mail(home: Home, owner: Session, **parts: Any) -> str:
    """The id of a received message that is on hold."""
    await protect(owner, inbound=HOLD_ALL, **parts.pop("config", {}))
    assert (await home.deliver(**parts)).accepted
    [item] = [item for item in (await owner.reviews.list()).items if item.direction == "inbound"]
    return item.id


async def test_a_held_draft_is_seen_and_not_sent(owner: Session, agent: Session, events: EventLog) -> None:
    result = await _held_draft(owner, agent, to=["Bob <bob@example.org>"], bcc=["dan@example.org"])
    assert result.approval_expires_at is not None
    told = await events.wait("email.review_requested", result.message_id)
    assert (told.data["reason_source"], told.data["bcc"]) == ("recipient_gate", ["dan@example.org"])
    view = await agent.messages.get(ASSISTANT, result.message_id)
    assert (view.review_status, view.delivery_status, view.raw_message) == ("pending_review", None, None)
    assert view.to == ["Bob <bob@example.org>"]
    assert view.body is not None
    assert view.body.text == "Hello Bob"
    assert [item.review_status for item in await inbox(agent, direction="outbound")] == ["pending_review"]
    with pytest.raises(NotFound):
        await agent.messages.raw(ASSISTANT, result.message_id)
    with pytest.raises(NotFound):
        await agent.messages.reply(ASSISTANT, result.message_id, ReplyRequest(text="x"), SendOptions())
    assert await reasons(agent, result.message_id) == ["acceptance.outbound_api", "review.hold_created"]


async def test_an_agent_withdraws_its_own_draft(owner: Session, agent: Session, events: EventLog) -> None:
    held = (await _held_draft(owner, agent)).message_id
    taken_back = await agent.messages.delete(ASSISTANT, held)
    assert (taken_back.deleted, taken_back.cancelled) == (True, True)
    assert "withdrawn" in (taken_back.note or "")
    assert "withdrawn" in (await events.wait("email.review_rejected", held)).data["reason"]
    assert (await owner.reviews.list()).items == []
    view = await agent.messages.get(ASSISTANT, held)
    assert (view.review_status, view.rejection_reason) == (
        "review_rejected",
        "withdrawn by its sender; it will not be sent",
    )
    assert view.deleted_at is not None
    assert (await reasons(agent, held))[-1] == "review.rejected"
    with pytest.raises(MessageNotPending):
        await owner.reviews.approve(held, ApproveRequest())
    again = await agent.messages.restore(ASSISTANT, held)
    assert (again.review_status, again.delivery_status) == ("review_rejected", None)


async def test_the_queue_tells_why(owner: Session, agent: Session) -> None:
    result = await _held_draft(owner, agent)
    [item] = (await owner.reviews.list()).items
    assert (item.id, item.agent_email, item.direction, item.subject) == (
        result.message_id,
        ASSISTANT,
        "outbound",
        "Hi",
    )
    assert item.hold_reason is not None
    assert (item.hold_reason.type, item.hold_reason.code) == ("gate", "recipient_gate")
    view = await owner.reviews.get(result.message_id)
    assert view.review_status == "pending_review"
    assert view.content_hash is not None
    assert [finding.action for finding in view.protection or []] == ["review"]
    with pytest.raises(NotFound):
        await owner.reviews.get("msg_none")


async def test_approval_sends_the_draft(owner: Session, agent: Session, events: EventLog) -> None:
    held = await _held_draft(owner, agent)
    seen = await owner.reviews.get(held.message_id)
    result = await owner.reviews.approve(held.message_id, ApproveRequest(content_hash=seen.content_hash))
    assert (result.status, result.message_id, result.edited) == ("accepted", held.message_id, False)
    view = await settled(agent, held.message_id)
    assert (view.review_status, view.delivery_status, view.conversation_id) == (
        "sent",
        "sent",
        held.conversation_id,
    )
    assert b"Hello Bob" in await agent.messages.raw(ASSISTANT, held.message_id)
    assert (await events.wait("email.review_approved", held.message_id)).data["edited"] is False
    await events.wait("email.sent", held.message_id)
    assert await reasons(agent, held.message_id) == [
        "acceptance.outbound_api",
        "review.hold_created",
        "review.approved",
        "queue.outbound_submission",
        "submission.upstream_accepted",
    ]
    assert (await owner.reviews.list()).items == []
    with pytest.raises(MessageNotPending):
        await owner.reviews.approve(held.message_id, ApproveRequest())
    with pytest.raises(MessageNotPending):
        await owner.reviews.reject(held.message_id, RejectRequest())


async def test_approval_with_edits(owner: Session, agent: Session) -> None:
    held = await _held_draft(owner, agent, cc=["carol@example.org"], bcc=["dan@example.org"])
    edits = ApproveRequest(subject="Better", text="Dear Bob", to=["robert@example.org"], cc=[])
    assert (await owner.reviews.approve(held.message_id, edits)).edited is True
    view = await settled(agent, held.message_id)
    assert (view.subject, view.to, view.cc, view.bcc) == (
        "Better",
        ["robert@example.org"],
        [],
        ["dan@example.org"],
    )
    assert b"Dear Bob" in await agent.messages.raw(ASSISTANT, held.message_id)
    assert [item.subject for item in await inbox(agent, direction="outbound", query="dear")] == ["Better"]


async def test_a_reviewer_sees_what_is_attached(owner: Session, agent: Session) -> None:
    file = {"filename": "offer.pdf", "content_type": "application/pdf", "data": "JVBERg=="}
    held = await _held_draft(owner, agent, attachments=[file])
    [seen] = (await owner.reviews.get(held.message_id)).attachments
    assert (seen.filename, seen.content_type, seen.size_bytes) == ("offer.pdf", "application/pdf", 4)
    assert (await agent.messages.get(ASSISTANT, held.message_id)).attachments == []
    with pytest.raises(NotFound):
        await agent.messages.attachment(ASSISTANT, held.message_id, 0)
    edits = ApproveRequest.model_validate({"attachments": [{**file, "filename": "final.pdf"}]})
    assert (await owner.reviews.approve(held.message_id, edits)).edited is True
    await settled(agent, held.message_id)
    assert (await agent.messages.attachment_content(ASSISTANT, held.message_id, 0)).data == b"%PDF"
    view = await agent.messages.get(ASSISTANT, held.message_id)
    assert [item.filename for item in view.attachments] == ["final.pdf"]


@pytest.mark.parametrize("decision", ["approve", "reject"])
async def test_the_files_of_a_draft_are_kept_until_it_is_decided(
    home: Home, owner: Session, agent: Session, decision: str
) -> None:
    file = {"filename": "offer.pdf", "content_type": "application/pdf", "data": "JVBERg=="}
    held = await _held_draft(owner, agent, attachments=[file])
    db = home.local.core.db
    stored = sql("SELECT draft FROM messages WHERE id = :id", id=held.message_id)
    draft = first(await db.read(stored))
    assert draft is not None
    assert "JVBERg==" in draft["draft"]
    account = (await owner.account.get()).user.id
    [row] = await db.read(queries.page(account, None, 10))
    assert "draft" not in row
    before = await owner.reviews.get(held.message_id)
    if decision == "approve":
        await owner.reviews.approve(held.message_id, ApproveRequest())
        await settled(agent, held.message_id)
    else:
        await owner.reviews.reject(held.message_id, RejectRequest())
    kept = first(await db.read(stored))
    assert kept is not None
    assert "JVBERg==" not in kept["draft"]
    after = await owner.reviews.get(held.message_id)
    assert (after.body, after.content_hash) == (before.body, before.content_hash)
    assert [item.filename for item in after.attachments] == ["offer.pdf"]


async def test_approved_mail_to_the_inbox_itself_is_sent_when_the_answer_comes(
    owner: Session, agent: Session
) -> None:
    held = await _held_draft(owner, agent, to=[ASSISTANT])
    result = await owner.reviews.approve(held.message_id, ApproveRequest(), idempotency_key="once")
    assert (result.status, result.method, result.sent_as) == ("sent", "loopback", "own_address")
    assert (result.edited, result.provider_message_id) == (False, None)
    assert await owner.reviews.approve(held.message_id, ApproveRequest(), idempotency_key="once") == result
    assert [item.subject for item in await inbox(agent)] == ["Hi"]


async def test_edits_are_checked_and_a_wrong_one_leaves_the_hold(owner: Session, agent: Session) -> None:
    held = await _held_draft(owner, agent)
    for edits, location in (
        (ApproveRequest(to=["nobody"]), "body.to[0]"),
        (ApproveRequest(to=[]), "body.to"),
        (ApproveRequest(text=""), "body.text"),
        (ApproveRequest(subject="a\nb"), "body.subject"),
    ):
        with pytest.raises(InvalidRequest) as refused:
            await owner.reviews.approve(held.message_id, edits)
        assert refused.value.fields[0][0] == location
    assert [item.id for item in (await owner.reviews.list()).items] == [held.message_id]
    assert (await agent.messages.get(ASSISTANT, held.message_id)).subject == "Hi"


async def test_a_decision_on_something_else_is_refused(home: Home, owner: Session, agent: Session) -> None:
    held = await _held_draft(owner, agent)
    mail = await _held_mail(home, owner)
    for message_id in (held.message_id, mail):
        with pytest.raises(DraftChanged):
            await owner.reviews.approve(message_id, ApproveRequest(content_hash="0" * 64))
        with pytest.raises(DraftChanged):
            await owner.reviews.reject(message_id, RejectRequest(content_hash="0" * 64))
        seen = await owner.reviews.get(message_id)
        await owner.reviews.reject(message_id, RejectRequest(content_hash=seen.content_hash))


async def test_rejection(owner: Session, agent: Session, events: EventLog) -> None:
    held = await _held_draft(owner, agent)
    result = await owner.reviews.reject(held.message_id, RejectRequest(reason="Not now"))
    assert (result.status, result.rejection_reason) == ("review_rejected", "Not now")
    view = await agent.messages.get(ASSISTANT, held.message_id)
    assert (view.review_status, view.rejection_reason, view.delivery_status) == (
        "review_rejected",
        "Not now",
        None,
    )
    assert (await events.wait("email.review_rejected", held.message_id)).data["reason"] == "Not now"
    assert "email.sent" not in events.types(held.message_id)
    assert (await reasons(agent, held.message_id))[-1] == "review.rejected"


async def test_held_mail_is_not_found_by_the_agent(home: Home, owner: Session, agent: Session) -> None:
    held = await _held_mail(home, owner, subject="Secret", message_id="<secret@example.org>")
    attempts = [
        agent.messages.get(ASSISTANT, held),
        agent.messages.raw(ASSISTANT, held),
        agent.messages.update(ASSISTANT, held, UpdateMessageRequest(add_labels=["x"])),
        agent.messages.update(ASSISTANT, held, UpdateMessageRequest(read_status="read")),
        agent.messages.delete(ASSISTANT, held),
        agent.messages.restore(ASSISTANT, held),
        agent.messages.attachment(ASSISTANT, held, 0),
        agent.messages.attachment_content(ASSISTANT, held, 0),
        agent.messages.reply(ASSISTANT, held, ReplyRequest(text="x"), SendOptions()),
    ]
    for attempt in attempts:
        with pytest.raises(NotFound):
            await attempt
    assert await inbox(agent, query="secret") == await inbox(agent) == []


@pytest.mark.local_only("the API tells of arrivals, not of reviews")
async def test_held_mail_does_not_exist_for_the_agent(
    home: Home, owner: Session, agent: Session, events: EventLog
) -> None:
    async with EventLog(agent) as told:
        held = await _held_mail(home, owner, subject="Secret", message_id="<secret@example.org>")
        await events.wait("email.review_requested", held)
        for query in (
            {},
            {"direction": "all"},
            {"deleted": True},
            {"query": "secret"},
            {"filter": "subject:secret"},
        ):
            assert await inbox(agent, **query) == []
        assert (await agent.conversations.list(ASSISTANT)).items == []
        await owner.reviews.reject(held, RejectRequest(reason="spam"))
        await events.wait("email.review_rejected", held)
        with pytest.raises(NotFound):
            await agent.messages.get(ASSISTANT, held)
        await send(agent)
        await told.wait("email.sent")
        assert told.types() == ["email.sent"]


@pytest.mark.local_only("the API tells of arrivals, not of reviews")
async def test_released_mail_arrives_unread(
    home: Home, owner: Session, agent: Session, events: EventLog
) -> None:
    async with EventLog(agent) as told:
        held = await _held_mail(home, owner, subject="Wanted")
        await owner.reviews.get(held)
        result = await owner.reviews.approve(held, ApproveRequest())
        assert result.to_wire() == {"status": "review_approved", "message_id": held}
        assert [item.id for item in await inbox(agent)] == [held]
        assert [item.id for item in await inbox(agent, query="wanted")] == [held]
        received = await told.wait("email.received", held)
        assert received.data["header_from"] == "alice@example.org"
        await told.wait("email.review_approved", held)
        assert (await reasons(agent, held))[-1] == "review.approved"
    await agent.messages.reply(ASSISTANT, held, ReplyRequest(text="Thanks"), SendOptions())


async def test_an_agent_decides_nothing(home: Home, owner: Session, agent: Session) -> None:
    draft = await _held_draft(owner, agent)
    config = ProtectionConfig.model_validate(
        {"inbound": {"gate": {}, "scan": {}}, "outbound": {"gate": {}, "scan": {}}, "holds": {}}
    )
    attempts = [
        agent.reviews.list(),
        agent.reviews.get(draft.message_id),
        agent.reviews.approve(draft.message_id, ApproveRequest()),
        agent.reviews.approve(draft.message_id, ApproveRequest(), idempotency_key="k"),
        agent.reviews.reject(draft.message_id, RejectRequest()),
        agent.reviews.approve("msg_none", ApproveRequest()),
        agent.protection.get(ASSISTANT),
        agent.protection.put(ASSISTANT, config),
        agent.agents.delegate(ASSISTANT, CreateDelegationRequest(human="alice@example.org")),
        agent.agents.delete(ASSISTANT),
        agent.agents.list(),
        agent.api_keys.list(),
    ]
    for attempt in attempts:
        with pytest.raises(Forbidden):
            await attempt
    assert [item.id for item in (await owner.reviews.list()).items] == [draft.message_id]


async def test_of_two_decisions_at_once_one_wins(
    owner: Session, agent: Session, sink: SmtpSink, home: Home
) -> None:
    await protect(owner, outbound=HOLD_ALL)

    async def attempt(decision: Any) -> str:
        try:
            return str((await decision).status)
        except E2AError as error:
            return error.code

    for round_ in range(10):
        held = (await send(agent, text=f"Round {round_}")).message_id
        rival = (
            owner.reviews.reject(held, RejectRequest())
            if round_ % 2
            else owner.reviews.approve(held, ApproveRequest(subject="Mine"))
        )
        answers = await asyncio.gather(
            attempt(owner.reviews.approve(held, ApproveRequest())),
            attempt(rival),
        )
        assert answers.count("message_not_pending") == 1
        written = await reasons(agent, held)
        assert len([reason for reason in written if reason in {"review.approved", "review.rejected"}]) == 1
        assert written.count("queue.outbound_submission") == answers.count("accepted")


async def test_an_approval_with_a_key_is_answered_once(owner: Session, agent: Session) -> None:
    held = await _held_draft(owner, agent)
    first = await owner.reviews.approve(held.message_id, ApproveRequest(subject="A"), idempotency_key="k")
    again = await owner.reviews.approve(held.message_id, ApproveRequest(subject="A"), idempotency_key="k")
    assert again == first
    with pytest.raises(IdempotencyKeyReuse):
        await owner.reviews.approve(held.message_id, ApproveRequest(subject="B"), idempotency_key="k")
    with pytest.raises(MessageNotPending):
        await owner.reviews.approve(held.message_id, ApproveRequest(), idempotency_key="other")


async def test_a_refused_approval_releases_its_key(owner: Session, agent: Session) -> None:
    held = await _held_draft(owner, agent)
    with pytest.raises(InvalidRequest):
        await owner.reviews.approve(held.message_id, ApproveRequest(to=["x"]), idempotency_key="k")
    result = await owner.reviews.approve(held.message_id, ApproveRequest(), idempotency_key="k")
    assert result.status == "accepted"


@pytest.mark.parametrize("ending", ["approve", "reject"])
async def test_holds_end(home: Home, owner: Session, agent: Session, events: EventLog, ending: str) -> None:
    config = {"holds": {"ttl_seconds": 60, "on_expiry": ending}}
    mail = await _held_mail(home, owner, config=config)
    draft = (await _held_draft(owner, agent, config=config)).message_id
    await make_helper(owner)
    await home.advance(seconds=50)
    # Once this is sent, the worker has looked at what is due.
    assert (await send(owner, HELPER, options={"wait": "sent"})).status == "sent"
    assert len((await owner.reviews.list()).items) == 2
    await home.advance(seconds=11)
    status = "approved" if ending == "approve" else "rejected"
    for message_id in (mail, draft):
        told = await events.wait(f"email.review_{status}", message_id)
        assert told.data["auto_resolved"] is True
        assert f"review.expired_{status}" in await reasons(owner, message_id)
    assert (await owner.reviews.get(mail)).review_status == f"review_expired_{status}"
    view = await agent.messages.get(ASSISTANT, draft)
    assert view.review_status == f"review_expired_{status}"
    if ending == "approve":
        await events.wait("email.received", mail)
        assert [item.id for item in await inbox(agent)] == [mail]
        assert (await settled(agent, draft)).delivery_status == "sent"
    else:
        assert view.rejection_reason == "ttl_expired"
        assert await inbox(agent) == []
    with pytest.raises(MessageNotPending):
        await owner.reviews.approve(draft, ApproveRequest())


async def test_a_person_and_the_clock_do_not_both_decide(home: Home, owner: Session, agent: Session) -> None:
    await protect(owner, outbound=HOLD_ALL, holds={"ttl_seconds": 60, "on_expiry": "reject"})
    for round_ in range(5):
        held = (await send(agent, text=f"Round {round_}")).message_id
        expiring = asyncio.ensure_future(home.advance(seconds=61))
        try:
            await owner.reviews.approve(held, ApproveRequest())
            approved = True
        except MessageNotPending:
            approved = False
        await expiring

        async def decided(message_id: str = held) -> bool:
            status = (await owner.reviews.get(message_id)).review_status
            return status != "pending_review"

        await until(decided)
        written = await reasons(agent, held)
        assert ("review.approved" in written) is approved
        assert ("review.expired_rejected" in written) is not approved


async def test_holds_of_a_trashed_agent_wait(home: Home, owner: Session) -> None:
    await make_helper(owner)
    await protect(owner, HELPER, outbound=HOLD_ALL, holds={"ttl_seconds": 60})
    held = (await send(owner, HELPER)).message_id
    await owner.agents.delete(HELPER)
    assert (await owner.reviews.list()).items == []
    with pytest.raises(NotFound):
        await owner.reviews.get(held)
    await home.advance(minutes=5)
    await owner.agents.restore(HELPER)
    [item] = (await owner.reviews.list()).items
    assert item.id == held
    assert item.approval_expires_at is not None
    assert item.approval_expires_at > home.clock.now()


async def test_a_held_reply_keeps_its_thread(home: Home, owner: Session, agent: Session) -> None:
    assert (await home.deliver(message_id="<ask@example.org>", subject="Ask")).accepted
    parent = await arrived(agent)
    await protect(owner, outbound=HOLD_ALL)
    held = await agent.messages.reply(ASSISTANT, parent.id, ReplyRequest(text="Yes"), SendOptions())
    await owner.reviews.approve(held.message_id, ApproveRequest())
    view = await settled(agent, held.message_id)
    assert view.thread_id == parent.thread_id
    assert b"In-Reply-To: <ask@example.org>\r\n" in await agent.messages.raw(ASSISTANT, held.message_id)


async def test_a_held_note_to_oneself_arrives_on_approval(owner: Session, agent: Session) -> None:
    held = await _held_draft(owner, agent, to=[ASSISTANT], subject="Note")
    assert await inbox(agent) == []
    await owner.reviews.approve(held.message_id, ApproveRequest())
    await settled(agent, held.message_id)
    assert [item.subject for item in await inbox(agent)] == ["Note"]


async def test_the_queue_is_paged(owner: Session, agent: Session) -> None:
    held = [(await _held_draft(owner, agent, text=f"{number}")).message_id for number in range(3)]
    first = await owner.reviews.list(limit=2)
    rest = await owner.reviews.list(limit=2, cursor=first.next_cursor)
    assert [item.id for item in [*first.items, *rest.items]] == held[::-1]
    assert rest.next_cursor is None


@pytest.mark.local_only("the API opens what held mail has attached to nobody")
async def test_a_reviewer_opens_what_held_mail_has_attached(
    home: Home, owner: Session, agent: Session
) -> None:
    file = {"Content-Type": "text/csv", "Content-Disposition": "attachment; filename=a.csv"}
    held = await _held_mail(home, owner, headers=file, body=b"1;2\r\n")
    assert (await owner.messages.attachment_content(ASSISTANT, held, 0)).data == b"1;2\r\n"
    with pytest.raises(NotFound):
        await agent.messages.attachment_content(ASSISTANT, held, 0)
