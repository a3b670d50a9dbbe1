"""Lists that say what they searched, verdicts and answers in rows, and changes of many messages at once."""

from __future__ import annotations

from typing import Any

import pytest

from e2a_mcp.render import page_line

from .conftest import Connect
from .relay import Inbox
from .results import text_of
from .test_reading import STRANGER, call

pytestmark = pytest.mark.anyio


async def _subjects(client: Any, **asked: Any) -> list[str]:
    found = await call(client, "list_messages", **asked)
    return [row["subject"] for row in found.structured_content["messages"]]


async def test_an_empty_list_tells_what_else_is_there(connect: Connect, box: Inbox) -> None:
    async with connect() as client:
        nothing = await call(client, "list_messages")
        assert text_of(nothing) == f"0 unread inbound in {box.email}"
        for subject in ("one", "two", "three"):
            await call(client, "get_message", message_id=await box.deliver(subject))
        result = await call(client, "list_messages")
        assert text_of(result) == f"0 unread inbound in {box.email}; 3 read match (read_status=read)"
        assert result.structured_content["read_matches"] == 3
        assert result.structured_content["searched"] == {"direction": "inbound", "read_status": "unread"}
        later = await call(client, "list_messages", since="2d", sort="asc")
        assert "3 read match" in text_of(later)
        assert "read match" not in text_of(await call(client, "list_messages", since="in 1h"))
        trash = await call(client, "list_messages", deleted=True)
        assert text_of(trash) == f"0 messages in the trash of {box.email}"
        sent = await call(client, "list_messages", direction="outbound")
        assert text_of(sent) == f"0 outbound in {box.email}"


@pytest.mark.parametrize(
    "asked",
    [
        {"query": "invoice"},
        {"subject_contains": "Invoice"},
        {"from_": "alice"},
        {"labels": ["seen"]},
        {"filter": "label:seen"},
        {"filter": "created >= 1d", "trust": "verified"},
    ],
    ids=str,
)
async def test_a_search_covers_read_mail(connect: Connect, box: Inbox, asked: dict[str, Any]) -> None:
    message_id = await box.deliver("Invoice 7")
    async with connect() as client:
        await call(client, "get_message", message_id=message_id)
        await call(client, "update_message_labels", message_id=message_id, add_labels="seen")
        found = await call(client, "list_messages", **asked)
        assert text_of(found).startswith(f"1 inbound in {box.email}")
        unread = await call(client, "list_messages", **asked, read_status="unread")
        assert "1 read match" in text_of(unread)


async def test_rows_have_the_true_verdict_and_are_listed_by_it(connect: Connect, box: Inbox) -> None:
    await box.deliver("proven")
    await box.deliver("stranger", **STRANGER)
    await box.deliver("forged", sender="alice@example.org", mail_from="eve@evil.example")
    async with connect() as client:
        rows = (await call(client, "list_messages")).structured_content["messages"]
        verdicts = {row["subject"]: row["trust"] for row in rows}
        assert verdicts == {"proven": "verified", "stranger": "unverified", "forged": "failed"}
        assert all(row["thread_id"] for row in rows)
        for subject, verdict in verdicts.items():
            found = await call(client, "list_messages", trust=verdict)
            (row,) = found.structured_content["messages"]
            assert (row["subject"], row["trust"]) == (subject, verdict)
            assert f" {verdict}" in text_of(found)
            assert row["thread_id"] in text_of(found)


async def test_a_reply_marks_what_it_answers(connect: Connect, box: Inbox) -> None:
    first, second = await box.deliver("first"), await box.deliver("second")
    async with connect() as client:
        await call(client, "reply_to_message", message_id=first, text="Noted.")
        await call(client, "forward_message", message_id=second, to="dan@example.net")
        listed = await call(client, "list_messages", read_status="all")
        answered = {row["id"]: row.get("answered") for row in listed.structured_content["messages"]}
        assert answered == {first: True, second: None}
        assert " answered " in next(line for line in text_of(listed).splitlines() if line.startswith(first))
        read = await call(client, "get_message", message_id=first)
        assert read.structured_content["answered"] is True
        assert "answered" in text_of(read)


