"""Every operation of the public client, in the order somebody would come upon them."""

from __future__ import annotations

import base64
import email
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
from e2a.v1 import construct_event
from e2a.v1.errors import E2AAuthError, E2ANotFoundError

from tests.client.conftest import Tenant
from tests.client.driving import Driver
from tests.client.operations import OPERATIONS
from tests.support.receiver import receiving
from tests.support.serving import Served
from tests.support.smtp_client import letter, submit
from tests.support.waiting import PATIENCE_SECONDS, until

pytestmark = pytest.mark.anyio

HOLD_EVERYTHING = {
    "inbound": {"gate": {}, "scan": {}},
    "outbound": {"gate": {"policy": "allowlist", "action": "review"}, "scan": {}},
    "holds": {},
}
OPEN: dict[str, Any] = {
    "inbound": {"gate": {}, "scan": {}},
    "outbound": {"gate": {}, "scan": {}},
    "holds": {},
}


async def test_the_client_drives_every_operation(served: Served, tenant: Tenant, driver: Driver) -> None:
    inbox = tenant.address("walk")
    await account_and_agents(tenant, driver, inbox)
    message_id = await messages(served, driver, inbox)
    await conversations(driver, inbox, message_id)
    await reviews(driver, inbox)
    await suppressions(served, driver, inbox)
    await domains(driver, tenant)
    await templates(driver, inbox)
    await contacts(driver, inbox)
    await metrics(driver, inbox)
    await webhooks_and_events(driver, inbox)
    await trash(driver, inbox, message_id)
    await the_end(driver)
    assert driver.recorder.succeeded == OPERATIONS.keys()


async def webhooks_and_events(client: Driver, inbox: str) -> None:
    async with receiving() as receiver:
        made = await client.webhooks.create(
            {"url": receiver.url(), "events": ["email.received"], "filters": {"agent_emails": [inbox]}}
        )
        assert [item.id for item in await client.webhooks.list().to_list(limit=10)] == [made.id]
        assert (await client.webhooks.get(made.id)).filters.agent_emails == [inbox]
        await client.agents.test(inbox)
        [got] = await until(lambda: receiver.requests)
        event = construct_event(got.body, got.headers["x-e2a-signature"], made.signing_secret)
        rotated = await client.webhooks.rotate_secret(made.id)
        await client.webhooks.test(made.id)
        await until(lambda: len(receiver.requests) == 2)
        for secret in (made.signing_secret, rotated.signing_secret):
            construct_event(
                receiver.requests[1].body, receiver.requests[1].headers["x-e2a-signature"], secret
            )
        assert (await client.webhooks.update(made.id, {"description": "ours"})).description == "ours"
        assert event.id in [item.id for item in await client.events.list().to_list(limit=100)]
        await client.events.redeliver(event.id)
        await until(lambda: len(receiver.requests) == 3)
        assert receiver.requests[2].body == got.body
        deliveries = await client.webhooks.deliveries(made.id).to_list(limit=10)
        assert len(deliveries) == 3
        assert (await client.events.get(event.id)).status == "processed"
        assert (await client.webhooks.delete(made.id)).deleted


async def account_and_agents(tenant: Tenant, client: Driver, inbox: str) -> None:
    info = await client.info()
    assert info.shared_domain == "agents.example"
    account = await client.account.get()
    assert (account.user.email, account.scope, account.agent_email) == (tenant.email, "account", None)
    agent = await client.agents.create({"email": inbox.upper(), "name": "Walker"})
    assert (agent.email, agent.domain_verified) == (inbox, True)
    assert (await client.agents.update(inbox, {"name": "Runner"})).name == "Runner"
    assert (await client.agents.get(inbox)).name == "Runner"
    assert [item.email for item in await client.agents.list().to_list(limit=10)] == [inbox]
    protection = await client.agents.replace_protection(inbox, HOLD_EVERYTHING)
    assert protection == await client.agents.get_protection(inbox)
    assert protection.outbound.gate.action == "review"
    await client.agents.replace_protection(inbox, OPEN)
    key = await client.account.api_keys.create(
        {"name": "bound", "scope": "agent", "agent_email": inbox}, idempotency_key="one-key"
    )
    assert key.key.startswith("e2a_agt_")
    listed = await client.account.api_keys.list().to_list(limit=10)
    assert key.id in {item.id for item in listed}
    assert (await client.account.api_keys.delete(key.id)).deleted


