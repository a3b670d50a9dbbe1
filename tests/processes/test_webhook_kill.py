"""`kill -9` at random moments under a subscriber that answers as it likes: every event arrives, none after the end."""

from __future__ import annotations

import asyncio
import json
import random
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from e2a_core.contract.events import EventType
from e2a_core.contract.webhooks import CreateWebhookRequest
from tests.processes.serving import Correspondent, beside, environment, rows
from tests.processes.test_kill import chance, supervised
from tests.support.dns import DnsServer
from tests.support.receiver import DROP, Received, receiving
from tests.support.waiting import until

__all__ = ["chance"]

pytestmark = [pytest.mark.anyio, pytest.mark.slow, pytest.mark.apart, pytest.mark.timeout(900)]

ROUNDS = 50
"""Kills. Attempts that failed are due again at once here, since a minute between two would take an hour."""


async def test_every_event_arrives(tmp_path: Path, dns: DnsServer, chance: random.Random) -> None:
    home = tmp_path / "home"
    environ = environment(home, dns, push_allow_loopback="true")
    async with supervised(environ) as supervisor, beside(environ) as engine, receiving() as receiver:
        owner = await engine.home_session(scope="account")

        def moody(_: Received) -> bytes:
            receiver.status = chance.choice([200, 200, 200, 500, 503, DROP])
            return b"{}"

        receiver.answer = moody
        types: list[EventType] = ["email.received"]
        await owner.webhooks.create(CreateWebhookRequest(url=receiver.url("/kept"), events=types))
        gone = await owner.webhooks.create(CreateWebhookRequest(url=receiver.url("/gone"), events=types))
        await owner.webhooks.delete(gone.id)
        sender = Correspondent(lambda: supervisor.smtp)
        async with asyncio.TaskGroup() as lanes:
            lanes.create_task(sender.keep_sending(0))
            for _ in range(ROUNDS):
                await sender.until_acknowledged(chance.randrange(4))
                await asyncio.sleep(chance.uniform(0, 0.05))
                await supervisor.kill()
                hurry(home)
                await supervisor.start()
            sender.stop()
        receiver.answer = lambda _: b"{}"
        receiver.status = 200

        def all_arrived() -> bool:
            hurry(home)
            [(events,)] = rows(home, "SELECT COUNT(*) FROM events WHERE type = 'email.received'")
            [(arrived,)] = rows(home, "SELECT COUNT(*) FROM webhook_deliveries WHERE status = 'delivered'")
            return bool(events == arrived)

        await until(all_arrived, seconds=120)
    received = {json.loads(item.body)["id"] for item in receiver.on("/kept")}
    logged = {id for (id,) in rows(home, "SELECT id FROM events WHERE type = 'email.received'")}
    assert received == logged
    assert {item.headers["webhook-id"] for item in receiver.on("/kept")} == logged
    assert receiver.on("/gone") == []


def hurry(home: Path) -> None:
    """Whatever waits for its next attempt is due."""
    with closing(sqlite3.connect(home / "e2a.db", timeout=30)) as connection, connection:
        connection.execute("UPDATE webhook_deliveries SET due_at = 1, attempts = 0 WHERE status = 'pending'")
        connection.execute("UPDATE jobs SET due_at = 1, run_at = 1 WHERE kind = 'webhook' AND lease IS NULL")
