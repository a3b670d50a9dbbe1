"""Events appended per second on PostgreSQL by several processes, against a bare INSERT of the same rows."""

from __future__ import annotations

import asyncio
import os
from contextlib import ExitStack
from pathlib import Path

from bench.postgresql import execute, postgresql
from bench.processes import child
from bench.report import Figure, measured
from e2a_core.clock import SystemClock
from e2a_core.store.open import open_database

__all__ = ["event_log"]

BOUND = 0.5
PROCESSES = (1, 2, 4)
WRITERS = 8
"""Writers in each process, one commit each at a time."""


def event_log(folder: Path, *, quick: bool) -> list[Figure]:
    """Measures the log and the bare table in turns, for each number of processes."""
    rounds, seconds = (1, 0.2) if quick else (3, 2.0)
    with postgresql() as server:
        url = asyncio.run(_prepare(server))
        figures = []
        for processes in PROCESSES:
            ours, baseline = [], []
            for _ in range(rounds):
                baseline.append(_rate(url, "bare", processes, seconds, folder))
                ours.append(_rate(url, "log", processes, seconds, folder))
            figures.append(_figure(processes, ours, baseline))
        return figures


def _figure(processes: int, ours: list[float], baseline: list[float]) -> Figure:
    note = f"{WRITERS} writers in each, one commit an event; {os.cpu_count()} cores, shared with the database"
    name = f"events appended, PostgreSQL, {processes} process{'es' if processes > 1 else ''}"
    return measured(name, "events/s", ours, baseline, bound=BOUND, floor=True, note=note)


async def _prepare(url: str) -> str:
    """Makes a database with the schema, one account, and a table like the log's without its order; returns its URL."""
    await execute(url, "CREATE DATABASE bench TEMPLATE template0")
    url = url.replace("/postgres?", "/bench?")
    await (await open_database(url, clock=SystemClock())).close()
    await execute(
        url,
        "INSERT INTO accounts (id, email, created_at) VALUES ('bench', 'bench@example.org', 1)",
        "CREATE TABLE bare (LIKE events INCLUDING DEFAULTS INCLUDING IDENTITY INCLUDING INDEXES)",
        "ALTER TABLE bare ALTER COLUMN xid SET DEFAULT 0",
    )
    return url


def _rate(url: str, table: str, processes: int, seconds: float, folder: Path) -> float:
    """Returns the events per second of all processes together; they begin when all are ready."""
    arguments = ["-m", "bench.children.event_writer", url, table, str(WRITERS), str(seconds)]
    with ExitStack() as stack:
        writers = [
            stack.enter_context(child(arguments, folder / f"writer-{number}.log"))
            for number in range(processes)
        ]
        for writer in writers:
            writer.line()
        for writer in writers:
            writer.write(b"go\n")
        return sum(float(writer.line()) for writer in writers)
