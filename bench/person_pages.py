"""Pages of people: a review from the hold on, and the queue and the inbox when they are long against short ones."""

from __future__ import annotations

import asyncio
import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median

import httpx

from bench.homes import Relay, account_key, agent_key, home_environment, make_home, serve
from bench.report import Figure
from bench.seed import seed
from e2a_core.contract.protection import ProtectionConfig
from e2a_core.contract.sending import SendEmailRequest, SendOptions
from e2a_core.local.engine import open_local_engine
from e2a_core.settings import load_settings

__all__ = ["mailbox_page", "review_pages"]

FEW, MANY, TOY = 10, 10_000, 200
SMALL_INBOX, LARGE_INBOX, TOY_INBOX = 1000, 200_000, 3000
BOUND = 1.3
REVIEW_BOUND_MS = 100.0
HOLD = ProtectionConfig.model_validate(
    {
        "inbound": {"gate": {}, "scan": {}},
        "outbound": {"gate": {"policy": "allowlist", "action": "review"}, "scan": {}},
        "holds": {},
    }
)
MAIL = {
    "to": ["bob@example.org"],
    "subject": "An offer",
    "text": "Dear Bob,\n\nwe can deliver on Friday.\n" * 10,
}
UNLIMITED = {"E2A_SEND_RATE_PER_MINUTE": "0", "E2A_POLL_RATE_PER_MINUTE": "1000000"}


def review_pages(folder: Path, *, quick: bool) -> list[Figure]:
    """Measures medians over HTTP, of a person who is signed in."""
    many, calls = (TOY, 5) if quick else (MANY, 100)
    small, large = folder / "few", folder / "many"
    for home, count in ((small, FEW), (large, many)):
        inbox = make_home(home)
        asyncio.run(_hold_one(home, inbox))
        _copy(home / "e2a.db", count)
    with (
        serve(small, UNLIMITED) as few,
        serve(large, UNLIMITED) as lots,
        _person(few, small) as there,
        _person(lots, large) as here,
    ):
        baseline, ours = [], []
        for _ in range(calls):
            baseline.append(_milliseconds(there, "/reviews"))
            ours.append(_milliseconds(here, "/reviews"))
        key = agent_key(large)
        shown = [_shown(here, lots, key, inbox) for _ in range(calls)]
    return [
        Figure(
            f"queue of {many:,} holds",
            "ms",
            median(ours),
            median(baseline),
            BOUND,
            note=f"baseline: {FEW} holds",
        ),
        Figure("review page, from the hold on", "ms", median(shown), bound=REVIEW_BOUND_MS),
    ]


def mailbox_page(folder: Path, *, quick: bool) -> list[Figure]:
    """Measures the first page of an inbox. Something is committed before each, since reads are kept until then."""
    large, calls = (TOY_INBOX, 5) if quick else (LARGE_INBOX, 100)
    few, many = folder / "few", folder / "many"
    for home, count in ((few, SMALL_INBOX), (many, large)):
        path = f"/mail/{make_home(home)}"
        seed(home / "e2a.db", path.removeprefix("/mail/"), count)
    with (
        serve(few, UNLIMITED) as short,
        serve(many, UNLIMITED) as long,
        _person(short, few) as there,
        _person(long, many) as here,
    ):
        baseline: list[float] = []
        ours: list[float] = []
        for _ in range(calls):
            for home, client, times in ((few, there, baseline), (many, here, ours)):
                _commit(home / "e2a.db")
                times.append(_milliseconds(client, path))
    note = f"baseline: {SMALL_INBOX:,} messages"
    return [Figure(f"inbox page of {large:,}", "ms", median(ours), median(baseline), BOUND, note=note)]


def _commit(database: Path) -> None:
    with sqlite3.connect(database, timeout=30) as connection:
        connection.execute(
            "INSERT INTO meta (key, value) VALUES ('bench', '') ON CONFLICT (key) DO UPDATE SET value = ''"
        )
    connection.close()


async def _hold_one(home: Path, inbox: str) -> None:
    engine = await open_local_engine(load_settings(home_environment(home)))
    try:
        session = await engine.home_session(agent_email=inbox, scope="account")
        await session.protection.put(inbox, HOLD)
        request = SendEmailRequest.model_validate(MAIL)
        await session.messages.send(inbox, request, SendOptions())
    finally:
        await engine.close()


def _copy(database: Path, count: int) -> None:
    """As many holds as `count`, by copies of the only one."""
    with sqlite3.connect(database) as connection:
        connection.row_factory = sqlite3.Row
        [row] = connection.execute("SELECT * FROM messages WHERE status = 'pending_review'").fetchall()
        names = [name for name in row.keys() if name != "seq"]  # noqa: SIM118 - a row iterates over its values
        places = ", ".join(f":{name}" for name in names)
        connection.executemany(
            f"INSERT INTO messages ({', '.join(names)}) VALUES ({places})",
            (
                {**{name: row[name] for name in names}, "id": f"msg_{number:032x}"}
                | {"created_at": row["created_at"] - number, "conversation_id": f"conv_{number:032x}"}
                | {"thread_id": f"thrd_{number:032x}"}
                for number in range(1, count)
            ),
        )
    connection.close()


@contextmanager
def _person(relay: Relay, home: Path) -> Iterator[httpx.Client]:
    """A browser that is signed in."""
    base = relay.mcp.removesuffix("/mcp")
    with httpx.Client(base_url=base, headers={"Accept": "text/html", "Origin": base}) as client:
        answer = client.post("/sign-in", data={"key": account_key(home)})
        if answer.status_code != 303:
            raise RuntimeError(f"nobody is signed in: {answer.status_code} {answer.text[:200]}")
        yield client


def _milliseconds(client: httpx.Client, path: str) -> float:
    started = time.perf_counter()
    answer = client.get(path)
    if answer.status_code != 200:
        raise RuntimeError(f"{path} answers {answer.status_code}: {answer.text[:200]}")
    return (time.perf_counter() - started) * 1000


def _shown(client: httpx.Client, relay: Relay, key: str, inbox: str) -> float:
    """From the call that is held to the page that shows the draft."""
    started = time.perf_counter()
    base = relay.mcp.removesuffix("/mcp")
    answer = client.post(
        f"{base}/v1/agents/{inbox}/messages", json=MAIL, headers={"Authorization": f"Bearer {key}"}
    )
    _milliseconds(client, f"/reviews/{answer.json()['message_id']}")
    return (time.perf_counter() - started) * 1000