async def test_a_held_reply_answers_once_it_is_approved(connect: Connect, box: Inbox) -> None:
    message_id = await box.deliver()
    await box.hold_sends()
    async with connect() as client:
        held = await call(client, "reply_to_message", message_id=message_id, text="Noted.")
        read = await call(client, "get_message", message_id=message_id)
        assert "answered" not in read.structured_content
    async with connect("account") as client:
        await call(client, "approve_review", message_id=held.structured_content["message_id"])
        read = await call(client, "get_message", message_id=message_id, email=box.email)
        assert read.structured_content["answered"] is True


async def test_mail_is_marked_unread_again(connect: Connect, box: Inbox) -> None:
    message_id = await box.deliver()
    async with connect() as client:
        await call(client, "get_message", message_id=message_id)
        marked = await call(client, "update_message_labels", message_id=message_id, read_status="unread")
        assert marked.structured_content["read_status"] == "unread"
        assert text_of(marked) == f"{message_id} unread no labels"
        assert await _subjects(client) == ["Hello"]
        await call(client, "update_message_labels", message_id=message_id, read_status="read", add_labels="x")
        assert await _subjects(client) == []


async def test_many_messages_change_in_one_call(connect: Connect, box: Inbox) -> None:
    ids = [await box.deliver(str(number)) for number in range(12)]
    async with connect() as client:
        result = await call(
            client, "update_message_labels", message_ids=ids, add_labels=["a"], read_status="read"
        )
        assert text_of(result) == "12 updated"
        assert [row["message_id"] for row in result.structured_content["results"]] == ids
        assert len(await _subjects(client, labels="a")) == 12
        some = await call(client, "delete_message", message_ids=",".join([*ids[:3], "msg_none", ids[0]]))
        assert text_of(some) == "3 of 4 in the trash\nmsg_none: e2a error [not_found]: no such message"
        assert (some.structured_content["done"], some.structured_content["failed"]) == (3, 1)
        assert len(await _subjects(client, labels="a")) == 9
        for tool, more in (
            ("reply_to_message", {"text": "Yes."}),
            ("forward_message", {"to": "bob@example.net"}),
            ("update_message_labels", {"add_labels": "b"}),
        ):
            refused = await client.call_tool(tool, {"message_id": ids[0], **more})
            assert "in the trash; restore it first (restore_message" in text_of(refused)
        back = await call(client, "restore_message", message_ids=ids[:3])
        assert text_of(back) == "3 restored"
        assert len(await _subjects(client, labels="a")) == 12
        gone = await call(client, "delete_message", message_id=ids[0], confirm=True)
        assert text_of(gone) == f"{ids[0]} is in the trash"
        await call(client, "update_message_labels", message_id=ids[1], read_status="unread")
        await call(client, "delete_message", message_id=ids[1])
        one = await call(client, "restore_message", message_id=ids[1])
        assert text_of(one) == f"{ids[1]} restored"
        assert await _subjects(client) == ["1"]  # Restoring marks nothing read.


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        ({}, "give message_id or message_ids"),
        ({"message_id": "msg_1", "message_ids": ["msg_2"]}, "give message_id or message_ids"),
        ({"message_ids": [f"msg_{number}" for number in range(101)]}, "message_ids"),
        ({"message_id": "msg_none"}, "no such message"),
    ],
)
@pytest.mark.parametrize("name", ["update_message_labels", "delete_message", "restore_message"])
async def test_which_messages_must_be_clear(
    connect: Connect, name: str, asked: dict[str, Any], words: str
) -> None:
    async with connect() as client:
        result = await client.call_tool(name, asked)
    assert result.is_error
    assert words in text_of(result)


