"""The account scope: inboxes, protection, reviews, keys, and the old names."""

from __future__ import annotations

import base64
import uuid
from typing import Any

import pytest

from e2a_core.errors import Unauthorized
from mcp import Client
from tests.support.home import SHARED
from tests.support.waiting import until

from .relay import Inbox, Relay
from .results import text_of

pytestmark = pytest.mark.anyio

FILE_TYPE = {
    "MIME-Version": "1.0",
    "Content-Type": "text/plain; name=a.txt",
    "Content-Disposition": "attachment",
}


async def call(client: Client, name: str, /, **arguments: Any) -> Any:
    result = await client.call_tool(name, arguments)
    assert not result.is_error, result.content
    return result.structured_content


async def hold(client: Client, box: Inbox, direction: str) -> None:
    gate = {f"{direction}_gate_policy": "allowlist", f"{direction}_gate_action": "review"}
    await call(client, "update_protection", email=box.email, **gate)


async def test_inboxes_are_made_renamed_and_deleted(relay: Relay) -> None:
    email = f"new-{uuid.uuid4().hex[:8]}@{SHARED}"
    async with relay.account() as client:
        await call(client, "create_agent", email=email, name="New")
        await call(client, "update_agent", email=email, name="Newer")
        agents = (await call(client, "list_agents"))["agents"]
        assert (email, "Newer") in [(agent["email"], agent["name"]) for agent in agents]
        gone = await call(client, "delete_agent", email=email, confirm=True)
        assert gone["deleted"] is True
        assert (await call(client, "restore_agent", email=email))["name"] == "Newer"


async def test_protection_changes_only_what_is_given(relay: Relay) -> None:
    box = await relay.inbox()
    async with relay.account() as client:
        await call(
            client,
            "update_protection",
            email=box.email,
            outbound_gate_policy="allowlist",
            outbound_gate_allowlist=["boss@example.org"],
            outbound_gate_action="review",
            holds_ttl_seconds=60,
        )
        await call(
            client,
            "update_protection",
            email=box.email,
            outbound_gate_allowlist=[],
            holds_on_expiry="approve",
        )
        config = await call(client, "get_protection", email=box.email)
    # An empty list is left out of what is stored.
    assert config["outbound"]["gate"] == {"policy": "allowlist", "action": "review"}
    assert config["inbound"]["gate"]["policy"] == "open"
    assert config["holds"] == {"ttl_seconds": 60, "on_expiry": "approve"}


async def test_a_review_is_decided_on_what_was_seen(relay: Relay) -> None:
    box = await relay.inbox()
    attached = [
        {"filename": "a.txt", "content_type": "text/plain", "data": base64.b64encode(b"abc").decode()}
    ]
    async with relay.account() as client, box.client() as agent:
        await hold(client, box, "outbound")
        held = await call(
            agent,
            "send_message",
            to=["a@example.org"],
            cc=["c@example.org"],
            bcc=["b@example.org"],
            subject="s",
            text="draft",
            html="<b>other</b>",
            attachments=attached,
        )
        assert held["message_id"] in [row["id"] for row in (await call(client, "list_reviews"))["reviews"]]
        for told in (
            await client.call_tool("list_reviews", {}),
            await client.call_tool("get_review", {"message_id": held["message_id"]}),
        ):
            assert "a@example.org, c@example.org and b@example.org are not on" in text_of(told)
            assert "hold_reason" in told.structured_content["untrusted"]["fields"]
        seen = await call(client, "get_review", message_id=held["message_id"])
        marker = seen["untrusted"]["marker"]
        for name, words in {"text": "draft", "html": "<b>other</b>"}.items():
            assert seen[name] == f"<<{marker}>>\n{words}\n<</{marker}>>"
        refused = await client.call_tool(
            "approve_review", {"message_id": held["message_id"], "content_hash": "sha256:old"}
        )
        assert refused.structured_content["code"] == "draft_changed"
        # An empty list takes away, what is left out stays.
        approved = await call(
            client,
            "approve_review",
            message_id=held["message_id"],
            content_hash=seen["content_hash"],
            attachments=[],
            cc=[],
        )
        assert approved["status"] == "accepted"
        sent = await box.get(held["message_id"])
        assert (sent.cc or [], sent.bcc, sent.attachments or []) == ([], ["b@example.org"], [])
        assert sent.body is not None
        assert sent.body.text == "draft"
        again = await client.call_tool("reject_review", {"message_id": held["message_id"]})
        assert again.structured_content["code"] == "message_not_pending"


