"""The first page of `list_messages` in a large inbox, against a small one."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass, replace
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

__all__ = [
    "MAX_DISK_KB",
    "QUERIES",
    "SEARCHES",
    "Inbox",
    "close_all",
    "conversations_figure",
    "page_figure",
    "page_time",
    "within_bounds",
]

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
SEARCHES: dict[str, dict[str, object]] = {
    "a word": {"query": "invoice"},
    "a word that occurs nowhere": {"query": "xylophone"},
    "from": {"from": "company7.example"},
    "from nobody": {"from": "nobody.example"},
    "part of the subject": {"subject_contains": "eeting deliver"},
    "a subject of none": {"subject_contains": "xylophone"},
    "a filter": {"filter": "subject:invoice -label:todo"},
    "a filter that nothing matches": {"filter": "from:nobody.example label:todo"},
    "a label of none": {"labels": ["absent"]},
    "a word and a label": {"query": "invoice", "labels": ["billing"]},
    "a label and a sender": {"labels": ["billing"], "from": "company8.example"},
    "two labels that never meet": {"labels": ["billing", "todo"]},
}
MAX_DISK_KB = 1.3 * 3.7
SEARCH_BOUND = 3.0
SEARCH_MS = 10.0
"""What a search may take at any size; below it the ratio to the small inbox does not count."""


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
    inboxes: list[Inbox] = []
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
        inboxes.append(Inbox(engine, await engine.home_session()))
    try:
        small, big, small_read, big_read = inboxes
        figures = [
            await page_figure(f"first page of {large:,}, {name}", small, big, query, calls)
            for name, query in QUERIES.items()
        ]
        figures.append(
            await page_figure(
                f"first page of {large:,}, none unread", small_read, big_read, MessageQuery(limit=ROWS), calls
            )
        )
        for name, members in SEARCHES.items():
            query = MessageQuery.model_validate({"limit": ROWS, "read_status": "all", **members})
            figures.append(
                within_bounds(await page_figure(f"first page of {large:,}, {name}", small, big, query, calls))
            )
        figures.append(
            within_bounds(await conversations_figure(f"first conversations of {large:,}", small, big, calls))
        )
        figures.append(_disk(folder / "large" / "e2a.db", large))
        return figures
    finally:
        await close_all(engines)


@dataclass(frozen=True, slots=True)
class Inbox:
    engine: LocalEngine
    session: LocalSession

    @property
    def email(self) -> str:
        email = self.session.principal.agent_email
        assert email is not None
        return email

    async def milliseconds(self, query: MessageQuery) -> float:
        """Returns the time of reading the first page, uncached."""
        await self.engine.core.db.write([_SOMETHING])
        started = time.perf_counter()
        await self.session.messages.list(self.email, query)
        return (time.perf_counter() - started) * 1000


async def page_figure(
    name: str,
    small: Inbox,
    large: Inbox,
    query: MessageQuery,
    calls: int,
    same: MessageQuery | None = None,
) -> Figure:
    """Medians of `query` in both; `same` is what asks the small inbox for as much, if that is another query."""
    baseline, ours = [], []
    for _ in range(calls):
        baseline.append(await small.milliseconds(same or query))
        ours.append(await large.milliseconds(query))
    return Figure(name, "ms", median(ours), median(baseline), BOUND, note=f"baseline: {SMALL:,} messages")


def within_bounds(figure: Figure) -> Figure:
    """The figure of a search, which is judged by its ratio only if it takes longer than `SEARCH_MS`."""
    baseline = max(figure.baseline or 0, SEARCH_MS / SEARCH_BOUND)
    note = (
        f"{figure.baseline:.2f} ms at {SMALL:,}; at most {SEARCH_BOUND:.0f} times that or {SEARCH_MS:.0f} ms"
    )
    return replace(figure, baseline=baseline, bound=SEARCH_BOUND, note=note)


async def conversations_figure(name: str, small: Inbox, large: Inbox, calls: int) -> Figure:
    baseline: list[float] = []
    ours: list[float] = []
    for _ in range(calls):
        for inbox, times in ((small, baseline), (large, ours)):
            await inbox.engine.core.db.write([_SOMETHING])
            started = time.perf_counter()
            await inbox.session.conversations.list(inbox.email, limit=ROWS)
            times.append((time.perf_counter() - started) * 1000)
    return Figure(name, "ms", median(ours), median(baseline))


def _disk(database: Path, count: int) -> Figure:
    """The file per message, which holds some 500 octets of text, and its indexes."""
    return Figure("disk per message", "kB", database.stat().st_size / count / 1000, bound=MAX_DISK_KB)


async def close_all(engines: list[LocalEngine]) -> None:
    for engine in engines:
        await engine.close()
