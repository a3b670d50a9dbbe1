"""The lease of a home: one holder, and another at once when the holder is gone."""

from __future__ import annotations

import asyncio
import sys
import time
from pathlib import Path

import anyio
import pytest

from e2a_core.store.lease import HomeLease

pytestmark = pytest.mark.anyio

HOLDER = """
import sys, time
from pathlib import Path
from e2a_core.store.lease import HomeLease
lease = HomeLease(Path(sys.argv[1]))
print(lease.try_acquire(), flush=True)
time.sleep(60)
"""


async def test_one_holder_at_a_time(tmp_path: Path) -> None:
    first, second = HomeLease(tmp_path / "lock"), HomeLease(tmp_path / "lock")
    assert first.try_acquire()
    assert first.try_acquire()
    assert not second.try_acquire()
    assert (first.held, second.held) == (True, False)
    first.release()
    assert second.try_acquire()
    second.release()
    second.release()


async def test_a_killed_holder_is_followed_at_once(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    holder = await asyncio.create_subprocess_exec(
        sys.executable, "-c", HOLDER, str(path), stdout=asyncio.subprocess.PIPE
    )
    assert holder.stdout is not None
    with anyio.fail_after(20):
        assert await holder.stdout.readline() == b"True\n"
    lease = HomeLease(path)
    assert not lease.try_acquire()
    async with anyio.create_task_group() as group:
        with anyio.fail_after(5):
            group.start_soon(lease.acquire_when_free, 0.05)
            await anyio.sleep(0.1)
            assert not lease.held
            killed = time.monotonic()
            holder.kill()
            await holder.wait()
    assert lease.held
    assert time.monotonic() - killed < 2
    lease.release()