@pytest.mark.parametrize(
    ("query", "named"),
    [
        ("from:dora", "from:dora"),
        ("from:dora has:attachment", "from:dora"),
        ("subject:invoice label:vip", "subject:invoice, label:vip"),
        ("invoice -spoof", "-spoof"),
        ("invoice NOT lamp", "NOT"),
        ("invoice AND NOT lamp", "NOT"),
        ("to:bob@example.org lamp", "to:bob@example.org"),
        ("filename:plan.pdf", "filename:plan.pdf"),
        ("has:pdf", "has:pdf"),
        ("is:unread", "is:unread"),
        ("newer_than:2d invoice", "newer_than:2d"),
        ("(from:dora OR from:bob)", "(from:dora, from:bob)"),
        ("date>2026-01-01", "date>2026-01-01"),
        ("-from:dora", "-from:dora"),
    ],
)
async def test_a_query_says_what_it_took_as_words(
    connect: Connect, box: Inbox, query: str, named: str
) -> None:
    async with connect() as client:
        text = text_of(await call(client, "list_messages", query=query))
    assert f"took these as words: {named}; filter takes from: subject: label: NOT" in text


@pytest.mark.parametrize(
    "query",
    [
        "invoice",
        "Re: invoice",
        "do not reply",
        "not",
        "from: dora",
        "https://example.org/x?from=1",
        "invoice OR lamp",
        "has:attachment report",
        "10:30",
        "-5",
        "ls -la",
        "--help",
        "well-known",
        "A1-B2",
        "note:this",
    ],
)
async def test_a_query_of_words_has_no_such_note(connect: Connect, box: Inbox, query: str) -> None:
    async with connect() as client:
        assert "note:" not in text_of(await call(client, "list_messages", query=query))


async def test_one_is_not_told_as_several(connect: Connect, box: Inbox) -> None:
    message_id = await box.deliver("alone")
    async with connect() as client:
        found = text_of(await call(client, "list_messages", direction="all", read_status="all"))
        assert found.startswith(f"1 message in {box.email}")
        thread = (await call(client, "list_conversations")).structured_content["conversations"][0]["id"]
        shown = text_of(await call(client, "get_conversation", conversation_id=thread))
        assert ": 1 message, oldest first" in shown
        await call(client, "delete_message", message_id=message_id)
        trash = text_of(await call(client, "list_messages", deleted=True))
        assert trash.startswith(f"1 message in the trash of {box.email}")
        assert "in the trash since 20" in text_of(await call(client, "get_message", message_id=message_id))


async def test_a_label_that_is_none_is_named_for_each_message(connect: Connect, box: Inbox) -> None:
    message_id = await box.deliver("one")
    async with connect() as client:
        result = await call(
            client, "update_message_labels", message_ids=[message_id], add_labels=["vip", "to do"]
        )
    assert f"{message_id}: e2a error [invalid_request]: add_labels[1]: a label is" in text_of(result)
    (row,) = result.structured_content["results"]
    assert row["error"]["message"].startswith("add_labels[1]: a label is")


@pytest.mark.parametrize(
    ("count", "thing", "told"),
    [
        (0, "address", "0 addresses in here"),
        (1, "address", "1 address in here"),
        (2, "address", "2 addresses in here"),
        (1, "step", "1 step in here"),
        (3, "conversation", "3 conversations in here"),
    ],
)
def test_a_count_is_told_in_words_that_fit(count: int, thing: str, told: str) -> None:
    assert page_line(count, thing, "here", None) == told


async def test_words_that_are_not_looked_for_are_told(connect: Connect, box: Inbox) -> None:
    words = [f"word{number}" for number in range(30)]
    async with connect() as client:
        some = await call(client, "list_messages", query=" ".join(words))
        assert some.structured_content["truncated"] is True
        assert some.structured_content["unsearched"] == words[20:]
        assert "not looked for: word20, word21, word22, word23, word24 and 5 more" in text_of(some)
        assert "unsearched" not in (await call(client, "list_messages", query="word")).structured_content
