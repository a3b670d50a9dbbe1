"""`e2a listen` as a process of its own, for tests of what it does with the mail of a running home."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

from e2a_core.store.statement import sql
from tests.support.home import ASSISTANT, Home
from tests.support.waiting import PATIENCE_SECONDS

__all__ = ["Listener", "acknowledged", "at", "listener"]


class Listener:
    """One running `e2a listen`, with the lines that it wrote."""

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

    def says(self, words: str) -> bool:
        return any(words in line for line in self.errors)

    async def status(self) -> int:
        """The exit status, once it ends; it must not end with a traceback."""
        await asyncio.wait(self._tasks, timeout=PATIENCE_SECONDS)
        async with asyncio.timeout(PATIENCE_SECONDS):
            status = await self.process.wait()
        assert not self.says("Traceback"), "\n".join(self.errors)
        return status

    async def _read(self, stream: asyncio.StreamReader | None, lines: list[str]) -> None:
        assert stream is not None
        async for line in stream:
            lines.append(line.decode().rstrip("\n"))


def at(url: str, key: str, folder: Path) -> dict[str, str]:
    """The settings of a listener at the deployment `url`."""
    return {"E2A_HOME": str(folder / "elsewhere"), "E2A_API_KEY": key, "E2A_API_URL": url}


@asynccontextmanager
async def listener(
    settings: Mapping[str, str], *arguments: str, agent: str | None = ASSISTANT
) -> AsyncIterator[Listener]:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("E2A_")}
    named = ["--agent", agent] if agent else []
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *("-m", "e2a_mcp.program.e2a", "listen", *named, *arguments),
        env={**environment, **settings},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    running = Listener(process)
    try:
        yield running
    finally:
        if process.returncode is None:
            process.kill()
        await running.status()


async def acknowledged(home: Home) -> bool:
    rows = await home.local.core.db.read(sql("SELECT * FROM websocket_acks"))
    return bool(rows)
