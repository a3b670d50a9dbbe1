"""`kill -9` at random moments under clients that come and go: every event is told, in order, under one id.

A client of the WebSocket goes on after what it acknowledged, and one of an MCP Events stream at its last cursor.
"""

from __future__ import annotations

import asyncio
import json
import random
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import httpx2
import pytest
from websockets.exceptions import InvalidStatus, WebSocketException

from e2a_core.contract.api_keys import CreateAPIKeyRequest, CreateAPIKeyResponse
from e2a_core.contract.engine import Session
from e2a_core.local.engine import LocalEngine
from e2a_core.store.statement import sql
from tests.mcp.raw_events import over_http
from tests.processes.serving import ASSISTANT, LOOK_SECONDS, Correspondent, beside, environment
from tests.processes.test_kill import Supervisor, chance, supervised
from tests.processes.test_websockets import connect
from tests.support.dns import DnsServer
from tests.support.waiting import until

__all__ = ["chance"]

pytestmark = [pytest.mark.anyio, pytest.mark.slow, pytest.mark.apart, pytest.mark.timeout(900)]

LANES = 2
STAYS = [1, 2, 3, 10, 1000]
"""Messages after which a client goes away by itself; a kill may come before."""
GONE = (OSError, EOFError, WebSocketException, httpx2.TransportError)
"""What a client meets while the server dies or is not there."""

Told = tuple[str, str]
"""The id of an event and its subject."""


class Client(ABC):
    """Connects, listens and goes away, over and over; once it is `calm` it stays. `told` is in order of arrival."""

    def __init__(self, supervisor: Supervisor, chance: random.Random, key: str) -> None:
        self.chance = chance
        self.key = key
        self.calm = False
        self.refused = False
        self.told: list[Told] = []
        self._supervisor = supervisor

    @abstractmethod
    async def visit(self, http: str, messages: int) -> None:
        """One connection, for at most so many messages. Sets `refused` if the key is not valid any more."""

    async def keep_coming(self) -> None:
        while not self.refused:
            http = await until(lambda: self._supervisor.http, seconds=60)
            with suppress(*GONE):
                await self.visit(http, 1_000_000 if self.calm else self.chance.choice(STAYS))
            await asyncio.sleep(LOOK_SECONDS)


class Listener(Client):
    """Acknowledges now and then, and always once it is calm."""

    observe = False

    async def visit(self, http: str, messages: int) -> None:
        try:
            async with connect(http, self.key, observe=self.observe) as connection:
                for _ in range(messages):
                    event = json.loads(await connection.recv())
                    self.told.append((event["id"], event["data"]["subject"]))
                    if self.calm or self.chance.random() < 0.5:
                        await connection.send(json.dumps({"type": "ack", "id": event["id"]}))
                match self.chance.randrange(3):
                    case 0:
                        connection.transport.abort()
                    case 1:  # hangs
                        await asyncio.sleep(self.chance.uniform(0, 0.2))
        except InvalidStatus as status:
            self.refused = status.response.status_code == 401


class Observer(Listener):
    """Beside the listener, whose place it does not take."""

    observe = True


class Follower(Client):
    """Follows a stream of MCP Events. Each event is told once: it goes on where it was."""

    cursor: str | None = None

    async def visit(self, http: str, messages: int) -> None:
        try:
            async with over_http(http, self.key) as raw, raw.stream(cursor=self.cursor) as stream:
                for _ in range(messages):
                    kind, params = await stream.next()
                    if kind in {"error", "terminated"}:
                        break
                    self.cursor = params["cursor"]
                    assert not params.get("truncated")
                    if kind == "event":
                        self.told.append((params["eventId"], params["data"]["subject"]))
                await asyncio.sleep(self.chance.choice([0, 0.1]))
        except httpx2.HTTPStatusError as status:
            self.refused = status.response.status_code == 401


@asynccontextmanager
async def coming(*clients: Client) -> AsyncIterator[None]:
    tasks = [asyncio.create_task(client.keep_coming()) for client in clients]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)
    for task in tasks:
        with suppress(asyncio.CancelledError):
            task.result()


async def key_for(owner: Session) -> CreateAPIKeyResponse:
    request = CreateAPIKeyRequest(name="test", scope="agent", agent_email=ASSISTANT)
    return await owner.api_keys.create(request)


async def logged(engine: LocalEngine) -> Sequence[Told]:
    query = "SELECT id, data FROM events WHERE type = 'email.received' ORDER BY {order}"
    order = "seq" if engine.core.db.dialect == "sqlite" else "xid, seq"
    rows = await engine.core.db.read(sql(query.format(order=order)))
    return [(row["id"], json.loads(row["data"])["subject"]) for row in rows]


async def killed_at_random(
    supervisor: Supervisor, chance: random.Random, sender: Correspondent, rounds: int
) -> None:
    for _ in range(rounds):
        await sender.until_acknowledged(chance.randrange(4))
        await asyncio.sleep(chance.uniform(0, 0.05))
        await supervisor.kill()
        await supervisor.start()


@pytest.mark.parametrize("kind", [Listener, Follower])
async def test_every_event_is_told(
    tmp_path: Path, database_url: str, dns: DnsServer, chance: random.Random, rounds: int, kind: type[Client]
) -> None:
    environ = environment(tmp_path / "home", dns, database_url=database_url)
    async with beside(environ) as engine, supervised(environ) as supervisor:
        owner = await engine.home_session(scope="account")
        lasting, ending = await key_for(owner), await key_for(owner)
        client = kind(supervisor, chance, lasting.key)
        ended = (Observer if kind is Listener else kind)(supervisor, chance, ending.key)
        sender = Correspondent(lambda: supervisor.smtp)
        async with coming(client, ended):
            if isinstance(client, Follower):
                await until(lambda: client.cursor)
            async with asyncio.TaskGroup() as lanes:
                for lane in range(LANES):
                    lanes.create_task(sender.keep_sending(lane))
                await killed_at_random(supervisor, chance, sender, rounds // 2)
                await until(lambda: ended.told)
                await owner.api_keys.delete(ending.id)
                await until(lambda: ended.refused, seconds=90)
                seen = len(ended.told)
                await killed_at_random(supervisor, chance, sender, rounds - rounds // 2)
                sender.stop()
            client.calm = True
            wanted = await logged(engine)
            await until(lambda: set(client.told) >= set(wanted), seconds=60)
    assert list(dict.fromkeys(client.told)) == wanted
    assert {subject for _, subject in wanted} == {f"number {id}" for id in sender.acknowledged}
    assert len({id for id, _ in wanted}) == len(wanted)
    assert len(ended.told) == seen
    if kind is Follower:
        assert client.told == wanted
