"""What the owner is told of a webhook at which nothing arrives, and what becomes of it."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from e2a_core.contract.engine import Session
from e2a_core.contract.webhooks import CreateWebhookRequest, DeliveryQuery, UpdateWebhookRequest, WebhookView
from e2a_core.errors import WebhookCooldown
from e2a_core.store.statement import sql
from tests.support.home import Home
from tests.support.receiver import Receiver, receiving
from tests.support.smtp_sink import SmtpSink
from tests.support.waiting import until

pytestmark = [
    pytest.mark.anyio,
    pytest.mark.relayed,
    pytest.mark.local_only("what a deployment does by itself"),
]

OWNER = "boss@corp.example"


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    async with receiving() as opened:
        opened.status = 404
        yield opened


@pytest.fixture
async def webhook(home: Home, owner: Session, receiver: Receiver) -> WebhookView:
    await home.local.core.db.write([sql("UPDATE accounts SET email = :email", email=OWNER)])
    return await owner.webhooks.create(
        CreateWebhookRequest(url=receiver.url("/path?secret=word"), events=["email.received"])
    )


async def posted(home: Home, count: int) -> None:
    """So many more events that were posted once."""
    before = await attempted(home)
    for _ in range(count):
        await home.deliver()

    async def all_attempted() -> bool:
        return await attempted(home) == before + count

    await until(all_attempted)


async def attempted(home: Home) -> int:
    rows = await home.local.core.db.read(sql("SELECT id FROM webhook_deliveries WHERE attempts > 0"))
    return len(rows)


async def quiet(home: Home) -> bool:
    """Whether the watch has run since and no notice waits."""
    now = home.clock.now().timestamp() * 1_000_000
    rows = await home.local.core.db.read(sql("SELECT kind, due_at FROM jobs WHERE kind LIKE 'webhook_%'"))
    return all(row["kind"] == "webhook_watch" and row["due_at"] > now for row in rows)


def words(sink: SmtpSink) -> list[bytes]:
    return [item.content for item in sink.messages if item.recipients == (OWNER,)]


async def test_the_owner_is_told_once_that_nothing_arrives(
    home: Home, sink: SmtpSink, receiver: Receiver, webhook: WebhookView
) -> None:
    await posted(home, 4)
    await home.advance(minutes=2)
    await until(lambda: quiet(home))
    assert words(sink) == []
    await posted(home, 1)
    await home.advance(minutes=2)
    [told] = await until(lambda: words(sink))
    assert b"HTTP 404" in told
    assert webhook.id.encode() in told
    assert b"secret=word" not in told
    await posted(home, 5)
    await home.advance(minutes=2)
    await until(lambda: quiet(home))
    assert len(words(sink)) == 1


async def test_an_arrival_begins_the_count_anew(
    home: Home, sink: SmtpSink, receiver: Receiver, webhook: WebhookView
) -> None:
    await posted(home, 4)
    receiver.status = 200
    await posted(home, 1)
    receiver.status = 404
    await posted(home, 4)
    await home.advance(seconds=62)
    await until(lambda: quiet(home))
    assert words(sink) == []


async def test_a_webhook_at_which_nothing_ever_arrives_is_disabled_and_told_of_once(
    home: Home, owner: Session, sink: SmtpSink, receiver: Receiver, webhook: WebhookView
) -> None:
    await posted(home, 10)
    core = home.local.core
    await core.db.write([sql("UPDATE webhook_deliveries SET attempts = 7, due_at = 1")])
    await core.db.write([sql("UPDATE jobs SET due_at = 1 WHERE kind = 'webhook'")])
    await until(lambda: settled(home))
    await posted(home, 1)
    await home.advance(minutes=2)
    found = await until(lambda: disabled(owner, webhook.id))
    assert (found.enabled, found.auto_disabled_reason) == (False, "HTTP 404")
    await until(lambda: any(b"disabled" in item for item in words(sink)))
    await until(lambda: quiet(home))
    await home.advance(minutes=2)
    await until(lambda: quiet(home))
    assert sum(b"disabled: nothing arrives" in item for item in words(sink)) == 1
    with pytest.raises(WebhookCooldown):
        await owner.webhooks.update(webhook.id, UpdateWebhookRequest(enabled=True))
    await home.advance(hours=24)
    await until(lambda: settled(home))
    page = await owner.webhooks.list_deliveries(webhook.id, DeliveryQuery())
    assert {item.status for item in page.items} == {"failed"}
    again = await owner.webhooks.update(webhook.id, UpdateWebhookRequest(enabled=True))
    assert (again.enabled, again.auto_disabled_at, again.auto_disabled_reason) == (True, None, None)


async def settled(home: Home) -> bool:
    rows = await home.local.core.db.read(sql("SELECT id FROM webhook_deliveries WHERE status = 'pending'"))
    return not rows


async def disabled(owner: Session, webhook_id: str) -> WebhookView | None:
    found = await owner.webhooks.get(webhook_id)
    return None if found.enabled else found
