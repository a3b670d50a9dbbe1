"""The account tier: inboxes, protection, reviews, keys, and the old names."""

from __future__ import annotations

import base64
from typing import Any

import pytest

from mcp import Client

from .conftest import Connect
from .memory import AGENT, MemoryEngine

pytestmark = pytest.mark.anyio


async def call(client: Client, name: str, /, **arguments: Any) -> Any:
    result = await client.call_tool(name, arguments)
    assert not result.is_error, result.content
    return result.structured_content


async def test_inboxes_are_made_renamed_and_deleted(connect: Connect, engine: MemoryEngine) -> None:
    async with connect("account") as client:
        await call(client, "create_agent", email="new@agents.localhost", name="New")
        await call(client, "update_agent", email="new@agents.localhost", name="Newer")
        agents = (await call(client, "list_agents"))["agents"]
        assert ("new@agents.localhost", "Newer") in [(agent["email"], agent["name"]) for agent in agents]
        gone = await call(client, "delete_agent", email="new@agents.localhost", confirm=True)
        assert gone["deleted"] is True
        assert (await call(client, "restore_agent", email="new@agents.localhost"))["name"] == "Newer"


async def test_protection_changes_only_what_is_given(connect: Connect, engine: MemoryEngine) -> None:
    async with connect("account") as client:
        await call(
            client,
            "update_protection",
            email=AGENT,
            outbound_gate_policy="allowlist",
            outbound_gate_allowlist=["boss@example.org"],
            outbound_gate_action="review",
            holds_ttl_seconds=60,
        )
        await call(
            client, "update_protection", email=AGENT, outbound_gate_allowlist=[], holds_on_expiry="approve"
        )
        config = await call(client, "get_protection", email=AGENT)
    assert config["outbound"]["gate"] == {"policy": "allowlist", "allowlist": [], "action": "review"}
    assert config["inbound"]["gate"]["policy"] == "open"
    assert config["holds"] == {"ttl_seconds": 60, "on_expiry": "approve", "suppress_notifications": False}


async def test_a_review_is_decided_on_what_was_seen(connect: Connect, engine: MemoryEngine) -> None:
    engine.hold_sends = True
    async with connect("agent") as agent:
        held = await call(
            agent, "send_message", to=["a@example.org"], subject="s", text="draft", html="<b>other</b>"
        )
    async with connect("account") as client:
        (row,) = (await call(client, "list_reviews"))["reviews"]
        assert row["id"] == held["message_id"]
        seen = await call(client, "get_review", message_id=row["id"])
        marker = seen["untrusted"]["marker"]
        for name, words in {"text": "draft", "html": "<b>other</b>"}.items():
            assert seen[name] == f"<<{marker}>>\n{words}\n<</{marker}>>"
        refused = await client.call_tool(
            "approve_review", {"message_id": row["id"], "content_hash": "sha256:old"}
        )
        assert refused.structured_content["code"] == "draft_changed"
        approved = await call(
            client,
            "approve_review",
            message_id=row["id"],
            content_hash=seen["content_hash"],
            attachments=[],
            cc=[],
        )
        assert approved["status"] == "accepted"
        request, _ = engine.sent[-1]
        assert (request.attachments, request.cc, request.bcc, request.text) == ([], [], None, None)
        again = await client.call_tool("reject_review", {"message_id": row["id"]})
        assert again.structured_content["code"] == "message_not_pending"


async def test_held_inbound_mail_is_fenced_in_the_queue(connect: Connect, engine: MemoryEngine) -> None:
    await engine.deliver("obey me", "words", verified=False, pending=True)
    async with connect("account") as client:
        result = await client.call_tool("list_reviews", {})
    marker = result.structured_content["untrusted"]["marker"]
    assert f"<<{marker}>>From: me@example.org | Subject: obey me<</{marker}>>" in result.content[0].text
    assert result.structured_content["reviews"][0]["trust"] == "unverified"


async def test_keys_are_made_for_agents_only_and_revoked(connect: Connect, engine: MemoryEngine) -> None:
    async with connect("account") as client:
        made = await call(client, "create_api_key", agent_email=AGENT, name="laptop")
        assert engine.keys[made["key"]] == ("agent", AGENT)
        refused = await client.call_tool("create_api_key", {"agent_email": AGENT, "scope": "account"})
        assert refused.structured_content["code"] == "invalid_request"
        naive = await client.call_tool(
            "create_api_key", {"agent_email": AGENT, "expires_at": "2027-01-01T00:00:00"}
        )
        assert naive.structured_content["code"] == "invalid_request"
        listed = (await call(client, "list_api_keys"))["api_keys"]
        assert all("key" not in row for row in listed)
        await call(client, "delete_api_key", id=made["id"], confirm=True)
    assert made["key"] not in engine.keys


async def test_the_old_names_still_work(connect: Connect, engine: MemoryEngine) -> None:
    first = await engine.deliver("held", pending=True)
    second = await engine.deliver("held too", pending=True)
    third = await engine.deliver("held as well", pending=True)
    with_file = await engine.deliver(attachments=[("a.txt", "text/plain", b"abc")])
    async with connect("account") as client:
        await call(
            client, "send_email", to=["a@b.c"], subject="s", body="t", html_body="<p>t</p>", agent_email=AGENT
        )
        request, options = engine.sent[0]
        assert (request.text, request.html, options.mint_key) == ("t", "<p>t</p>", True)
        data = await call(client, "get_attachment_data", message_id=with_file, attachment_index=0)
        assert base64.b64decode(data["data"]) == b"abc"
        assert set(data) == {"filename", "content_type", "size_bytes", "data"}
        pending = (await call(client, "list_pending_messages"))["messages"]
        assert [row["id"] for row in pending] == [first, second, third]
        assert (await call(client, "get_pending_message", message_id=first))["id"] == first
        await call(client, "approve_pending_message", message_id=first, body_text="edited")
        assert engine.sent[1][0].text == "edited"
        await call(client, "approve_message", message_id=second)
        rejected = await call(client, "reject_message", message_id=third, reason="no")
        assert rejected["rejection_reason"] == "no"
        assert (await client.call_tool("reject_pending_message", {"message_id": third})).is_error
