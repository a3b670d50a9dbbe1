"""Display names beside the addresses that mail went to: shown where the addresses are, and fenced."""

from __future__ import annotations

import re
from collections.abc import Sequence

import pytest

from .conftest import Connect
from .relay import Inbox
from .results import text_of
from .test_reading import call

pytestmark = pytest.mark.anyio

FORMS: dict[str, tuple[str, str]] = {
    "a name": ("Bob Stone <bob@example.net>", "Bob Stone <bob@example.net>"),
    "quoted, with a comma": ('"Stone, Bob" <bob@example.net>', "Stone, Bob <bob@example.net>"),
    "encoded": ("=?utf-8?q?J=C3=BCrgen?= <bob@example.net>", "Jürgen <bob@example.net>"),
    "encoded in base64": ("=?utf-8?b?5bGx55Sw?= <bob@example.net>", "山田 <bob@example.net>"),
    "in two words": (
        "=?utf-8?q?J=C3=BC?=\r\n =?utf-8?q?rgen?= <bob@example.net>",
        "Jürgen <bob@example.net>",
    ),
    "a comment": ("bob@example.net (Bob Stone)", "Bob Stone <bob@example.net>"),
    "a comma without quotes": ("Stone, Bob <bob@example.net>", "Stone, Bob <bob@example.net>"),
    "an address for a name": ('"eve@example.org" <bob@example.net>', '"eve@example.org" <bob@example.net>'),
    "the address again": ("bob@example.net <bob@example.net>", "bob@example.net"),
    "no name": ("<bob@example.net>", "bob@example.net"),
    "hidden characters": ('"a\u202eb" <bob@example.net>', "a[U+202E]b <bob@example.net>"),
    "several": (
        'Bob <bob@example.net>, carol@example.net, "Dan" <dan@example.net>',
        "Bob <bob@example.net>, carol@example.net, Dan <dan@example.net>",
    ),
    "a group": (
        "Team: Bob <bob@example.net>, Dan <dan@example.net>;",
        "Bob <bob@example.net>, Dan <dan@example.net>",
    ),
    "beside one that is none": ("the whole team; Bob <bob@example.net>", "Bob <bob@example.net>"),
}


def letter(**fields: str) -> bytes:
    lines = [f"{name.replace('_', '-')}: {value}" for name, value in fields.items()]
    return "\r\n".join(["From: Alice <alice@example.org>", "Subject: s", *lines, "", "Hello."]).encode()


def inside(text: str) -> Sequence[str]:
    """What stands between the markers."""
    return [found[2] for found in re.finditer(r"<<([0-9a-zA-Z_-]+)>>(.*?)<</\1>>", text, re.DOTALL)]


async def test_names_are_shown_beside_addresses(connect: Connect, box: Inbox) -> None:
    async with connect() as client:
        for kind, (field, shown) in FORMS.items():
            message_id = await box.deliver(content=letter(To=field, Cc=field))
            read = await call(client, "get_message", message_id=message_id)
            fenced = "\n".join(inside(text_of(read))).splitlines()
            assert f"To: {shown}" in fenced, kind
            assert f"Cc: {shown}" in fenced, kind
            named = {item["address"]: item["name"] for item in read.structured_content.get("names", [])}
            assert bool(named) == (shown != "bob@example.net"), kind
            assert "names" in read.structured_content["untrusted"]["fields"] or not named, kind


async def test_a_conversation_names_those_in_it(connect: Connect, box: Inbox) -> None:
    to = f"Bob Stone <bob@example.net>, Our assistant <{box.email}>"
    message_id = await box.deliver(content=letter(To=to, Cc="Carol <CAROL@example.net>"))
    async with connect() as client:
        row = (await call(client, "list_messages")).structured_content["messages"][0]
        assert {item["name"] for item in row["names"]} == {"Bob Stone", "Our assistant", "Carol"}
        await call(client, "reply_to_message", message_id=message_id, text="Yes.")
        found = await call(client, "get_conversation", conversation_id=row["thread_id"])
    [who] = [words for words in inside(text_of(found)) if words.startswith("Participants: ")]
    for mailbox in (
        "Bob Stone <bob@example.net>",
        "Carol <carol@example.net>",
        f"Our assistant <{box.email}>",
        "Alice <alice@example.org>",
    ):
        assert mailbox in who


async def test_a_review_names_them(connect: Connect, box: Inbox) -> None:
    async with connect("account") as owner:
        await call(
            owner,
            "update_protection",
            email=box.email,
            inbound_gate_policy="allowlist",
            inbound_gate_action="review",
        )
        exchange = await box.relay.home.deliver(
            letter(To=f"Bob <bob@example.net>, {box.email}", Reply_To="Desk <desk@example.net>"), to=box.email
        )
        assert exchange.accepted
        rows = (await call(owner, "list_reviews")).structured_content["reviews"]
        held = next(row["id"] for row in rows if row["agent_email"] == box.email)
        read = text_of(await call(owner, "get_review", message_id=held))
    fenced = "\n".join(inside(read)).splitlines()
    assert f"To: Bob <bob@example.net>, {box.email}" in fenced
    assert "Reply-To: Desk <desk@example.net>" in fenced


async def test_long_lists_have_the_names_of_what_is_shown(connect: Connect, box: Inbox) -> None:
    to = ", ".join(f"Name {number} <n{number}@example.net>" for number in range(300))
    message_id = await box.deliver(content=letter(To=to))
    async with connect() as client:
        read = await call(client, "get_message", message_id=message_id)
    assert [item["name"] for item in read.structured_content["names"]] == [f"Name {n}" for n in range(20)]
    assert "Name 19 <n19@example.net> and 280 more" in text_of(read)
    assert len(text_of(read)) < 3000