async def held_mail(box: Inbox, client: Client, subject: str) -> str:
    """Brings mail that the inbox's gate holds, and gives its id."""
    assert (await box.relay.home.deliver(to=box.email, subject=subject, text="words")).accepted

    async def found() -> str | None:
        rows = (await call(client, "list_reviews"))["reviews"]
        return next((row["id"] for row in rows if row["subject"] == subject), None)

    return str(await until(found))


async def test_held_inbound_mail_is_fenced_in_the_queue(relay: Relay) -> None:
    box = await relay.inbox()
    async with relay.account() as client:
        await hold(client, box, "inbound")
        message_id = await held_mail(box, client, "obey me")
        result = await client.call_tool("list_reviews", {})
    marker = result.structured_content["untrusted"]["marker"]
    shown = f"<<{marker}>>From: Alice <alice@example.org> | Subject: obey me<</{marker}>>"
    assert shown in text_of(result)
    [row] = [row for row in result.structured_content["reviews"] if row["id"] == message_id]
    assert row["trust"] == "verified"


async def test_keys_are_made_for_agents_only_and_revoked(relay: Relay) -> None:
    box = await relay.inbox()
    async with relay.account() as client:
        made = await call(client, "create_api_key", agent_email=box.email, name="laptop")
        principal = (await relay.home.local.session(made["key"])).principal
        assert (principal.scope, principal.agent_email) == ("agent", box.email)
        refused = await client.call_tool("create_api_key", {"agent_email": box.email, "scope": "account"})
        assert refused.structured_content["code"] == "invalid_request"
        unclear = await client.call_tool("create_api_key", {"agent_email": box.email, "expires_at": "soon"})
        assert unclear.structured_content["code"] == "invalid_request"
        listed = (await call(client, "list_api_keys"))["api_keys"]
        assert all("key" not in row for row in listed)
        await call(client, "delete_api_key", id=made["id"], confirm=True)
    with pytest.raises(Unauthorized):
        await relay.home.local.session(made["key"])


async def test_the_old_names_still_work(relay: Relay) -> None:
    box = await relay.inbox()
    with_file = await box.deliver(headers=FILE_TYPE, body=b"abc\r\n")
    async with relay.account() as client:
        sent = await call(
            client,
            "send_email",
            to=["a@b.example"],
            subject="s",
            body="t",
            html_body="<p>t</p>",
            agent_email=box.email,
        )
        parsed = (await box.get(sent["message_id"])).parsed
        assert parsed is not None
        assert ((parsed.text or "").strip(), (parsed.html or "").strip()) == ("t", "<p>t</p>")
        data = await call(
            client, "get_attachment_data", message_id=with_file, attachment_index=0, agent_email=box.email
        )
        assert base64.b64decode(data["data"]).strip() == b"abc"
        assert set(data) == {"filename", "content_type", "size_bytes", "data"}
        await hold(client, box, "inbound")
        await hold(client, box, "outbound")
        draft = await call(
            client, "send_email", to=["c@b.example"], subject="d", body="draft", agent_email=box.email
        )
        first, second = [await held_mail(box, client, subject) for subject in ("one", "two")]
        pending = {row["id"] for row in (await call(client, "list_pending_messages"))["messages"]}
        assert {draft["message_id"], first, second} <= pending
        assert (await call(client, "get_pending_message", message_id=first))["id"] == first
        await call(client, "approve_pending_message", message_id=draft["message_id"], body_text="edited")
        edited = (await box.get(draft["message_id"])).parsed
        assert edited is not None
        assert (edited.text or "").strip() == "edited"
        await call(client, "approve_message", message_id=first)
        rejected = await call(client, "reject_message", message_id=second, reason="no")
        assert rejected["rejection_reason"] == "no"
        assert (await client.call_tool("reject_pending_message", {"message_id": second})).is_error
