"""Lists, searches, labels and the trash of one inbox."""

from __future__ import annotations

from datetime import timedelta, timezone
from typing import Any

import pytest

from e2a_core.clock import rfc3339
from e2a_core.contract.engine import Session
from e2a_core.contract.messages import MessageQuery, UpdateMessageRequest
from e2a_core.errors import (
    Forbidden,
    InvalidCursor,
    InvalidFilter,
    InvalidRequest,
    NotFound,
    NotInTrash,
)
from tests.engine.mailbox import HELPER, arrived, inbox, make_helper, send
from tests.support.home import ASSISTANT, Home

pytestmark = pytest.mark.anyio


async def _subjects(session: Session, **query: Any) -> list[str]:
    return [item.subject for item in await inbox(session, **query)]


async def _deliver(home: Home, *subjects: str, **parts: Any) -> None:
    for subject in subjects:
        assert (await home.deliver(subject=subject, **parts)).accepted


async def test_the_default_list_is_unread_received_mail_newest_first(home: Home, agent: Session) -> None:
    await _deliver(home, "one", "two", "three")
    await send(agent, subject="sent")
    read = (await inbox(agent))[1]
    await agent.messages.get(ASSISTANT, read.id)
    assert await _subjects(agent) == ["three", "one"]
    assert await _subjects(agent, sort="asc") == ["one", "three"]
    assert await _subjects(agent, read_status="read") == ["two"]
    assert await _subjects(agent, read_status="all") == ["three", "two", "one"]
    assert await _subjects(agent, direction="outbound") == ["sent"]
    assert await _subjects(agent, direction="all") == ["sent", "three", "two", "one"]
    assert await _subjects(agent, direction="all", read_status="unread") == ["sent", "three", "one"]
    assert await _subjects(agent, direction="all", read_status="read") == ["two"]
    with pytest.raises(InvalidFilter) as refused:
        await inbox(agent, direction="outbound", read_status="unread")
    assert refused.value.fields[0][0] == "query.read_status"


async def test_filters_by_sender_subject_and_conversation(home: Home, agent: Session) -> None:
    await _deliver(home, "100% sure", "1000 sure")
    await _deliver(home, "Élan", sender="Ann <ann_x@example.org>")
    await send(agent, subject="Started", conversation_id="conv_x")
    assert await _subjects(agent, **{"from": "ALICE@"}) == ["1000 sure", "100% sure"]
    assert await _subjects(agent, **{"from": "n_x"}) == ["Élan"]
    assert await _subjects(agent, **{"from": "a_i"}) == []
    assert await _subjects(agent, subject_contains="100%") == ["100% sure"]
    assert await _subjects(agent, subject_contains="élAN") == ["Élan"]
    assert await _subjects(agent, direction="all", conversation_id="conv_x") == ["Started"]
    assert await _subjects(agent, direction="all", conversation_id="conv_y") == []
    for name, value in {
        "from": "x" * 201,
        "subject_contains": "é" * 101,
        "conversation_id": "x" * 201,
    }.items():
        with pytest.raises(InvalidFilter) as refused:
            await inbox(agent, **{name: value})
        assert refused.value.fields[0][0] == f"query.{name}"


async def test_filters_by_time(home: Home, agent: Session) -> None:
    await _deliver(home, "early")
    home.clock.advance(hours=1)
    await _deliver(home, "late")
    late, early = await inbox(agent)
    assert await _subjects(agent, since=rfc3339(late.created_at)) == ["late"]
    assert await _subjects(agent, until=rfc3339(late.created_at)) == ["early"]
    assert await _subjects(agent, since=f" {rfc3339(early.created_at)} ", until="2999-01-01t00:00:00z") == [
        "late",
        "early",
    ]
    for wrong in (
        {"since": "soon"},
        {"until": "2026-13-01"},
        {"since": "2026-W01-1T00:00:00Z"},
        {"since": "9999-12-31T23:59:59-01:00"},
    ):
        with pytest.raises(InvalidFilter):
            await inbox(agent, **wrong)
    with pytest.raises(InvalidFilter):
        await inbox(agent, since=rfc3339(late.created_at), until=rfc3339(early.created_at))


async def test_filter_expressions(home: Home, agent: Session) -> None:
    await _deliver(home, "Invoice 7", "Invoice 8", "Lunch")
    await _deliver(home, "Invoice 9", sender="Bob <bob@plain.example>")
    invoice = (await inbox(agent, subject_contains="Invoice 8"))[0]
    await agent.messages.update(ASSISTANT, invoice.id, UpdateMessageRequest(add_labels=["paid"]))
    assert await _subjects(agent, filter="subject:invoice -label:paid") == ["Invoice 9", "Invoice 7"]
    assert await _subjects(agent, filter="label:paid OR from:plain.example") == ["Invoice 9", "Invoice 8"]
    assert await _subjects(agent, filter="NOT subject:invoice") == ["Lunch"]
    assert await _subjects(agent, filter='subject = "lunch" created >= 2020-01-01') == ["Lunch"]
    assert await _subjects(agent, filter="created > 2999-01-01") == []
    with pytest.raises(InvalidFilter) as refused:
        await inbox(agent, filter="subject:invoice AND (")
    assert refused.value.details is not None
    assert refused.value.details["position"] == 21
    with pytest.raises(InvalidFilter):
        await inbox(agent, filter="size:3")


