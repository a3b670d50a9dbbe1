"""At no level does a command log what is in the mail that passes through it."""

from __future__ import annotations

import asyncio
import json
import os
import re
import signal
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from e2a_core.local.run_file import read_run_file
from mcp import Client, StdioServerParameters, stdio_client
from tests.processes.serving import ASSISTANT, environment
from tests.support.dns import DnsServer
from tests.support.smtp_client import letter, submit
from tests.support.waiting import PATIENCE_SECONDS, until

pytestmark = pytest.mark.anyio

LEVELS = ["debug", "info", "warning", "error"]
# Long, because the store writes what is long in another way, through a library that logs what it is given.
RECEIVED = {"subject": "Kingfisherly", "text": "Marzipanwise under the lighthouse.\n" * 2000}
SENT = {"subject": "Turnpikeish", "text": "Quicksilverly beyond the orchard."}
WORDS = ["kingfisher", "marzipan", "lighthouse", "turnpike", "quicksilver", "orchard"]


@pytest.fixture(scope="module")
def dns() -> Iterator[DnsServer]:
    with DnsServer({"example.org": {"TXT": ["v=spf1 ip4:127.0.0.1 -all"]}}) as server:
        yield server


@pytest.fixture
def settings(tmp_path: Path, dns: DnsServer, request: pytest.FixtureRequest) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("E2A_")}
    return {**kept, **environment(tmp_path / "home", dns, log_level=request.param)}


@asynccontextmanager
async def process(settings: dict[str, str], log: Path, *arguments: str) -> AsyncIterator[None]:
    """A command that runs until the block ends; standard error goes to `log`."""
    with log.open("wb") as errors:
        running = await asyncio.create_subprocess_exec(
            sys.executable, "-m", *arguments, env=settings, stdin=asyncio.subprocess.DEVNULL, stderr=errors
        )
        try:
            yield
        finally:
            running.send_signal(signal.SIGTERM)
            await asyncio.wait_for(running.wait(), 30)


async def deliver(home: Path) -> str:
    """Sends a mail to the home once its listeners are open; returns where its API is."""
    run: dict[str, Any] = await until(lambda: read_run_file(home))
    host, _, port = run["smtp"].rpartition(":")
    exchange = await submit(
        (host, int(port)),
        letter(to=ASSISTANT, subject=RECEIVED["subject"], text=RECEIVED["text"]),
        mail_from="alice@example.org",
        recipients=[ASSISTANT],
    )
    assert exchange.accepted
    return str(run["http"])


async def account_key(settings: dict[str, str]) -> str:
    made = await asyncio.create_subprocess_exec(
        *[sys.executable, "-m", "e2a_mcp.program.e2a", "bootstrap", "--email", "owner@localhost", "--json"],
        env=settings,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
    )
    output, _ = await made.communicate()
    return str(json.loads(output)["api_key"])


async def exchange_over_api(url: str, key: str) -> None:
    """Reads what came, and sends something."""
    inbox = f"/v1/agents/{ASSISTANT}"
    async with httpx.AsyncClient(
        base_url=url, headers={"Authorization": f"Bearer {key}"}, timeout=PATIENCE_SECONDS
    ) as client:
        row = (await client.get(f"{inbox}/messages")).json()["items"][0]
        read = await client.get(f"{inbox}/messages/{row['id']}")
        assert RECEIVED["subject"] in read.text
        sent = await client.post(
            f"{inbox}/messages", json={"to": ["bob@example.org"], **SENT}, params={"wait": "sent"}
        )
        assert sent.is_success, sent.text


def said(log: Path, level: str) -> str:
    """What was logged, which is something if the level is low enough for the start to be told."""
    text = log.read_text(encoding="utf-8")
    assert bool(re.search(r" INFO e2a", text)) == (level in {"debug", "info"})
    return text.lower()


@pytest.mark.parametrize(("settings", "level"), [(level, level) for level in LEVELS], indirect=["settings"])
async def test_serve_logs_no_mail(tmp_path: Path, settings: dict[str, str], level: str) -> None:
    key = await account_key(settings)
    async with process(settings, tmp_path / "log", "e2a_mcp.program.e2a", "serve"):
        await exchange_over_api(await deliver(tmp_path / "home"), key)
    text = said(tmp_path / "log", level)
    assert not [word for word in (*WORDS, key) if word in text]


@pytest.mark.parametrize(("settings", "level"), [(level, level) for level in LEVELS], indirect=["settings"])
async def test_mcp_over_stdio_logs_no_mail(tmp_path: Path, settings: dict[str, str], level: str) -> None:
    parameters = StdioServerParameters(command=sys.executable, args=["-m", "e2a_mcp"], env=settings)
    with (tmp_path / "log").open("w") as errors:
        async with asyncio.timeout(60), Client(stdio_client(parameters, errlog=errors)) as client:
            await deliver(tmp_path / "home")
            listed = await client.call_tool("list_messages", {})
            row = listed.structured_content["messages"][0]
            read = await client.call_tool("get_message", {"message_id": row["id"]})
            assert RECEIVED["text"][:30] in getattr(read.content[0], "text", "")
            sent = await client.call_tool("send_message", {"to": ["bob@example.org"], **SENT})
            assert not sent.is_error, sent
    text = said(tmp_path / "log", level)
    assert not [word for word in WORDS if word in text]


@pytest.mark.parametrize(("settings", "level"), [("debug", "debug")], indirect=["settings"])
async def test_mcp_over_http_logs_no_mail(tmp_path: Path, settings: dict[str, str], level: str) -> None:
    key = await account_key(settings)
    async with process(settings, tmp_path / "log", "e2a_mcp", "--http", "127.0.0.1:0"):
        await exchange_over_api(await deliver(tmp_path / "home"), key)
    text = said(tmp_path / "log", level)
    assert not [word for word in (*WORDS, key) if word in text]
