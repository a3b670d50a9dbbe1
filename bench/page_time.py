"""The first page of `list_messages` in a large inbox, against a small one."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from bench.homes import home_environment, make_home
from bench.report import Figure
from bench.seed import CONVERSATION, seed
from e2a_core.contract.messages import MessageQuery
from e2a_core.local.engine import LocalEngine, open_local_engine
from e2a_core.local.session import LocalSession
from e2a_core.settings import load_settings
from e2a_core.store.statement import sql

__all__ = ["page_time"]

BOUND = 1.3
SMALL, LARGE = 1000, 200_000
TOY = 3000
ROWS = 20
QUERIES = {
    "unread (the default)": MessageQuery(limit=ROWS),
    "read_status=all": MessageQuery(limit=ROWS, read_status="all"),
    "direction=all": MessageQuery(limit=ROWS, direction="all"),
    "one label": MessageQuery(limit=ROWS, read_status="all", labels=["billing"]),
    "one conversation": MessageQuery(limit=ROWS, read_status="all", conversation_id=CONVERSATION),
}


_SOMETHING = sql(
    "INSERT INTO meta (key, value) VALUES ('bench', '') ON CONFLICT (key) DO UPDATE SET value = ''"
)


def page_time(folder: Path, *, quick: bool) -> list[Figure]:
    """Measures the median time of the engine's `messages.list`, both sizes in turns, also when all mail is read.

    Something is committed before each read, because pages are cached until the next commit.
    """
    return asyncio.run(_measure(folder, TOY if quick else LARGE, 20 if quick else 400))


async def _measure(folder: Path, large: int, calls: int) -> list[Figure]:
    engines: list[LocalEngine] = []
    inboxes: list[_Inbox] = []
    for name, count, all_read in (
        ("small", SMALL, False),
        ("large", large, False),
        ("small-read", SMALL, True),
        ("large-read", large, True),
    ):
        home = folder / name
        inbox = await asyncio.to_thread(make_home, home)
        await asyncio.to_thread(seed, home / "e2a.db", inbox, count, all_read=all_read)
        engine = await open_local_engine(load_settings(home_environment(home)))
        engines.append(engine)
        inboxes.append(_Inbox(engine, await engine.home_session()))
    try:
        small, big, small_read, big_read = inboxes
        figures = [
            await _figure(f"first page of {large:,}, {name}", small, big, query, calls)
            for name, query in QUERIES.items()
        ]
        figures.append(
            await _figure(
                f"first page of {large:,}, none unread", small_read, big_read, MessageQuery(limit=ROWS), calls
            )
        )
        return figures
    finally:
        await _close(engines)


@dataclass(frozen=True, slots=True)
class _Inbox:
    engine: LocalEngine
    session: LocalSession

    async def milliseconds(self, query: MessageQuery) -> float:
        """Returns the time of reading the first page, uncached."""
        await self.engine.core.db.write([_SOMETHING])
        email = self.session.principal.agent_email
        assert email is not None
        started = time.perf_counter()
        await self.session.messages.list(email, query)
        return (time.perf_counter() - started) * 1000


async def _figure(name: str, small: _Inbox, large: _Inbox, query: MessageQuery, calls: int) -> Figure:
    baseline, ours = [], []
    for _ in range(calls):
        baseline.append(await small.milliseconds(query))
        ours.append(await large.milliseconds(query))
    return Figure(name, "ms", median(ours), median(baseline), BOUND, note=f"baseline: {SMALL:,} messages")


async def _close(engines: list[LocalEngine]) -> None:
    for engine in engines:
        await engine.close()