async def messages(served: Served, client: Driver, inbox: str) -> str:
    """Leaves one message that came in with a file; returns its id."""
    content = letter(
        to=inbox,
        subject="A file for you",
        headers={"MIME-Version": "1.0", "Content-Type": 'multipart/mixed; boundary="b"'},
        body=b"--b\r\nContent-Type: text/plain\r\n\r\nSee below.\r\n--b\r\n"
        b'Content-Type: text/csv\r\nContent-Disposition: attachment; filename="a.csv"\r\n\r\n1,2\r\n--b--\r\n',
    )
    told = await submit(served.smtp, content, mail_from="alice@example.org", recipients=[inbox])
    assert told.final is not None
    assert told.final.code == 250

    async def arrived() -> Any:
        page = await client.messages.list(inbox, subject_contains="A FILE", limit=5).page()
        return page.items

    [summary] = await until(arrived)
    message = await client.messages.get(inbox, summary.id)
    assert (message.read_status, message.parsed.text) == ("read", "See below.")
    assert base64.b64decode(message.raw_message).endswith(b"--b--\r\n")
    labelled = await client.messages.update_labels(inbox, message.id, {"add_labels": ["Files"]})
    assert labelled.labels == ["files"]
    lifecycle = await client.messages.get_lifecycle(inbox, message.id)
    assert "acceptance.inbound_smtp" in {item.reason_code for item in lifecycle.items}
    await attachment(client, inbox, message.id)
    await sending(client, inbox, message.id)
    return str(message.id)


async def attachment(client: Driver, inbox: str, message_id: str) -> None:
    found = await client.messages.get_attachment(inbox, message_id, 0, inline=True)
    assert (found.filename, base64.b64decode(found.data).strip()) == ("a.csv", b"1,2")
    async with httpx.AsyncClient(timeout=PATIENCE_SECONDS) as anybody:
        file = await anybody.get(found.download_url)
        assert (file.status_code, file.content.strip()) == (200, b"1,2")
        assert file.headers["ratelimit-limit"] == "120"
        refused = await anybody.get(found.download_url[:-2])
        assert refused.status_code == 403


async def sending(client: Driver, inbox: str, message_id: str) -> None:
    sent = await client.messages.send(
        inbox, {"to": ["bob@example.org"], "subject": "Hello", "text": "Good day"}, wait="sent"
    )
    assert sent.status == "sent"
    reply = await client.messages.reply(inbox, message_id, {"text": "Thank you"}, wait="sent")
    assert reply.status == "sent"
    forwarded = await client.messages.forward(inbox, message_id, {"to": ["carol@example.org"], "text": "See"})
    assert forwarded.status == "accepted"
    due = datetime.now(UTC) + timedelta(days=1)
    later = await client.messages.send(
        inbox, {"to": ["bob@example.org"], "subject": "Later", "text": "x", "send_at": due}
    )
    assert later.status == "scheduled"
    assert abs(later.scheduled_at - due) < timedelta(seconds=1)
    myself = await client.messages.send(inbox, {"to": [inbox], "subject": "Note", "text": "to myself"})
    assert (myself.status, myself.sent_as, myself.method) == ("sent", "own_address", "loopback")
    assert (await client.agents.test(inbox)).status == "accepted"


async def conversations(client: Driver, inbox: str, message_id: str) -> None:
    listed = await client.conversations.list(inbox).to_list(limit=50)
    one = await client.conversations.get(inbox, listed[0].id)
    assert one.id == listed[0].id
    assert one.messages


