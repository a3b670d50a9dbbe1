"""Webhooks as their owner makes and changes them, and which events reach them."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import anyio
import pytest
from e2a.v1 import construct_event
from pydantic import ValidationError
from standardwebhooks import Webhook

from e2a_core.clock import rfc3339
from e2a_core.contract.engine import Session
from e2a_core.contract.events import EventQuery, RedeliverEventRequest
from e2a_core.contract.messages import UpdateMessageRequest
from e2a_core.contract.webhooks import (
    CreateWebhookRequest,
    CreateWebhookResponse,
    DeliveryQuery,
    UpdateWebhookRequest,
)
from e2a_core.contract.webhooks import TestWebhookRequest as WebhookTest
from e2a_core.errors import (
    Conflict,
    E2AError,
    EventGone,
    Forbidden,
    InvalidRequest,
    InvalidWebhookUrl,
    NotFound,
    WebhookDisabled,
    WebhookLimitReached,
)
from e2a_core.local.webhooks import MAX_WEBHOOKS
from e2a_core.store.statement import sql
from tests.engine.mailbox import arrived
from tests.support.home import ASSISTANT, Home, stranger
from tests.support.receiver import Received, Receiver, receiving
from tests.support.waiting import until

pytestmark = pytest.mark.anyio

TYPES = ["email.received"]


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    async with receiving() as opened:
        yield opened


def wanted(receiver: Receiver, path: str = "/hook", **members: Any) -> CreateWebhookRequest:
    return CreateWebhookRequest(**{"url": receiver.url(path), "events": TYPES, **members})


@pytest.mark.parametrize(
    ("members", "error", "location"),
    [
        ({"url": ""}, InvalidWebhookUrl, "body.url"),
        ({"url": "https://10.0.0.1/"}, InvalidWebhookUrl, "body.url"),
        ({"url": "http://hooks.example.org/"}, InvalidWebhookUrl, "body.url"),
        ({"url": "https://unknown.example.org/"}, InvalidWebhookUrl, "body.url"),
        ({"url": "https://example.org/" + "x" * 2048}, InvalidRequest, "body.url"),
        ({"events": []}, InvalidRequest, "body.events"),
        ({"description": "x" * 201}, InvalidRequest, "body.description"),
        ({"description": "two\nlines"}, InvalidRequest, "body.description"),
        (
            {"filters": {"agent_emails": ["nobody@agents.example"]}},
            InvalidRequest,
            "body.filters.agent_emails[0]",
        ),
        ({"filters": {"agent_emails": [ASSISTANT] * 51}}, InvalidRequest, "body.filters.agent_emails"),
        ({"filters": {"conversation_ids": ["a b"]}}, InvalidRequest, "body.filters.conversation_ids[0]"),
        ({"filters": {"conversation_ids": [""]}}, InvalidRequest, "body.filters.conversation_ids[0]"),
        ({"filters": {"labels": ["ok", "not a label"]}}, InvalidRequest, "body.filters.labels[1]"),
    ],
)
async def test_what_is_wrong_is_refused_by_its_place_and_nothing_is_made(
    owner: Session, receiver: Receiver, members: dict[str, Any], error: type[E2AError], location: str
) -> None:
    with pytest.raises(error) as refused:
        await owner.webhooks.create(wanted(receiver, **members))
    assert [item["location"] for item in (refused.value.details or {})["fields"]] == [location]
    assert (await owner.webhooks.list()).items == []
    made = await owner.webhooks.create(wanted(receiver))
    with pytest.raises(error):
        await owner.webhooks.update(made.id, UpdateWebhookRequest(**members))
    found = await owner.webhooks.get(made.id)
    assert (found.url, found.events, found.enabled) == (receiver.url(), TYPES, True)


def test_a_type_that_no_event_has_is_not_taken() -> None:
    with pytest.raises(ValidationError):
        CreateWebhookRequest(url="https://example.org/", events=["email.opened"])


async def test_an_agent_and_a_stranger_see_none_of_it(
    home: Home, owner: Session, agent: Session, receiver: Receiver
) -> None:
    made = await owner.webhooks.create(wanted(receiver))
    other = await home.local.session(await stranger(home, "theirs@agents.example"))
    for session, error in ((agent, Forbidden), (other, NotFound)):
        for call in (
            session.webhooks.get(made.id),
            session.webhooks.delete(made.id),
            session.webhooks.rotate_secret(made.id),
            session.webhooks.test(made.id, WebhookTest()),
            session.webhooks.update(made.id, UpdateWebhookRequest(enabled=False)),
            session.webhooks.list_deliveries(made.id, DeliveryQuery()),
        ):
            with pytest.raises(error):
                await call
    assert (await other.webhooks.list()).items == []
    assert (await other.events.list(EventQuery())).items == []


async def test_there_are_no_more_than_the_limit(owner: Session, receiver: Receiver) -> None:
    for _ in range(MAX_WEBHOOKS - 1):
        await owner.webhooks.create(wanted(receiver))
    refused = 0

    async def one_more() -> None:
        nonlocal refused
        try:
            await owner.webhooks.create(wanted(receiver))
        except WebhookLimitReached:
            refused += 1

    async with anyio.create_task_group() as group:
        for _ in range(5):
            group.start_soon(one_more)
    assert refused == 4
    assert len((await owner.webhooks.list()).items) == MAX_WEBHOOKS


async def test_a_repeat_with_a_key_makes_one_and_shows_its_secret_again(
    owner: Session, receiver: Receiver
) -> None:
    first = await owner.webhooks.create(wanted(receiver), idempotency_key="one")
    again = await owner.webhooks.create(wanted(receiver), idempotency_key="one")
    assert (again.id, again.signing_secret) == (first.id, first.signing_secret)
    rotated = await owner.webhooks.rotate_secret(first.id, idempotency_key="two")
    assert await owner.webhooks.rotate_secret(first.id, idempotency_key="two") == rotated
    assert len((await owner.webhooks.list()).items) == 1


async def test_filters_are_of_the_events_own_values(home: Home, owner: Session, receiver: Receiver) -> None:
    made = {
        path: await owner.webhooks.create(wanted(receiver, path, filters=filters))
        for path, filters in {
            "/all": None,
            "/agent": {"agent_emails": [ASSISTANT.upper()]},
            "/conversation": {"conversation_ids": ["conv_of_another"]},
            "/both": {"agent_emails": [ASSISTANT], "conversation_ids": ["conv_of_another"]},
        }.items()
    }
    assert made["/agent"].filters.agent_emails == [ASSISTANT]
    await home.deliver()
    await until(lambda: {item.path for item in receiver.requests} == {"/all", "/agent"})
    await home.deliver()
    await until(lambda: len(receiver.requests) == 4)
    assert receiver.on("/conversation") + receiver.on("/both") == []


async def test_labels_are_those_of_the_message_and_its_thread(
    home: Home, owner: Session, agent: Session, receiver: Receiver
) -> None:
    await owner.webhooks.create(wanted(receiver, "/labelled", filters={"labels": ["Invoice", "urgent"]}))
    await owner.webhooks.create(wanted(receiver, "/every"))
    await home.deliver(subject="Bill", message_id="<first@example.org>")
    await until(lambda: receiver.on("/every"))
    received = await arrived(agent)
    await agent.messages.update(ASSISTANT, received.id, UpdateMessageRequest(add_labels=["invoice"]))
    await home.deliver(subject="Something else")
    await home.deliver(subject="Re: Bill", headers={"In-Reply-To": "<first@example.org>"})
    await until(lambda: len(receiver.on("/every")) == 3)
    [got] = await until(lambda: receiver.on("/labelled"))
    assert b'"Re: Bill"' in got.body


async def test_a_conversation_arrives_in_order_if_that_is_asked_for(
    home: Home, owner: Session, receiver: Receiver
) -> None:
    made = await owner.webhooks.create(wanted(receiver, ordered=True))
    receiver.then([500])
    await home.deliver(subject="one", message_id="<first@example.org>")
    await until(lambda: receiver.requests)
    for subject in ("two", "three"):
        await home.deliver(subject=subject, headers={"In-Reply-To": "<first@example.org>"})
    await home.deliver(subject="of another")
    await until(lambda: len(receiver.requests) == 2)
    await _delivered(owner, made.id, 1)
    await home.advance(minutes=2)
    await until(lambda: len(receiver.requests) == 5)
    subjects = [construct_event(*_signed(item, made)).data["subject"] for item in receiver.requests]
    assert subjects == ["one", "of another", "one", "two", "three"]


async def _delivered(owner: Session, webhook_id: str, count: int) -> None:
    async def look() -> bool:
        page = await owner.webhooks.list_deliveries(webhook_id, DeliveryQuery(status="delivered"))
        return len(page.items) == count

    await until(look)


def _signed(got: Received, made: CreateWebhookResponse) -> tuple[bytes, str, str]:
    return got.body, got.headers["x-e2a-signature"], made.signing_secret


async def test_a_rotated_secret_signs_along_for_a_day(home: Home, owner: Session, receiver: Receiver) -> None:
    made = await owner.webhooks.create(wanted(receiver))
    rotated = await owner.webhooks.rotate_secret(made.id)
    assert rotated.previous_secret_expires_at - home.clock.now() > timedelta(hours=23)
    await owner.webhooks.test(made.id, WebhookTest())
    [got] = await until(lambda: receiver.requests)
    assert got.headers["x-e2a-signature"].count("v1=") == 2
    assert got.headers["webhook-signature"].count("v1,") == 2
    for secret in (made.signing_secret, rotated.signing_secret):
        construct_event(got.body, got.headers["x-e2a-signature"], secret)
        Webhook(secret).verify(got.body, got.headers)
    await _delivered(owner, made.id, 1)
    home.clock.advance(hours=25)
    await owner.webhooks.test(made.id, WebhookTest())
    await until(lambda: len(receiver.requests) == 2)
    assert receiver.requests[1].headers["x-e2a-signature"].count("v1=") == 1


async def test_nothing_more_comes_after_the_end(home: Home, owner: Session, receiver: Receiver) -> None:
    made = await owner.webhooks.create(wanted(receiver))
    receiver.then([500])
    await home.deliver()
    await until(lambda: receiver.requests)
    await owner.webhooks.delete(made.id)
    other = await owner.webhooks.create(wanted(receiver, "/other"))
    await home.deliver()
    await until(lambda: receiver.on("/other"))
    await home.advance(minutes=2)
    await owner.webhooks.test(other.id, WebhookTest())
    await until(lambda: len(receiver.on("/other")) == 2)
    assert len(receiver.on("/hook")) == 1


async def test_a_stopped_webhook_is_sent_nothing_until_it_is_enabled(
    home: Home, owner: Session, receiver: Receiver
) -> None:
    made = await owner.webhooks.create(wanted(receiver))
    await owner.webhooks.create(wanted(receiver, "/other"))
    receiver.then([500, 500])
    await home.deliver()
    await until(lambda: len(receiver.requests) == 2)
    await owner.webhooks.update(made.id, UpdateWebhookRequest(enabled=False))
    with pytest.raises(WebhookDisabled):
        await owner.webhooks.test(made.id, WebhookTest())
    await home.deliver()
    await until(lambda: len(receiver.on("/other")) == 2)
    await home.advance(minutes=3)
    await until(lambda: len(receiver.on("/other")) == 3)
    assert len(receiver.on("/hook")) == 1
    await owner.webhooks.update(made.id, UpdateWebhookRequest(enabled=True))
    await until(lambda: len(receiver.on("/hook")) == 2)


async def test_an_event_is_delivered_again_in_the_same_octets(
    home: Home, owner: Session, receiver: Receiver
) -> None:
    made = await owner.webhooks.create(wanted(receiver))
    stopped = await owner.webhooks.create(wanted(receiver, "/stopped"))
    unrelated = await owner.webhooks.create(wanted(receiver, "/unrelated", events=["email.bounced"]))
    await home.deliver()
    await until(lambda: len(receiver.requests) == 2)
    [event] = (await owner.events.list(EventQuery(type="email.received"))).items
    await owner.webhooks.update(stopped.id, UpdateWebhookRequest(enabled=False))
    found = await owner.events.redeliver(event.id, RedeliverEventRequest())
    assert {item.webhook_id: item.status for item in found.deliveries or []} == {
        made.id: "pending",
        stopped.id: "skipped",
    }
    await until(lambda: len(receiver.on("/hook")) == 2)
    first, again = receiver.on("/hook")
    assert (again.body, again.headers["webhook-id"]) == (first.body, event.id)
    await _delivered(owner, made.id, 2)
    one = await owner.events.redeliver(event.id, RedeliverEventRequest(webhook_id=made.id))
    assert (one.status, one.webhook_id) == ("pending", made.id)
    with pytest.raises(Conflict):
        await owner.events.redeliver(event.id, RedeliverEventRequest(webhook_id=unrelated.id))
    with pytest.raises(NotFound):
        await owner.events.redeliver("evt_unknown", RedeliverEventRequest())
    await until(lambda: len(receiver.on("/hook")) == 3)
    view = await owner.events.get(event.id)
    assert view.delivery_status is not None
    assert (view.status, view.delivery_status.matched_webhooks) == ("processed", 2)


async def test_events_are_read_for_as_long_as_they_are_kept(home: Home, owner: Session) -> None:
    await home.deliver()
    [event] = (await owner.events.list(EventQuery(type="email.received", agent_email=ASSISTANT))).items
    assert (await owner.events.list(EventQuery(type="no.such.type"))).items == []
    assert (await owner.events.list(EventQuery(message_id=event.message_id or ""))).items[0].id == event.id
    later = rfc3339(home.clock.now() + timedelta(minutes=1))
    assert (await owner.events.list(EventQuery(since=later))).items == []
    assert event.id in [item.id for item in (await owner.events.list(EventQuery(until=later))).items]
    home.clock.advance(seconds=30)
    assert (await owner.events.get(event.id)).status == "no_match"
    assert (await owner.events.redeliver(event.id, RedeliverEventRequest())).deliveries == []
    home.clock.advance(days=30)
    with pytest.raises(EventGone):
        await owner.events.get(event.id)
    with pytest.raises(EventGone):
        await owner.events.redeliver(event.id, RedeliverEventRequest())


async def test_no_secret_is_shown_again_or_stored_in_the_clear(
    home: Home, owner: Session, receiver: Receiver
) -> None:
    made = await owner.webhooks.create(wanted(receiver))
    rotated = await owner.webhooks.rotate_secret(made.id)
    shown = [await owner.webhooks.get(made.id), *(await owner.webhooks.list()).items]
    rows = await home.local.core.db.read(sql("SELECT * FROM webhooks"))
    for text in (repr(shown), repr(rows)):
        assert made.signing_secret not in text
        assert rotated.signing_secret not in text