async def test_full_text_search(home: Home, agent: Session) -> None:
    await _deliver(home, "Café menu", text="The crème brûlée costs 7 francs.")
    await _deliver(home, "Other", sender="Zoë <zoe@plain.example>", text="Nothing about food.")
    assert await _subjects(agent, query="CREME brulee") == ["Café menu"]
    assert await _subjects(agent, query="crème menu") == ["Café menu"]
    assert await _subjects(agent, query="fran") == ["Café menu"]
    assert await _subjects(agent, query="fran menu") == []
    assert await _subjects(agent, query="zoe@plain.example") == ["Other"]
    assert await _subjects(agent, query="food brulee") == []
    assert await _subjects(agent, query='"food" OR * (near:') == []
    await send(agent, to=["yan@example.net"], subject="Sent one", text="marzipan")
    assert await _subjects(agent, query="marzipan", direction="all") == ["Sent one"]
    assert await _subjects(agent, query="yan@example.net", direction="outbound") == ["Sent one"]
    for message in await inbox(agent):
        await agent.messages.update(ASSISTANT, message.id, UpdateMessageRequest(read_status="read"))
    assert await _subjects(agent, query="menu") == ["Café menu"]
    for wrong in ("x" * 501, "!!!"):
        with pytest.raises(InvalidFilter) as refused:
            await inbox(agent, query=wrong)
        assert refused.value.fields[0][0] == "query.query"


async def test_a_search_reaches_ones_own_inbox_only(home: Home, owner: Session, agent: Session) -> None:
    await make_helper(owner)
    assert (await home.deliver(to=HELPER, text="secretword")).accepted
    assert await inbox(agent, query="secretword") == []
    assert len(await inbox(owner, HELPER, query="secretword")) == 1


async def test_pages_follow_one_another_without_gap_or_repeat(home: Home, agent: Session) -> None:
    names = [f"letter {number}" for number in range(5)]
    await _deliver(home, *names)
    for order in ("asc", "desc"):
        found: list[str] = []
        cursor = None
        for _ in range(3):
            page = await agent.messages.list(
                ASSISTANT, MessageQuery.model_validate({"limit": 2, "sort": order, "cursor": cursor})
            )
            found += [item.subject for item in page.items]
            cursor = page.next_cursor
        assert cursor is None
        assert found == (names if order == "asc" else names[::-1])


async def test_a_cursor_belongs_to_its_query(home: Home, owner: Session, agent: Session) -> None:
    await make_helper(owner)
    await _deliver(home, "one", "two")
    cursor = (await agent.messages.list(ASSISTANT, MessageQuery(limit=1))).next_cursor
    assert cursor is not None
    others: list[dict[str, Any]] = [
        {"sort": "asc"},
        {"direction": "all"},
        {"read_status": "all"},
        {"query": "one"},
        {"filter": "subject:one"},
        {"labels": ["x"]},
        {"from": "alice"},
    ]
    for other in others:
        with pytest.raises(InvalidCursor):
            await inbox(agent, cursor=cursor, **other)
    with pytest.raises(InvalidCursor):
        await inbox(owner, HELPER, cursor=cursor)
    for wrong in ("x", "", ".", cursor[:-2] + ("AA" if cursor[-2:] != "AA" else "BB"), cursor + "x"):
        if wrong:
            with pytest.raises(InvalidCursor):
                await inbox(agent, cursor=wrong)
    # Neither the page size nor how a default is spelled is part of the query.
    same = await inbox(agent, cursor=cursor, limit=50, direction="inbound", read_status="unread", sort="desc")
    assert [item.subject for item in same] == ["one"]


async def test_a_cursor_stands_for_values_not_spellings(home: Home, agent: Session) -> None:
    await _deliver(home, "one", "two")
    for item in await inbox(agent):
        await agent.messages.update(ASSISTANT, item.id, UpdateMessageRequest(add_labels=["kept"]))
    query = MessageQuery(limit=1, labels=["kept"], since="2020-01-01T00:00:00Z")
    cursor = (await agent.messages.list(ASSISTANT, query)).next_cursor
    again = await inbox(agent, cursor=cursor, labels=[" KEPT "], since="2020-01-01T00:00:00+00:00")
    assert [item.subject for item in again] == ["one"]