async def reviews(client: Driver, inbox: str) -> None:
    await client.agents.replace_protection(inbox, HOLD_EVERYTHING)
    held = [
        await client.messages.send(inbox, {"to": ["bob@example.org"], "subject": name, "text": "May I?"})
        for name in ("first", "second")
    ]
    assert {item.status for item in held} == {"pending_review"}
    queue = await client.reviews.list().to_list(limit=10)
    assert {item.id for item in queue} == {item.message_id for item in held}
    draft = await client.reviews.get(held[0].message_id)
    assert (draft.review_status, draft.raw_message, draft.body.text) == ("pending_review", None, "May I?")
    approved = await client.reviews.approve(held[0].message_id, {"subject": "first, edited"})
    assert (approved.status, approved.edited) == ("accepted", True)
    rejected = await client.reviews.reject(held[1].message_id, {"reason": "no"})
    assert (rejected.status, rejected.rejection_reason) == ("review_rejected", "no")
    await client.agents.replace_protection(inbox, OPEN)


async def suppressions(served: Served, client: Driver, inbox: str) -> None:
    made = await client.agents.create_suppression(inbox, {"address": "Dora@Example.ORG", "reason": "asked"})
    assert (made.address, made.source) == ("dora@example.org", "manual")
    assert [item.address for item in await client.agents.list_suppressions(inbox).to_list(limit=5)] == [
        "dora@example.org"
    ]
    assert (await client.agents.delete_suppression(inbox, "dora@example.org")).deleted
    await bounce(served, client, inbox, "nobody@example.org")
    [listed] = await until(lambda: client.account.suppressions.list().to_list(limit=5))
    assert (listed.address, listed.source) == ("nobody@example.org", "bounce")
    assert (await client.account.suppressions.delete("nobody@example.org")).deleted


async def bounce(served: Served, client: Driver, inbox: str, address: str) -> None:
    """Have mail to `address` come back."""
    sent = await client.messages.send(
        inbox, {"to": [address], "subject": "Are you there?", "text": "?"}, wait="sent"
    )
    raw = base64.b64decode((await client.messages.get(inbox, sent.message_id)).raw_message)
    message_id = email.message_from_bytes(raw)["Message-ID"]
    report = (
        "--r\r\nContent-Type: text/plain\r\n\r\nIt failed.\r\n"
        "--r\r\nContent-Type: message/delivery-status\r\n\r\nReporting-MTA: dns; mx.example.org\r\n\r\n"
        f"Final-Recipient: rfc822; {address}\r\nAction: failed\r\nStatus: 5.1.1\r\n"
        "Diagnostic-Code: smtp; 550 5.1.1 no such user\r\n\r\n"
        f"--r\r\nContent-Type: text/rfc822-headers\r\n\r\nMessage-ID: {message_id}\r\n\r\n--r--\r\n"
    )
    content = letter(
        sender="postmaster@mx.example.org",
        to=inbox,
        subject="Undelivered",
        headers={"Content-Type": 'multipart/report; report-type=delivery-status; boundary="r"'},
        body=report.encode(),
    )
    await submit(served.smtp, content, mail_from="", recipients=[inbox])


async def domains(client: Driver, tenant: Tenant) -> None:
    name = tenant.email.partition("@")[0] + ".example.com"
    domain = await client.domains.create({"domain": name})
    assert not domain.verified
    assert {record.type for record in domain.dns_records} >= {"MX", "TXT"}
    assert (await client.domains.verify(name)).verified
    assert (await client.domains.get(name)).verified
    assert [item.domain for item in await client.domains.list().to_list(limit=5)] == [name]
    assert (await client.domains.delete(name)).deleted


