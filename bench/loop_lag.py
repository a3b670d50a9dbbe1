"""The longest pause of the event loop while a home takes in and reads mail at its worst."""

from __future__ import annotations

import asyncio
from pathlib import Path

from tests.support.dns import DnsServer
from tests.support.loop_lag import LoopLag, bring
from tests.support.worst_mail import WORST

from bench.homes import home_environment, make_home
from bench.report import Figure
from e2a_core.contract.messages import MessageQuery
from e2a_core.local.engine import LocalEngine, open_local_engine
from e2a_core.local.run_file import read_run_file
from e2a_core.settings import load_settings

__all__ = ["loop_lag"]

BOUND_MS = 50
FEW = 8
"""Cases of a quick run."""


def loop_lag(folder: Path, *, quick: bool) -> list[Figure]:
    """Measures every case of `tests/support/worst_mail.py`, each a message of up to 10 MB."""
    return asyncio.run(_measure(folder / "home", list(WORST)[:FEW] if quick else list(WORST)))


async def _measure(home: Path, names: list[str]) -> list[Figure]:
    inbox = await asyncio.to_thread(make_home, home)
    with DnsServer({}) as dns:
        settings = load_settings(home_environment(home, E2A_DNS_SERVER=dns.address))
        engine = await open_local_engine(settings)
        try:
            await engine.wait_until_leading()
            return [await _figure(engine, inbox, name) for name in names]
        finally:
            await engine.close()


async def _figure(engine: LocalEngine, inbox: str, name: str) -> Figure:
    host, _, port = str((read_run_file(engine.core.settings.home) or {})["smtp"]).rpartition(":")
    session = await engine.home_session()
    content = WORST[name]()
    pauses, codes = [], set()
    for _ in range(2):
        async with LoopLag() as lag:
            codes.add(await bring((host, int(port)), content, mail_from="a@example.org", recipient=inbox))
            page = await session.messages.list(inbox, MessageQuery(limit=1))
            for item in page.items:
                await session.messages.get(inbox, item.id)
        pauses.append(lag.worst * 1000)
    note = f"{len(content):,} octets, answered {', '.join(map(str, sorted(codes)))}"
    return Figure(f"loop pause, {name}", "ms", min(pauses), bound=BOUND_MS, note=note)
