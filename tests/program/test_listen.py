"""`e2a listen` against a real deployment: what it shows, hands on and keeps, and how it ends."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import websockets
from e2a.v1 import construct_event

from e2a_core.store.statement import sql
from tests.support.home import ASSISTANT, Home
from tests.support.receiver import Receiver, receiving
from tests.support.waiting import until

pytestmark = [pytest.mark.anyio, pytest.mark.slow]

SECRET = "whsec_" + "0123456789abcdef" * 4


class Listener:
    """One running `e2a listen`."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.process = process
        self.out: list[str] = []
        self.errors: list[str] = []
        self._tasks = [
            asyncio.create_task(self._read(process.stdout, self.out)),
            asyncio.create_task(self._read(process.stderr, self.errors)),
        ]

    @property
    def is_connected(self) -> bool:
        return "e2a: listening" in self.errors

    async def status(self) -> int:
        await asyncio.wait(self._tasks, timeout=30)
        return await asyncio.wait_for(self.process.wait(), 30)

    async def _read(self, stream: asyncio.StreamReader | None, lines: list[str]) -> None:
        assert stream is not None
        async for line in stream:
            lines.append(line.decode().rstrip("\n"))


@asynccontextmanager
async def listening(home: Home, folder: Path, *arguments: str, key: str = "") -> AsyncIterator[Listener]:
    async with home.listening() as url:
        environment = {name: value for name, value in os.environ.items() if not name.startswith("E2A_")}
        environment |= {"E2A_HOME": str(folder / "elsewhere"), "E2A_API_KEY": key or home.agent_key}
        command = ["-m", "e2a_mcp.program.e2a", "listen", "--agent", ASSISTANT, "--url", url, *arguments]
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            *command,
            env=environment,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        listener = Listener(process)
        try:
            yield listener
        finally:
            if process.returncode is None:
                process.kill()
            await listener.status()


@pytest.fixture
def database_kind() -> str:
    return "sqlite"


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    async with receiving() as opened:
        yield opened


async def acknowledged(home: Home) -> bool:
    rows = await home.local.core.db.read(sql("SELECT * FROM websocket_acks"))
    return bool(rows)


async def test_mail_is_shown_as_it_comes(home: Home, tmp_path: Path) -> None:
    async with listening(home, tmp_path) as listener:
        await until(lambda: listener.is_connected)
        await home.deliver(subject="Grüße\u202e")
        [line] = await until(lambda: listener.out)
        assert "alice@example.org" in line
        assert "(verified example.org)" in line
        assert "Grüße[U+202E]" in line
        listener.process.send_signal(signal.SIGINT)
        assert await listener.status() == 130


async def test_json_is_the_envelope(home: Home, tmp_path: Path) -> None:
    await home.deliver(subject="before")
    async with listening(home, tmp_path, "--json") as listener:
        [line] = await until(lambda: listener.out)
        envelope = json.loads(line)
        assert (envelope["type"], envelope["data"]["subject"]) == ("email.received", "before")


async def test_what_is_not_taken_twice_is_taken_the_third_time_and_then_acknowledged(
    home: Home, tmp_path: Path, receiver: Receiver
) -> None:
    receiver.then([500, 503])
    options = ("--forward", receiver.url(), "--secret", SECRET)
    async with listening(home, tmp_path, *options) as listener:
        await until(lambda: listener.is_connected)
        await home.deliver(subject="once")
        await until(lambda: len(receiver.requests) == 2)
        assert not await acknowledged(home)
        await until(lambda: len(receiver.requests) == 3)
        await until(lambda: acknowledged(home))
    events = [construct_event(got.body, got.headers["x-e2a-signature"], SECRET) for got in receiver.requests]
    assert {event.data["subject"] for event in events} == {"once"}
    assert len({got.headers["webhook-id"] for got in receiver.requests}) == 1


@pytest.mark.parametrize(("key", "status"), [("e2a_agt_" + "0" * 64, 4)])
async def test_a_refused_credential_ends_it(home: Home, tmp_path: Path, key: str, status: int) -> None:
    async with listening(home, tmp_path, key=key) as listener:
        assert await listener.status() == status
        assert listener.errors
        assert "Traceback" not in "".join(listener.errors)


async def test_a_newer_listener_ends_it(home: Home, tmp_path: Path) -> None:
    async with listening(home, tmp_path) as listener:
        await until(lambda: listener.is_connected)
        where = f"{home.local.core.links.base_url.replace('http', 'ws', 1)}/v1/agents/{ASSISTANT}/ws"
        headers = {"Authorization": f"Bearer {home.agent_key}"}
        async with websockets.connect(where, additional_headers=headers, proxy=None):
            assert await listener.status() == 5
        assert "another listener" in listener.errors[-1]
