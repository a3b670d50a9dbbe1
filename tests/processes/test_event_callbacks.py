"""`kill -9` at random moments, and a callback that fails at random: every event arrives, in order, under one id."""

from __future__ import annotations

import asyncio
import json
import random
from pathlib import Path
from typing import Any

import pytest

from e2a_core.contract.event_subscriptions import EventSubscriptions, SubscriptionRequest
from e2a_core.local.engine import LocalEngine
from e2a_core.store.statement import sql
from tests.processes.serving import Correspondent, beside, environment
from tests.processes.test_kill import chance, supervised
from tests.support.dns import DnsServer
from tests.support.receiver import DROP, HANG, Received, Receiver, receiving
from tests.support.waiting import until

__all__ = ["chance"]

pytestmark = [pytest.mark.anyio, pytest.mark.slow]

SECRET = "whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY="
REFRESH_SECONDS = 0.1
"""A client that wants what it missed does not wait for the next attempt, it refreshes."""
FAILURES = [200, 200, 200, 500, 503, DROP, HANG]


def echo(received: Received) -> bytes:
    return json.dumps({"challenge": json.loads(received.body).get("challenge")}).encode()


def arrived(receiver: Receiver, path: str) -> list[dict[str, Any]]:
    """The events at a path, in the order of their first arrival; those that came again are left out."""
    bodies = [body for item in receiver.on(path) if "type" not in (body := json.loads(item.body))]
    return list({body["eventId"]: body for body in bodies}.values())


def subjects(receiver: Receiver, path: str) -> list[str]:
    return [body["data"]["subject"] for body in arrived(receiver, path)]


async def logged(engine: LocalEngine) -> list[str]:
    """The subjects of all arrivals, in the order of the log."""
    order = "seq" if engine.core.db.dialect == "sqlite" else "xid, seq"
    rows = await engine.core.db.read(
        sql(f"SELECT data FROM events WHERE type = 'email.received' ORDER BY {order}")
    )
    return [json.loads(row["data"])["subject"] for row in rows]


MANY = [pytest.mark.apart, pytest.mark.timeout(1200)]


@pytest.mark.parametrize(
    ("database_kind", "kills"),
    [
        pytest.param("sqlite", 3, id="few"),
        pytest.param("sqlite", 50, id="many", marks=MANY),
        pytest.param("postgresql", 20, id="many over PostgreSQL", marks=MANY),
    ],
)
async def test_every_event_arrives_through_kills_and_failures(
    tmp_path: Path, database_url: str, dns: DnsServer, chance: random.Random, kills: int
) -> None:
    environ = environment(tmp_path / "home", dns, database_url=database_url, push_allow_loopback="true")
    async with receiving() as receiver, beside(environ) as engine, supervised(environ) as supervisor:
        receiver.answer = echo
        subscriptions = (await engine.home_session()).event_subscriptions
        for path in ("/kept", "/ended", "/never"):
            await subscriptions.subscribe(asked(receiver, path))
        await subscriptions.unsubscribe("email.received", None, receiver.url("/never"))
        sender = Correspondent(lambda: supervisor.smtp)
        sending = asyncio.create_task(sender.keep_sending(0))
        refreshing = asyncio.create_task(keep_refreshing(subscriptions, receiver))
        seen: int | None = None
        for number in range(kills):
            receiver.then(chance.choices(FAILURES, k=3))
            await sender.until_acknowledged(chance.randrange(1, 4))
            if number == kills // 2:
                await subscriptions.unsubscribe("email.received", None, receiver.url("/ended"))
            await asyncio.sleep(chance.uniform(0, 0.05))
            await supervisor.kill()
            if number == kills // 2:
                seen = len(receiver.on("/ended"))
            await supervisor.start()
        sender.stop()
        await sending
        receiver.script.clear()
        wanted = await logged(engine)
        await until(lambda: len(arrived(receiver, "/kept")) >= len(wanted), seconds=60)
        refreshing.cancel()
        await asyncio.wait([refreshing])
        assert subjects(receiver, "/kept") == wanted
        assert {f"number {id}" for id in sender.acknowledged} <= set(wanted)
        assert len(receiver.on("/ended")) == seen
        assert [json.loads(item.body)["type"] for item in receiver.on("/never")] == ["verification"]


def asked(receiver: Receiver, path: str) -> SubscriptionRequest:
    return SubscriptionRequest("email.received", receiver.url(path), SECRET)


async def keep_refreshing(subscriptions: EventSubscriptions, receiver: Receiver) -> None:
    while True:
        await subscriptions.subscribe(asked(receiver, "/kept"))
        await asyncio.sleep(REFRESH_SECONDS)
