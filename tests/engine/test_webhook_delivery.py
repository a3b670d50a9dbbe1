"""What arrives at the endpoint of a webhook: signed, in the same octets each time, until it answers."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from datetime import timedelta
from email.utils import format_datetime

import pytest
from e2a.v1 import construct_event
from standardwebhooks import Webhook

from e2a_core.accounts.sealing import seal
from e2a_core.clock import from_micros, to_micros
from e2a_core.contract.webhooks import UpdateWebhookRequest
from e2a_core.store.statement import sql
from tests.support.home import ASSISTANT, Home
from tests.support.receiver import HANG, Receiver, receiving
from tests.support.waiting import until

pytestmark = [
    pytest.mark.anyio,
    pytest.mark.local_only("what a deployment sends by itself"),
]

SECRET = "whsec_" + "0123456789abcdef" * 4


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    async with receiving() as opened:
        yield opened


async def register(home: Home, url: str, *events: str, **columns: object) -> str:
    """A webhook as the API would store it."""
    core = home.local.core
    id = core.ids.webhook()
    account = (await core.db.read(sql("SELECT account_id FROM agents")))[0]["account_id"]
    values = {
        "id": id,
        "account_id": account,
        "url": url,
        "events": json.dumps(events or ("email.received",)),
        "secret": seal(SECRET, core.secrets),
        "created_at": to_micros(home.clock.now()),
        **columns,
    }
    names = ", ".join(values)
    marks = ", ".join(f":{name}" for name in values)
    await core.db.write([sql(f"INSERT INTO webhooks ({names}) VALUES ({marks})", **values)])
    return id


async def test_mail_arrives_signed_for_both_kinds_of_verifier(home: Home, receiver: Receiver) -> None:
    await register(home, receiver.url())
    await home.deliver(subject="Grüße")
    await until(lambda: receiver.requests)
    [got] = receiver.requests
    event = construct_event(got.body, got.headers["x-e2a-signature"], SECRET)
    assert (event.type, event.data["agent_email"], event.data["subject"]) == (
        "email.received",
        ASSISTANT,
        "Grüße",
    )
    Webhook(SECRET).verify(got.body, got.headers)
    assert got.headers["webhook-id"] == event.id
    assert got.headers["content-type"] == "application/json"
    assert got.headers["x-e2a-event-type"] == "email.received"


async def test_what_fails_comes_again_in_the_same_octets(home: Home, receiver: Receiver) -> None:
    await register(home, receiver.url())
    receiver.then([500, 302, 204])
    await home.deliver()
    await until(lambda: len(receiver.requests) == 1)
    await until(lambda: states(home, "pending", attempts=1))
    await home.advance(minutes=2)
    await until(lambda: states(home, "pending", attempts=2))
    await home.advance(minutes=7)
    await until(lambda: states(home, "delivered", attempts=3))
    assert len({item.body for item in receiver.requests}) == 1
    assert len({item.headers["webhook-id"] for item in receiver.requests}) == 1


async def states(home: Home, status: str, *, attempts: int) -> bool:
    rows = await home.local.core.db.read(sql("SELECT status, attempts FROM webhook_deliveries"))
    return [(row["status"], row["attempts"]) for row in rows] == [(status, attempts)]


async def test_an_endpoint_that_hangs_keeps_nobody_waiting(home: Home, receiver: Receiver) -> None:
    async with receiving() as dead:
        dead.status = HANG
        for number in range(20):
            await register(home, dead.url(f"/{number}"))
        await register(home, receiver.url())
        for _ in range(10):
            receiver.requests.clear()
            await home.deliver()
            await until(lambda: receiver.requests, seconds=5)


async def test_a_request_without_an_answer_does_not_hold_up_the_next(home: Home, receiver: Receiver) -> None:
    await register(home, receiver.url())
    receiver.then([HANG])
    for count in (1, 2, 3):
        await home.deliver()
        await until(lambda count=count: len(receiver.requests) == count, seconds=5)  # type: ignore[misc]
    assert len({item.body for item in receiver.requests}) == 3


async def test_a_webhook_that_is_deleted_between_two_mails_gets_the_first_only(
    home: Home, receiver: Receiver
) -> None:
    id = await register(home, receiver.url())
    await home.deliver()
    await until(lambda: states(home, "delivered", attempts=1))
    await home.local.core.db.write([sql("DELETE FROM webhooks WHERE id = :id", id=id)])
    await home.deliver()
    await until(home.idle)
    assert len(receiver.requests) == 1


async def test_a_receiver_that_asks_for_time_is_left_alone_so_long(home: Home, receiver: Receiver) -> None:
    id = await register(home, receiver.url())
    receiver.extra["retry-after"] = "3600"
    receiver.then([429])
    await home.deliver()
    await until(lambda: states(home, "pending", attempts=1))
    await home.deliver()
    await home.advance(minutes=59)
    await until(home.idle)
    assert len(receiver.requests) == 1
    assert await due_after(home, id) <= timedelta(minutes=1, seconds=5)
    await home.advance(minutes=2)
    await until(lambda: len(receiver.requests) == 3)


async def due_after(home: Home, webhook_id: str) -> timedelta:
    """How long a webhook is still left alone."""
    found = sql("SELECT resumes_at FROM webhooks WHERE id = :id", id=webhook_id)
    [row] = await home.local.core.db.read(found)
    return from_micros(row["resumes_at"]) - home.clock.now()


@pytest.mark.parametrize(
    ("status", "wish", "least", "most"),
    [
        (503, "7200", 120, 120),
        (429, "in two hours", 120, 120),
        (429, "99999999", 8 * 60, 8 * 60),
        (503, "5", 1, 1.1),
        (429, "soon", 1, 1.1),
        (500, "7200", 1, 1.1),
    ],
)
async def test_the_next_attempt_is_no_earlier_than_either_says(
    home: Home, receiver: Receiver, status: int, wish: str, least: float, most: float
) -> None:
    if wish == "in two hours":
        wish = format_datetime(home.clock.now() + timedelta(hours=2), usegmt=True)
    await register(home, receiver.url())
    receiver.extra["retry-after"] = wish
    receiver.then([status])
    before = home.clock.now()
    await home.deliver()
    await until(lambda: states(home, "pending", attempts=1))
    [row] = await home.local.core.db.read(sql("SELECT due_at FROM webhook_deliveries"))
    wait = (from_micros(row["due_at"]) - before).total_seconds()
    assert least * 60 - 1 <= wait <= most * 60 + 10


async def test_a_new_url_ends_the_wait(home: Home, receiver: Receiver) -> None:
    id = await register(home, receiver.url())
    receiver.extra["retry-after"] = "3600"
    receiver.then([503])
    await home.deliver()
    await until(lambda: states(home, "pending", attempts=1))
    owner = await home.local.session(home.account_key)
    await owner.webhooks.update(id, UpdateWebhookRequest(url=receiver.url("/other")))
    await home.deliver()
    await until(lambda: receiver.on("/other"))


async def test_metrics_count_what_became_of_deliveries(home: Home, receiver: Receiver) -> None:
    owner = await home.local.session(home.account_key)
    assert (await owner.metrics.of_account()).webhooks.success_rate is None
    good = await register(home, receiver.url("/good?token=hunter2"))
    bad = await register(home, receiver.url("/bad"))
    dead = await register(home, "http://127.0.0.1:1/dead")
    idle = await register(
        home,
        receiver.url("/idle"),
        "email.sent",
        enabled=0,
        auto_disabled_at=1_790_000_000_000_000,
        auto_disabled_reason="HTTP 410",
    )
    receiver.path_status["/bad"] = 401
    for _ in range(2):
        await home.deliver()
    counted = sql("SELECT COUNT(*) AS n FROM webhook_deliveries WHERE attempts > 0")

    async def attempted() -> bool:
        [row] = await home.local.core.db.read(counted)
        return bool(row["n"] == 6)

    await until(attempted)
    found = (await owner.metrics.of_account()).webhooks
    assert (found.deliveries, found.delivered, found.pending, found.success_rate) == (6, 2, 4, 1.0)
    end = sql("UPDATE webhook_deliveries SET status = 'failed' WHERE status = 'pending'")
    await home.local.core.db.write([end])
    found = (await owner.metrics.of_account()).webhooks
    assert (found.endpoint_rejected, found.no_response, found.pending) == (2, 2, 0)
    assert (found.success_rate, found.endpoints_auto_disabled, found.endpoints_truncated) == (2 / 6, 1, False)
    by_id = {item.webhook_id: item for item in found.endpoints or []}
    assert idle not in by_id
    assert {id: (by_id[id].last_status_code, by_id[id].success_rate) for id in (good, bad, dead)} == {
        good: (200, 1.0),
        bad: (401, 0.0),
        dead: (None, 0.0),
    }
    assert by_id[good].url_host == "127.0.0.1"
    assert "hunter2" not in found.to_json().decode()
    past = await owner.metrics.of_account(start="2026-01-01T00:00:00Z", end="2026-02-01T00:00:00Z")
    assert (past.webhooks.deliveries, past.webhooks.endpoints) == (0, [])
    assert past.webhooks.window_exceeds_retention
    assert past.webhooks.endpoints_auto_disabled == 1
