"""The first page of every list in an inbox of a million messages, against a small one, on both stores.

It takes minutes and some 6 GB for each store, and runs only if it is named.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import asyncpg

from bench.homes import home_environment, make_home
from bench.page_time import (
    MAX_DISK_KB,
    QUERIES,
    SEARCHES,
    Inbox,
    close_all,
    conversations_figure,
    page_figure,
    within_bounds,
)
from bench.postgresql import execute, postgresql
from bench.report import Figure
from bench.seed import FIRST_MICROS, STEP_MICROS, seed, seed_postgresql
from e2a_core.clock import from_micros, rfc3339
from e2a_core.contract.messages import MessageQuery
from e2a_core.local.engine import open_local_engine
from e2a_core.settings import load_settings

__all__ = ["growth"]

SMALL, LARGE, TOY = 1000, 1_000_000, 9000
ROWS = 20
SIZES = ("small", "large")
SERVER = (
    # The server is thrown away afterwards: nothing of it need survive a power failure.
    "ALTER SYSTEM SET fsync = off",
    "ALTER SYSTEM SET full_page_writes = off",
    "ALTER SYSTEM SET max_wal_size = '8GB'",
    "SELECT pg_reload_conf()",
)


def growth(folder: Path, *, quick: bool) -> list[Figure]:
    """Measures medians of both sizes in turns, first on SQLite and then on PostgreSQL."""
    counts = (SMALL, TOY if quick else LARGE)
    calls = 3 if quick else 40
    homes = [
        _sqlite_home(folder / f"sqlite-{name}", count) for name, count in zip(SIZES, counts, strict=True)
    ]
    figures = asyncio.run(_measure("SQLite", homes, counts[1], calls))
    figures.append(_disk("SQLite", (folder / "sqlite-large" / "e2a.db").stat().st_size, counts[1]))
    with _postgresql() as server:
        homes = [
            _postgresql_home(folder / f"postgresql-{name}", server, name, count)
            for name, count in zip(SIZES, counts, strict=True)
        ]
        figures += asyncio.run(_measure("PostgreSQL", homes, counts[1], calls))
        figures.append(_disk("PostgreSQL", asyncio.run(_size(server, "large")), counts[1]))
    return figures


def _queries(count: int) -> dict[str, MessageQuery]:
    """Those of `page_time`, and a window in the middle of an inbox of `count` messages."""
    since, until = (
        rfc3339(from_micros(FIRST_MICROS + number * STEP_MICROS)) for number in (count // 2, count * 3 // 5)
    )
    window: dict[str, object] = {"since": since, "until": until}
    searches: dict[str, dict[str, object]] = {
        **SEARCHES,
        "a time window": window,
        "a word in a time window": {**window, "query": "invoice"},
        "a word of none in a time window": {**window, "query": "xylophone"},
    }
    return QUERIES | {
        name: MessageQuery.model_validate({"limit": ROWS, "read_status": "all", **members})
        for name, members in searches.items()
    }


async def _measure(store: str, homes: list[dict[str, str]], count: int, calls: int) -> list[Figure]:
    engines = [await open_local_engine(load_settings(home)) for home in homes]
    try:
        small, large = [Inbox(engine, await engine.home_session()) for engine in engines]
        queries, same = _queries(count), _queries(SMALL)
        figures = [
            await page_figure(f"{store}, {count:,}: {name}", small, large, query, calls, same[name])
            for name, query in queries.items()
        ]
        figures.append(await conversations_figure(f"{store}, {count:,}: conversations", small, large, calls))
        return [within_bounds(figure) for figure in figures]
    finally:
        await close_all(engines)


def _disk(store: str, octets: int, count: int) -> Figure:
    """Everything that the store keeps, for each message; each has some 500 octets of text."""
    name = f"{store}, {count:,}: disk per message"
    return Figure(name, "kB", octets / count / 1000, bound=MAX_DISK_KB, note="with 500 octets of text")


async def _size(server: str, database: str) -> int:
    connection = await asyncpg.connect(server)
    try:
        return int(await connection.fetchval("SELECT pg_database_size($1)", database))
    finally:
        await connection.close()


def _sqlite_home(home: Path, count: int) -> dict[str, str]:
    """Returns the settings of a new home with so many messages."""
    seed(home / "e2a.db", make_home(home), count)
    return home_environment(home)


def _postgresql_home(home: Path, server: str, name: str, count: int) -> dict[str, str]:
    asyncio.run(execute(server, f"CREATE DATABASE {name} TEMPLATE template0"))
    url = server.replace("/postgres?", f"/{name}?")
    seed_postgresql(url, make_home(home, E2A_DATABASE_URL=url), count)
    return home_environment(home, E2A_DATABASE_URL=url)


@contextmanager
def _postgresql() -> Iterator[str]:
    """The URL of a new server that trades the safety of its data for time."""
    with postgresql() as server:
        asyncio.run(execute(server, *SERVER))
        yield server
