"""The account's tools over a whole relay and over its API: each does what its name says, and shows what it did."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from e2a.v1 import construct_event

from e2a_core.clock import rfc3339
from mcp import Client
from tests.support.home import ASSISTANT, SHARED, Home
from tests.support.receiver import receiving
from tests.support.waiting import until

from .relay import Listener
from .results import text_of

pytestmark = pytest.mark.anyio

BOB = "bob@example.org"


async def call(client: Client, name: str, /, **arguments: Any) -> Any:
    result = await client.call_tool(name, arguments)
    assert not result.is_error, result.content
    return result.structured_content


async def refused(client: Client, name: str, /, **arguments: Any) -> Any:
    result = await client.call_tool(name, arguments)
    assert result.is_error, result.content
    return result.structured_content["code"]


async def test_a_domain(served: Listener, home: Home) -> None:
    async with served.client(home.account_key) as owner:
        made = await call(owner, "register_domain", domain="agents.customer.example")
        assert {record["type"] for record in made["dns_records"]} >= {"MX", "TXT"}
        assert (made["verified"], made["agent_count"]) == (False, 0)
        listed = (await call(owner, "list_domains"))["domains"]
        assert "agents.customer.example" in [domain["domain"] for domain in listed]
        looked = await call(owner, "verify_domain", domain="agents.customer.example")
        assert looked["verified"] is False
        rotated = await call(owner, "rotate_domain_key", domain="agents.customer.example")
        assert rotated["domain"] == "agents.customer.example"
        gone = await call(owner, "delete_domain", domain="agents.customer.example", confirm=True)
        assert gone["deleted"] is True
        assert await refused(owner, "get_domain", domain="agents.customer.example") == "not_found"


async def test_a_template_is_made_tried_sent_and_deleted(served: Listener, home: Home) -> None:
    async with served.client(home.account_key) as owner:
        starters = (await call(owner, "list_starter_templates"))["starter_templates"]
        starter = await call(owner, "get_starter_template", alias=starters[0]["alias"])
        assert starter["text"]
        copied = await call(owner, "create_template", from_starter=starter["alias"])
        assert copied["text"] == starter["text"]
        made = await call(
            owner, "create_template", name="Hi", alias="hi", subject="Hi {{name}}", text="Dear {{name}}"
        )
        tried = await call(
            owner, "validate_template", subject="{{a}}", text="{{b.c}}", test_data={"a": "1", "b": {"c": "2"}}
        )
        assert (tried["valid"], tried["rendered"]["text"]) == (True, "2")
        assert set(tried["suggested_data"]) == {"a", "b"}
        changed = await call(owner, "update_template", id=made["id"], alias="")
        assert (changed.get("alias"), changed["subject"]) == (None, "Hi {{name}}")
        await call(owner, "update_template", id=made["id"], alias="hello")
        sent = await call(
            owner,
            "send_message",
            email=ASSISTANT,
            to=[BOB],
            template_alias="hello",
            template_data={"name": "Bob"},
        )
        read = await call(owner, "get_message", email=ASSISTANT, message_id=sent["message_id"])
        assert (read["subject"], read["text"].strip()) == ("Hi Bob", "Dear Bob")
        ids = {row["id"] for row in (await call(owner, "list_templates"))["templates"]}
        assert ids == {made["id"], copied["id"]}
        await call(owner, "delete_template", id=made["id"], confirm=True)
        assert (await refused(owner, "get_template", id=made["id"])).endswith("not_found")


async def test_a_suppressed_address_is_not_written_to(served: Listener, home: Home) -> None:
    letter = {"email": ASSISTANT, "to": [BOB], "subject": "s", "text": "t"}
    async with served.client(home.account_key) as owner:
        made = await call(owner, "create_suppression", email=ASSISTANT, address=BOB, reason="asked")
        assert (made["agent_email"], made["reason"]) == (ASSISTANT, "asked")
        (row,) = (await call(owner, "list_suppressions", email=ASSISTANT))["suppressions"]
        assert row["address"] == BOB
        assert (await call(owner, "list_suppressions"))["suppressions"] == []
        nowhere = await owner.call_tool("create_suppression", {"address": BOB})
        assert "email is required: the inbox that stops writing to address" in text_of(nowhere)
        assert await refused(owner, "send_message", **letter) == "recipient_suppressed"
        await call(owner, "delete_suppression", email=ASSISTANT, address=BOB, confirm=True)
        assert (await call(owner, "send_message", **letter))["status"] == "accepted"
        elsewhere = await owner.call_tool("delete_suppression", {"address": BOB, "confirm": True})
        assert "not on the account's list" in text_of(elsewhere)


async def test_contacts_and_outreach(served: Listener, home: Home) -> None:
    async with served.client(home.account_key) as owner, served.client(home.agent_key) as agent:
        made = await call(owner, "create_contact", address=BOB, display_name="Bob", metadata={"team": "red"})
        changed = await call(
            owner, "update_contact", address=BOB, display_name="Bobby", if_match=made["etag"]
        )
        assert (changed["display_name"], changed["metadata"]) == ("Bobby", {"team": "red"})
        stale = await refused(owner, "update_contact", address=BOB, display_name="B", if_match=made["etag"])
        assert stale == "precondition_failed"
        rows = [{"address": "ann@example.org", "display_name": "Ann"}, {"address": "nobody"}]
        batch = await call(
            owner, "import_contacts", contacts=rows, agent_email=ASSISTANT, stage="new", on_conflict="skip"
        )
        assert (batch["created"], batch["failed"]) == (1, 1)
        found = (await call(owner, "list_contacts", import_batch_id=batch["batch_id"]))["contacts"]
        assert [contact["address"] for contact in found] == ["ann@example.org"]
        (enrolled,) = (await call(agent, "list_engagements", stage="new"))["engagements"]
        assert enrolled["address"] == "ann@example.org"
        due = rfc3339(home.clock.now() + timedelta(days=1))
        noted = await call(agent, "upsert_engagement", address=BOB, stage="met", next_action_at=due)
        assert (noted["stage"], noted["next_action_at"]) == ("met", due)
        kept = await call(agent, "upsert_engagement", address=BOB, metadata={"n": 1})
        assert (kept["stage"], kept["next_action_at"]) == ("met", due)
        cleared = await call(
            agent, "upsert_engagement", address=BOB, next_action_at=None, if_match=kept["etag"]
        )
        assert (cleared["stage"], cleared["next_action_at"]) == ("met", None)
        assert (await call(agent, "get_engagement", address=BOB))["etag"] == cleared["etag"]
        assert (await call(agent, "delete_engagement", address=BOB, confirm=True))["deleted"] is True
        undone = await call(owner, "delete_import_batch", batch_id=batch["batch_id"], confirm=True)
        assert undone["contacts_deleted"] == 1
        await call(owner, "delete_contact", address=BOB, confirm=True)
        assert await refused(owner, "get_contact", address=BOB) == "contact_not_found"
        assert await refused(agent, "create_contact", address=BOB) == "unknown_tool"


async def test_a_delegation(served: Listener, home: Home) -> None:
    async with served.client(home.account_key) as owner:
        made = await call(owner, "create_delegation", email=ASSISTANT, human="alice@example.org")
        (row,) = (await call(owner, "list_delegations", email=ASSISTANT))["delegations"]
        assert (row["id"], row["human"]) == (made["id"], "alice@example.org")
        await call(owner, "delete_delegation", email=ASSISTANT, id=made["id"], confirm=True)
        assert (await call(owner, "list_delegations", email=ASSISTANT))["delegations"] == []


async def test_a_webhook_from_its_making_to_its_end(served: Listener, home: Home) -> None:
    async with served.client(home.account_key) as owner, receiving() as receiver:
        made = await call(
            owner,
            "create_webhook",
            url=receiver.url(),
            events=["email.received"],
            filters={"agent_emails": [ASSISTANT]},
        )
        await home.deliver()
        [got] = await until(lambda: receiver.requests)
        event = construct_event(got.body, got.headers["x-e2a-signature"], made["signing_secret"])
        [row] = (await call(owner, "list_events", type="email.received"))["events"]
        assert (row["id"], row["type"]) == (event.id, "email.received")
        await call(owner, "redeliver_event", id=event.id)
        await until(lambda: len(receiver.requests) == 2)
        rotated = await call(owner, "rotate_webhook_secret", id=made["id"])
        await call(owner, "test_webhook", id=made["id"])
        await until(lambda: len(receiver.requests) == 3)
        last = receiver.requests[2]
        construct_event(last.body, last.headers["x-e2a-signature"], rotated["signing_secret"])
        deliveries = (await call(owner, "list_webhook_deliveries", id=made["id"]))["deliveries"]
        assert len(deliveries) == 3
        stopped = await call(owner, "update_webhook", id=made["id"], enabled=False)
        assert [stopped] == (await call(owner, "list_webhooks"))["webhooks"]
        assert await refused(owner, "test_webhook", id=made["id"]) == "webhook_disabled"
        await call(owner, "delete_webhook", id=made["id"], confirm=True)
        assert (await call(owner, "list_webhooks"))["webhooks"] == []


async def test_a_scheduled_message_waits_and_can_be_called_off(served: Listener, home: Home) -> None:
    later = rfc3339(home.clock.now() + timedelta(hours=2))
    async with served.client(home.agent_key) as agent:
        result = await agent.call_tool(
            "send_message", {"to": [BOB], "subject": "s", "text": "t", "send_at": later}
        )
        sent = result.structured_content
        assert (sent["status"], sent["scheduled_at"]) == ("scheduled", later)
        assert "delete_message" in text_of(result)
        (row,) = (await call(agent, "list_messages", direction="outbound"))["messages"]
        assert row["scheduled_at"] == later
        await call(agent, "delete_message", message_id=sent["message_id"])
        assert (await call(agent, "list_messages", direction="outbound"))["messages"] == []
        naive = {"to": [BOB], "subject": "s", "text": "t", "send_at": "2999-01-01T00:00:00"}
        assert await refused(agent, "send_message", **naive) == "invalid_request"


async def test_a_send_may_wait_and_may_carry_an_unsubscribe_link(served: Listener, home: Home) -> None:
    async with served.client(home.agent_key) as agent:
        sent = await call(
            agent,
            "send_message",
            to=[BOB],
            subject="News",
            text="t",
            unsubscribe="managed",
            wait_sent=True,
        )
        assert sent["status"] == "sent"
        read = await call(agent, "get_message", message_id=sent["message_id"], format="headers")
        assert "List-Unsubscribe-Post: List-Unsubscribe=One-Click" in read["headers"]


async def test_a_test_mail_arrives_and_is_counted(served: Listener, home: Home) -> None:
    async with served.client(home.account_key) as owner, served.client(home.agent_key) as agent:
        assert (await call(owner, "test_agent", email=ASSISTANT))["message_id"]

        async def arrived() -> Any:
            return (await call(agent, "list_messages"))["messages"]

        assert len(await until(arrived)) == 1
        mine = await call(agent, "get_agent_metrics")
        assert (mine["agent_email"], mine["messages_in_window"]) == (ASSISTANT, 2)
        assert "bounce_rate" in mine["rates"]
        ours = await call(owner, "get_account_metrics", group_by="agent", bucket="day")
        assert [group["agent_email"] for group in ours["agents"]] == [ASSISTANT]
        assert await refused(agent, "get_agent_metrics", email=f"other@{SHARED}") in {
            "forbidden",
            "not_found",
        }


async def test_an_export_is_shown_whole_only_while_it_is_small(served: Listener, home: Home) -> None:
    async with served.client(home.account_key) as owner:
        small = await call(owner, "export_account")
        assert (small["complete"], small["counts"]["agents"]) == (True, 1)
        assert f"<<{small['untrusted']['marker']}>>" in small["document"]
        for number in range(3):
            assert (await home.deliver(subject=str(number), text="words " * 4000)).accepted
        large = await call(owner, "export_account")
        assert (large["complete"], large["counts"]["messages"]) == (False, 3)
        assert "document" not in large
