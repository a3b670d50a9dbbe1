"""Appends events to PostgreSQL for some seconds, and prints how many a second: to the log, or to a bare table."""

from __future__ import annotations

import asyncio
import json
import sys
import time
from collections.abc import Awaitable, Callable, Coroutine
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import asyncpg

from e2a_core.clock import SystemClock, to_micros
from e2a_core.store.events import append
from e2a_core.store.open import open_database

DATA = {
    "message_id": "msg_0123456789abcdef",
    "agent_email": "bench@agents.localhost",
    "subject": "Quarterly figures " * 16,
}
INSERT = (
    "INSERT INTO bare (id, account_id, type, agent_email, conversation_id, message_id, data, created_at)"
    " VALUES ($1, $2, $3, $4, $5, $6, $7, $8)"
)
NOW = datetime(2026, 1, 2, tzinfo=UTC)


async def main(url: str, table: str, writers: int, seconds: float) -> None:
    append_one, close = await (_to_log if table == "log" else _to_bare)(url)
    await append_one()
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    sys.stdin.readline()
    begun = time.perf_counter()
    end = begun + seconds

    async def write() -> int:
        count = 0
        while time.perf_counter() < end:
            await append_one()
            count += 1
        return count

    counts = await asyncio.gather(*(write() for _ in range(writers)))
    sys.stdout.write(f"{sum(counts) / (time.perf_counter() - begun)}\n")
    await close()


async def _to_log(
    url: str,
) -> tuple[Callable[[], Coroutine[Any, Any, object]], Callable[[], Awaitable[object]]]:
    database = await open_database(url, clock=SystemClock(), migration_mode="skip")

    async def append_one() -> object:
        event = append(
            id=f"evt_{uuid4().hex}",
            account_id="bench",
            type="email.received",
            data=DATA,
            created_at=NOW,
            agent_email=str(DATA["agent_email"]),
            message_id=str(DATA["message_id"]),
        )
        return await database.write(event)

    return append_one, database.close


async def _to_bare(
    url: str,
) -> tuple[Callable[[], Coroutine[Any, Any, object]], Callable[[], Awaitable[object]]]:
    pool = await asyncpg.create_pool(url, min_size=1, max_size=10)
    micros = to_micros(NOW)

    async def append_one() -> object:
        data = json.dumps(DATA, ensure_ascii=False, separators=(",", ":"))
        values = ("bench", "email.received", DATA["agent_email"], None, DATA["message_id"], data, micros)
        done: str = await pool.execute(INSERT, f"evt_{uuid4().hex}", *values)
        return done

    return append_one, pool.close


if __name__ == "__main__":
    url, table, writers, seconds = sys.argv[1:]
    asyncio.run(main(url, table, int(writers), float(seconds)))
