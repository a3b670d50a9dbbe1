"""`kill -9` at random moments under a subscriber that answers as it likes: every event arrives, none after the end."""

from __future__ import annotations

import asyncio
import json
import random
from pathlib import Path

import pytest

from e2a_core.contract.events import EventType
from e2a_core.contract.webhooks import CreateWebhookRequest
from e2a_core.local.engine import LocalEngine
from e2a_core.store.statement import sql
from tests.processes.serving import Correspondent, beside, environment
from tests.processes.test_event_callbacks import FAILURES
from tests.processes.test_kill import chance, supervised
from tests.support.dns import DnsServer
from tests.support.receiver import receiving
from tests.support.waiting import until

__all__ = ["chance"]

pytestmark = [pytest.mark.anyio, pytest.mark.slow, pytest.mark.apart, pytest.mark.timeout(900)]

EVENTS = "SELECT id FROM events WHERE type = 'email.received'"
ARRIVED = (
    "SELECT d.event_id FROM webhook_deliveries d JOIN webhooks w ON w.id = d.webhook_id"
    " WHERE d.status = 'delivered' AND w.url LIKE '%/kept'"
)


async def test_every_event_arrives(
    tmp_path: Path, database_url: str, dns: DnsServer, chance: random.Random, rounds: int
) -> None:
    """Attempts that failed are due again at once, since a minute between two would take an hour."""
    environ = environment(tmp_path / "home", dns, database_url=database_url, push_allow_loopback="true")
    async with supervised(environ) as supervisor, beside(environ) as engine, receiving() as receiver:
        owner = await engine.home_session(scope="account")
        types: list[EventType] = ["email.received"]
        _, ended, never = [
            await owner.webhooks.create(CreateWebhookRequest(url=receiver.url(path), events=types))
            for path in ("/kept", "/ended", "/never")
        ]
        await owner.webhooks.delete(never.id)
        seen: int | None = None
        sender = Correspondent(lambda: supervisor.smtp)
        async with asyncio.TaskGroup() as lanes:
            lanes.create_task(sender.keep_sending(0))
            for number in range(rounds):
                receiver.then(chance.choices(FAILURES, k=3))
                await sender.until_acknowledged(chance.randrange(4))
                if number == rounds // 2:
                    await owner.webhooks.delete(ended.id)
                await asyncio.sleep(chance.uniform(0, 0.05))
                await supervisor.kill()
                await hurry(engine)
                if number == rounds // 2:
                    seen = len(receiver.on("/ended"))
                await supervisor.start()
            sender.stop()
        receiver.script.clear()
        logged = {row["id"] for row in await engine.core.db.read(sql(EVENTS))}

        async def all_arrived() -> bool:
            await hurry(engine)
            arrived = await engine.core.db.read(sql(ARRIVED))
            return {row["event_id"] for row in arrived} == logged

        await until(all_arrived, seconds=120)
    assert {json.loads(item.body)["id"] for item in receiver.on("/kept")} == logged
    assert {item.headers["webhook-id"] for item in receiver.on("/kept")} == logged
    assert len(receiver.on("/ended")) == seen
    assert receiver.on("/never") == []


async def hurry(engine: LocalEngine) -> None:
    """Whatever waits for its next attempt is due."""
    await engine.core.db.write(
        [
            sql("UPDATE webhook_deliveries SET due_at = 1, attempts = 0 WHERE status = 'pending'"),
            sql("UPDATE jobs SET due_at = 1, run_at = 1 WHERE kind = 'webhook' AND lease IS NULL"),
        ]
    )