async def test_labels(home: Home, agent: Session) -> None:
    await _deliver(home, "one", "two")
    two, one = await inbox(agent)

    async def label(message_id: str, **change: list[str]) -> list[str]:
        request = UpdateMessageRequest.model_validate(change)
        return (await agent.messages.update(ASSISTANT, message_id, request)).labels

    assert await label(one.id, add_labels=[" Work ", "todo", "WORK"]) == ["todo", "work"]
    assert await label(two.id, add_labels=["work", "done"], remove_labels=["done"]) == ["work"]
    assert await label(two.id) == ["work"]
    assert await _subjects(agent, labels=["work"]) == ["two", "one"]
    assert await _subjects(agent, labels=["work", "todo"]) == ["one"]
    assert await label(one.id, remove_labels=["todo"]) == ["work"]
    assert await _subjects(agent, labels=["todo"]) == []
    assert (await agent.messages.get(ASSISTANT, one.id)).labels == ["work"]
    assert await inbox(agent, labels=["e2a:anything"]) == []
    for wrong in (["e2a:mine"], ["with blank"], ["x" * 65], [""], [f"l{n}" for n in range(51)]):
        for side in ("add_labels", "remove_labels"):
            with pytest.raises(InvalidRequest) as refused:
                await label(one.id, **{side: wrong})
            assert refused.value.fields[0][0].startswith(f"body.{side}")
    for start in (0, 49):
        await label(two.id, add_labels=[f"l{n}" for n in range(start, start + 49)])
    with pytest.raises(InvalidRequest):
        await label(two.id, add_labels=["one-more", "and-another"])


async def test_the_trash(home: Home, owner: Session, agent: Session) -> None:
    await _deliver(home, "kept", "thrown")
    thrown = (await inbox(agent))[0]
    assert (await agent.messages.delete(ASSISTANT, thrown.id)).deleted
    assert (await agent.messages.delete(ASSISTANT, thrown.id)).deleted
    assert await _subjects(agent, direction="all") == ["kept"]
    assert await _subjects(agent, deleted=True) == ["thrown"]
    assert await _subjects(agent, query="thrown") == []
    assert (await agent.messages.get(ASSISTANT, thrown.id)).deleted_at is not None
    with pytest.raises(NotFound):
        await agent.messages.update(ASSISTANT, thrown.id, UpdateMessageRequest(add_labels=["x"]))
    restored = await agent.messages.restore(ASSISTANT, thrown.id)
    assert (restored.deleted_at, restored.read_status) == (None, "read")
    with pytest.raises(NotInTrash):
        await agent.messages.restore(ASSISTANT, thrown.id)
    with pytest.raises(NotFound):
        await agent.messages.delete(ASSISTANT, "msg_none")
    with pytest.raises(Forbidden):
        await agent.messages.delete(ASSISTANT, thrown.id, permanent=True)
    with pytest.raises(NotInTrash):
        await owner.messages.delete(ASSISTANT, thrown.id, permanent=True)
    await agent.messages.delete(ASSISTANT, thrown.id)
    await owner.messages.delete(ASSISTANT, thrown.id, permanent=True)
    with pytest.raises(NotFound):
        await owner.messages.get(ASSISTANT, thrown.id)
    assert await _subjects(agent, deleted=True) == []


async def test_restoring_does_not_read(home: Home, agent: Session) -> None:
    await _deliver(home, "unread")
    [row] = await inbox(agent)
    await agent.messages.delete(ASSISTANT, row.id)
    assert (await agent.messages.restore(ASSISTANT, row.id)).read_status == "unread"
    assert await _subjects(agent) == ["unread"]


async def test_content_stays_as_long_as_a_copy_does(home: Home, owner: Session, agent: Session) -> None:
    await make_helper(owner)
    assert (await home.deliver(to=[ASSISTANT, HELPER], text="Shared words.")).accepted
    mine, theirs = await arrived(agent), await arrived(owner, HELPER)
    await agent.messages.delete(ASSISTANT, mine.id)
    await owner.messages.delete(ASSISTANT, mine.id, permanent=True)
    assert b"Shared words." in await owner.messages.raw(HELPER, theirs.id)


async def test_a_period_is_read_however_it_is_written(home: Home, agent: Session) -> None:
    await _deliver(home, "early")
    home.clock.advance(days=3)
    await _deliver(home, "late", "later")
    now = home.clock.now()
    eastern = (now - timedelta(hours=1)).astimezone(timezone(timedelta(hours=2)))
    for since in (
        "2d",
        "48 hours",
        "P2D",
        "2d ago",
        "-2d",
        f"{now:%Y-%m-%d}",
        "today",
        f"{eastern:%Y-%m-%dT%H:%M:%S.%f%z}",  # as the public client writes it
        f"{eastern:%Y-%m-%dT%H:%M:%S} 02:00",  # a plus that was not encoded
        f"{now - timedelta(hours=1):%Y-%m-%d %H:%M}",
        f"{now - timedelta(hours=1):%a, %d %b %Y %H:%M:%S +0000}",
    ):
        assert await _subjects(agent, since=since) == ["later", "late"], since
        assert await _subjects(agent, until=since) == ["early"], since
        assert await _subjects(agent, filter=f'created >= "{since}"') == ["later", "late"], since
    found = await agent.messages.list(ASSISTANT, MessageQuery(since="2d", limit=1))
    home.clock.advance(minutes=5)  # The bound moves with the clock; the cursor stays good.
    assert await _subjects(agent, since="2d", cursor=found.next_cursor) == ["late"]
