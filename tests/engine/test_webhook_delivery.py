"""What arrives at the endpoint of a webhook: signed, in the same octets each time, until it answers."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator

import pytest
from e2a.v1 import construct_event
from standardwebhooks import Webhook

from e2a_core.accounts.sealing import seal
from e2a_core.clock import to_micros
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
