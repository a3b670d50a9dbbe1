"""Processes of one home that tests start and kill, and what its database holds afterwards.

They come from a fork server that has imported the program already: a process is up in a tenth of a second, so
dozens can be killed. What runs in them is the command itself.
"""

from __future__ import annotations

import asyncio
import multiprocessing
import os
import signal
import sqlite3
import sys
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager, closing
from pathlib import Path
from typing import Any

from e2a_core.clock import SystemClock
from e2a_core.ids import Ids
from e2a_core.local.engine import LocalEngine, relay_services
from e2a_core.local.home import open_home
from e2a_core.local.run_file import read_run_file
from e2a_core.settings import load_settings
from tests.support.dns import DnsServer
from tests.support.smtp_client import SmtpExchange, letter, submit
from tests.support.waiting import PATIENCE_SECONDS, until

__all__ = [
    "ASSISTANT",
    "Correspondent",
    "Relay",
    "Server",
    "beside",
    "environment",
    "open_relay",
    "rows",
]

SHARED = "agents.example"
ASSISTANT = f"assistant@{SHARED}"
LOOK_SECONDS = 0.005
ROOT = Path(__file__).parents[2]

_context = multiprocessing.get_context("forkserver")
_context.set_forkserver_preload(
    [__name__, "e2a_core.local.services", "e2a_mcp.program.home", "e2a_mcp.program.application"]
)


def environment(home: Path, dns: DnsServer, **settings: str) -> dict[str, str]:
    """The settings of a home whose listeners take free ports; `settings` by environment name without `E2A_`."""
    given = {
        "home": str(home),
        "shared_domain": SHARED,
        "dns_server": dns.address,
        "smtp_listen": "127.0.0.1:0",
        "http_listen": "127.0.0.1:0",
        "log_level": "info",
        **settings,
    }
    return {f"E2A_{name.upper()}": value for name, value in given.items()}


def rows(home: Path, query: str) -> list[tuple[Any, ...]]:
    """What SQLite itself, and not our code, finds in the home's database."""
    with closing(sqlite3.connect(home / "e2a.db")) as connection:
        return connection.execute(query).fetchall()


class Server:
    """One `e2a serve` with these settings; its log lies beside the home."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        self._home = Path(environ["E2A_HOME"])
        self._log = self._home.with_suffix(".log")
        self._process = _context.Process(target=_serve, args=(dict(environ), str(self._log)), daemon=True)
        self._process.start()

    @property
    def pid(self) -> int:
        assert self._process.pid is not None
        return self._process.pid

    @property
    def exit_code(self) -> int | None:
        return self._process.exitcode

    async def leading(self) -> dict[str, Any]:
        """The run file, as soon as it is this process that serves the home."""

        def published() -> dict[str, Any] | None:
            assert self.exit_code is None, self._log.read_text()
            run = read_run_file(self._home) or {}
            return run if run.get("pid") == self.pid else None

        return await until(published)

    async def smtp(self) -> tuple[str, int]:
        """Where its SMTP listener is, once it leads."""
        host, _, port = (await self.leading())["smtp"].rpartition(":")
        return host, int(port)

    async def kill(self) -> None:
        """SIGKILL, and gone on return."""
        self._process.kill()
        await until(lambda: self.exit_code is not None)

    def terminate(self) -> None:
        os.kill(self.pid, signal.SIGTERM)

    def close(self) -> None:
        """Whatever became of it, it is not left behind."""
        self._process.kill()
        self._process.join()


def _serve(environ: Mapping[str, str], log: str) -> None:
    from e2a_mcp.program.e2a import main

    for name in [name for name in os.environ if name.startswith("E2A_")]:
        del os.environ[name]
    os.environ.update(environ)
    with open(log, "a", buffering=1, encoding="utf-8") as sys.stderr:
        sys.exit(main(["serve"]))


@asynccontextmanager
async def beside(environ: dict[str, str]) -> AsyncIterator[LocalEngine]:
    """A process of the home that never leads, as all but one of the stdio servers are: this one."""
    core, _ = await open_home(load_settings(environ), SystemClock(), Ids())
    engine = LocalEngine(core, strict=False, services=relay_services)
    try:
        yield engine
    finally:
        await engine.close()


class Correspondent:
    """A sending mail server: keeps each message until it was acknowledged, and offers it again until then."""

    def __init__(self, address: Callable[[], tuple[str, int] | None]) -> None:
        self._address = address
        self._stopping = False
        self.acknowledged: list[str] = []
        self.refused: list[SmtpExchange] = []
        self.repeated = 0

    async def send(self, message_id: str) -> None:
        content = letter(subject=f"number {message_id}", message_id=message_id, to=ASSISTANT)
        while True:
            address = await until(self._address)
            try:
                exchange = await submit(
                    address, content, mail_from="alice@example.org", recipients=[ASSISTANT]
                )
            except (OSError, ConnectionError, TimeoutError):
                self.repeated += 1
                await asyncio.sleep(LOOK_SECONDS)
                continue
            if exchange.accepted:
                self.acknowledged.append(message_id)
                return
            self.refused.append(exchange)
            if len(self.refused) > 1000:
                raise AssertionError(self.refused[-1])

    async def keep_sending(self, lane: int) -> None:
        """One message after the other until `stop`."""
        number = 0
        while not self._stopping:
            number += 1
            await self.send(f"<{lane}.{number}@example.org>")

    def stop(self) -> None:
        self._stopping = True

    async def until_acknowledged(self, more: int) -> None:
        target = len(self.acknowledged) + more
        await until(lambda: len(self.acknowledged) >= target)


class Relay:
    """The upstream relay, a process of its own: `taken` are the subjects of the mail it took, in order."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.taken: list[str] = []

    @property
    def settings(self) -> dict[str, str]:
        """What makes it a home's relay, for `environment`."""
        return {"outbound_smtp_host": "127.0.0.1", "outbound_smtp_port": str(self.port)}

    async def until_taken(self, more: int) -> None:
        target = len(self.taken) + more
        await until(lambda: len(self.taken) >= target)


@asynccontextmanager
async def open_relay(reply_seconds: float = 0.0) -> AsyncIterator[Relay]:
    """A relay that answers complete mail after `reply_seconds`."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "tests.processes.relay",
        str(reply_seconds),
        cwd=ROOT,
        stdout=asyncio.subprocess.PIPE,
    )
    output = process.stdout
    assert output is not None
    async with asyncio.timeout(PATIENCE_SECONDS):
        relay = Relay(int(await output.readline()))

    async def listen() -> None:
        async for line in output:
            relay.taken.append(line.decode().strip())

    listening = asyncio.create_task(listen())
    try:
        yield relay
    finally:
        process.kill()
        await process.wait()
        await listening
