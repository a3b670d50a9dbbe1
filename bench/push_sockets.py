"""Memory that idle WebSockets hold in the process that serves them."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from pathlib import Path

import websockets

from bench.homes import Relay, account_key, home_environment, make_home, serve
from bench.report import Figure
from e2a_core.clock import SystemClock, to_micros
from e2a_core.ids import Ids
from e2a_core.local.home import home_principal, open_home
from e2a_core.local.queries import insert_inbox
from e2a_core.settings import load_settings

__all__ = ["push_sockets"]

SOCKETS = 1000
"""As many as a process takes."""
WARM = 50
"""The first of them, opened before the first look: what a process loads once is not theirs."""
AT_ONCE = 16
BOUND_KIBIBYTES = 60
SETTLE_SECONDS = 2.0


def push_sockets(folder: Path, *, quick: bool) -> list[Figure]:
    """Measures a home with an inbox for each WebSocket, since an inbox has one."""
    count, warm = (100, 10) if quick else (SOCKETS, WARM)
    home = folder / "sockets"
    inbox = make_home(home)
    inboxes = asyncio.run(_more_inboxes(home, inbox.partition("@")[2], count))
    key = account_key(home)
    room = str(2 * (count))
    settings = {"E2A_HTTP_MAX_CONNECTIONS": room, "E2A_HTTP_MAX_CONNECTIONS_PER_ADDRESS": room}
    with serve(home, settings) as relay:
        kibibytes = asyncio.run(_measure(relay, key, inboxes[:warm], inboxes[warm:]))
    name = f"memory of an idle WebSocket, {count:,} open"
    return [Figure(name, "KiB", kibibytes, bound=BOUND_KIBIBYTES)]


async def _more_inboxes(home: Path, domain: str, count: int) -> list[str]:
    inboxes = [f"agent-{number}@{domain}" for number in range(count)]
    core, _ = await open_home(load_settings(home_environment(home)), SystemClock(), Ids())
    try:
        account, now = (await home_principal(core)).account_id, to_micros(core.clock.now())
        await core.db.write([insert_inbox(inbox, account, domain, now) for inbox in inboxes])
    finally:
        await core.db.close()
    return inboxes


async def _measure(relay: Relay, key: str, warm: list[str], inboxes: list[str]) -> float:
    """KiB of resident memory for each of `inboxes`."""
    base = relay.mcp.removesuffix("/mcp").replace("http", "ws", 1)
    room = asyncio.Semaphore(AT_ONCE)
    async with AsyncExitStack() as stack:

        async def connect(inbox: str) -> None:
            async with room:
                opening = websockets.connect(
                    f"{base}/v1/agents/{inbox}/ws",
                    additional_headers={"Authorization": f"Bearer {key}"},
                    proxy=None,
                    open_timeout=60,
                )
                await stack.enter_async_context(opening)

        await asyncio.gather(*map(connect, warm))
        await asyncio.sleep(SETTLE_SECONDS)
        before = relay.process.resident_mebibytes()
        await asyncio.gather(*map(connect, inboxes))
        await asyncio.sleep(SETTLE_SECONDS)
        return (relay.process.resident_mebibytes() - before) * 1024 / len(inboxes)
