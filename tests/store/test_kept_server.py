"""The PostgreSQL of a test run ends with the run, after SIGKILL too."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.waiting import until

pytestmark = [pytest.mark.slow, pytest.mark.apart]

RUN = """
import time
from tests.support.postgresql import PostgresqlKeeper, url_of_kept_server
keeper = PostgresqlKeeper()
assert url_of_kept_server(keeper.path) == url_of_kept_server(keeper.path)
print(keeper.path, flush=True)
time.sleep(600)
"""


def test_a_killed_run_leaves_neither_a_server_nor_its_files() -> None:
    with subprocess.Popen(
        [sys.executable, "-c", RUN], cwd=Path(__file__).parents[2], stdout=subprocess.PIPE, text=True
    ) as run:
        assert run.stdout is not None
        folder = Path(run.stdout.readline().strip()).parent
        pid = int((folder / "data" / "postmaster.pid").read_text().splitlines()[0])
        run.send_signal(signal.SIGKILL)
    asyncio.run(_gone(folder))
    asyncio.run(_ended(pid))


async def _ended(pid: int) -> None:
    """Until the process is no more, or waits for a parent that does not ask for its end."""
    await until(lambda: not _runs(pid))


def _runs(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    stat = Path(f"/proc/{pid}/stat")
    return not stat.exists() or stat.read_text(encoding="ascii").rpartition(")")[2].split()[0] != "Z"


async def _gone(folder: Path) -> None:
    await until(lambda: not folder.exists())