async def templates(client: Driver, inbox: str) -> None:
    starters = await client.templates.list_starters().to_list(limit=20)
    assert len(starters) == 7
    starter = await client.templates.get_starter("welcome")
    assert starter.alias == "welcome"
    made = await client.templates.create(
        {"name": "Greeting", "alias": "hi", "subject": "Hi {{name}}", "text": "Dear {{name}}"}
    )
    assert (await client.templates.update(made.id, {"text": "Dearest {{name}}"})).text == "Dearest {{name}}"
    assert (await client.templates.get(made.id)).alias == "hi"
    assert [item.id for item in await client.templates.list().to_list(limit=5)] == [made.id]
    tried = await client.templates.validate({"subject": "{{x}}", "text": "a", "test_data": {"x": 1}})
    assert (tried.valid, tried.rendered.subject) == (True, "1")
    sent = await client.messages.send(
        inbox,
        {"to": ["bob@example.org"], "template_alias": "hi", "template_data": {"name": "Bob"}},
        wait="sent",
    )
    assert (await client.messages.get(inbox, sent.message_id)).subject == "Hi Bob"
    assert (await client.templates.delete(made.id)).deleted


async def contacts(client: Driver, inbox: str) -> None:
    made = await client.contacts.create({"address": "Bob <bob@example.org>", "metadata": {"scope": 1}})
    assert made.address == "bob@example.org"
    seen, tag = await client.contacts.get_with_etag("bob@example.org")
    assert seen.metadata == {"scope": 1}
    changed = await client.contacts.update("bob@example.org", {"display_name": "Bob B."}, if_match=tag)
    assert changed.display_name == "Bob B."
    rows = [{"address": "dan@example.org"}, {"address": "not an address"}]
    imported = await client.contacts.import_({"contacts": rows, "agent_email": inbox, "stage": "new"})
    assert (imported.created, imported.failed) == (1, 1)
    assert {item.address for item in await client.contacts.list().to_list(limit=5)} == {
        "bob@example.org",
        "dan@example.org",
    }
    due = datetime(2030, 1, 2, 3, 4, 5, tzinfo=UTC)
    worked = await client.contacts.set_outreach(
        inbox, "bob@example.org", {"stage": "asked", "next_action_at": due}
    )
    assert (worked.stage, worked.next_action_at) == ("asked", due)
    found = await client.contacts.outreach(inbox, stage="asked").to_list(limit=5)
    assert len(found) == 1
    same, engagement_tag = await client.contacts.get_outreach_with_etag(inbox, "bob@example.org")
    assert same.stage == "asked"
    assert engagement_tag
    assert (await client.contacts.delete_outreach(inbox, "bob@example.org")).deleted
    assert (await client.contacts.delete_import(imported.batch_id)).contacts_deleted == 1
    assert (await client.contacts.delete("bob@example.org")).deleted


async def metrics(client: Driver, inbox: str) -> None:
    of_agent = await client.messages.get_metrics(inbox)
    assert of_agent.agent_email == inbox
    of_account = await client.account.metrics(bucket="day", group_by="agent")
    assert [group.agent_email for group in of_account.agents] == [inbox]


async def trash(client: Driver, inbox: str, message_id: str) -> None:
    assert (await client.messages.delete(inbox, message_id)).deleted
    assert (await client.messages.restore(inbox, message_id)).deleted_at is None
    await client.messages.delete(inbox, message_id)
    await client.messages.delete(inbox, message_id, permanent=True)
    with pytest.raises(E2ANotFoundError):
        await client.messages.get(inbox, message_id)
    assert (await client.agents.delete(inbox)).messages_deleted == 0
    assert [item.email for item in await client.agents.list(deleted=True).to_list(limit=5)] == [inbox]
    assert (await client.agents.restore(inbox)).deleted_at is None


async def the_end(client: Driver) -> None:
    export = await client.account.export()
    assert export.schema_version == "4"
    assert export.messages
    receipt = await client.account.delete()
    assert receipt.user_deleted
    assert receipt.messages_deleted >= len(export.messages) - 1
    with pytest.raises(E2AAuthError):
        await client.account.get()
