"""The ledger of each flow, in the words of the wire's closed vocabulary."""

from __future__ import annotations

import pytest

from e2a_core.contract.engine import Session
from e2a_core.contract.reviews import ApproveRequest
from e2a_core.contract.sending import ReplyRequest, SendOptions
from e2a_core.errors import InvalidCursor, NotFound
from tests.engine.mailbox import arrived, inbox, protect, reasons, send, settled
from tests.support.home import ASSISTANT, Home

pytestmark = pytest.mark.anyio


async def test_mail_over_smtp(home: Home, agent: Session) -> None:
    verdicts = {
        "alice@example.org": "pass",
        "ceo@elsewhere.example": "fail",
        "ann@plain.example": "none",
    }
    for sender, verdict in verdicts.items():
        assert (await home.deliver(sender=sender, mail_from="alice@example.org")).accepted
        view = await arrived(agent)
        page = await agent.messages.lifecycle(ASSISTANT, view.id)
        assert [row.reason_code for row in page.items] == [
            "acceptance.inbound_smtp",
            f"authentication.dmarc_{verdict}",
        ]
        accepted, authenticated = page.items
        assert (accepted.stage, accepted.outcome, accepted.direction) == ("accepted", "accepted", "inbound")
        assert authenticated.evidence["authentication"]["dmarc"]["status"] == verdict
        assert (accepted.recipient, accepted.reconstructed, accepted.retryable) == (None, False, False)


async def test_a_queued_send(agent: Session) -> None:
    result = await send(agent, options={"wait": "sent"})
    page = await agent.messages.lifecycle(ASSISTANT, result.message_id)
    assert [row.reason_code for row in page.items] == [
        "acceptance.outbound_api",
        "queue.outbound_submission",
        "submission.upstream_accepted",
    ]
    _, queued, submitted = page.items
    assert queued.correlation_ids["job_id"] == submitted.correlation_ids["job_id"]
    assert submitted.correlation_ids["email_message_id"].endswith("@agents.example>")


async def test_a_note_to_oneself_has_both_sides(agent: Session) -> None:
    result = await send(agent, to=[ASSISTANT])
    assert await reasons(agent, result.message_id) == [
        "acceptance.outbound_api",
        "queue.outbound_submission",
        "submission.local_loopback_accepted",
    ]
    [note] = await inbox(agent)
    assert await reasons(agent, note.id) == ["acceptance.local_loopback"]


async def test_a_hold_and_its_end(owner: Session, agent: Session) -> None:
    await protect(owner, outbound={"policy": "allowlist", "action": "review"})
    held = await send(agent)
    page = await agent.messages.lifecycle(ASSISTANT, held.message_id)
    assert [row.reason_code for row in page.items] == ["acceptance.outbound_api", "review.hold_created"]
    assert page.items[1].evidence == {"review_resolution": "pending"}
    await owner.reviews.approve(held.message_id, ApproveRequest())
    await settled(agent, held.message_id)
    page = await agent.messages.lifecycle(ASSISTANT, held.message_id)
    assert page.items[2].reason_code == "review.approved"
    assert page.items[2].evidence == {"review_resolution": "sent"}


async def test_held_mail_can_be_looked_up_in_the_ledger(home: Home, owner: Session) -> None:
    await protect(owner, inbound={"policy": "allowlist", "action": "review"})
    assert (await home.deliver()).accepted
    [held] = (await owner.reviews.list()).items
    assert await reasons(owner, held.id) == ["acceptance.inbound_smtp", "authentication.dmarc_pass"]


async def test_the_ledger_is_paged_and_kept_in_the_trash(home: Home, agent: Session) -> None:
    assert (await home.deliver()).accepted
    message = await arrived(agent)
    reply = await agent.messages.reply(
        ASSISTANT, message.id, ReplyRequest(text="x"), SendOptions(wait="sent")
    )
    whole = (await agent.messages.lifecycle(ASSISTANT, reply.message_id)).items
    found, cursor = [], None
    for _ in whole:
        page = await agent.messages.lifecycle(ASSISTANT, reply.message_id, cursor=cursor, limit=1)
        found += page.items
        cursor = page.next_cursor
    assert found == whole
    assert cursor is None
    first = await agent.messages.lifecycle(ASSISTANT, reply.message_id, limit=1)
    with pytest.raises(InvalidCursor):
        await agent.messages.lifecycle(ASSISTANT, message.id, cursor=first.next_cursor)
    await agent.messages.delete(ASSISTANT, reply.message_id)
    assert len(await reasons(agent, reply.message_id)) == len(whole)
    assert (await arrived(agent)).read_status == "unread"
    with pytest.raises(NotFound):
        await agent.messages.lifecycle(ASSISTANT, "msg_none")
