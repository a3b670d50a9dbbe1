"""Time from the 250 of a message to its event at a WebSocket and at a webhook, and what dead endpoints cost others."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable
from contextlib import AsyncExitStack
from pathlib import Path
from statistics import median, quantiles

import httpx
import websockets
from tests.support.dns import DnsServer
from tests.support.receiver import HANG, Received, receiving
from tests.support.smtp_client import submit
from tests.support.waiting import until

from bench.homes import Relay, account_key, make_home, serve
from bench.mail import SENDER, Signer
from bench.report import Figure

__all__ = ["push"]

PER_SECOND = 50
SESSIONS = 20
DEAD = 49
"""With the healthy one as many webhooks as an account may have."""
P50_SECONDS, P99_SECONDS = 0.05, 0.25
PATIENCE_SECONDS = 60.0

Arrivals = dict[str, float]


def push(folder: Path, *, quick: bool) -> list[Figure]:
    """Measures a served home at a steady rate, and once more with endpoints that never answer."""
    count = 10 if quick else 300
    home = folder / "push"
    inbox = make_home(home)
    key = account_key(home)
    signer = Signer()
    settings = {"E2A_PUSH_ALLOW_LOOPBACK": "true"}
    with DnsServer(signer.zones) as dns, serve(home, {**settings, "E2A_DNS_SERVER": dns.address}) as relay:
        run = _Run(relay, inbox, key, signer)
        idle = asyncio.run(run.measure(max(5, count // 30), pause=0.2, dead=0))
        steady = asyncio.run(run.measure(count, pause=1 / PER_SECOND, dead=0))
        crowded = asyncio.run(run.measure(count, pause=1 / PER_SECOND, dead=DEAD))
    figures = []
    for channel in ("WebSocket", "webhook"):
        name = f"from 250 to {channel}, {PER_SECOND} mails/s"
        note = f"idle p50 {median(idle[channel]) * 1000:.0f} ms"
        figures += [
            Figure(f"{name}, p50", "s", median(steady[channel]), bound=P50_SECONDS, note=note),
            Figure(f"{name}, p99", "s", _p99(steady[channel]), bound=P99_SECONDS),
        ]
    name = f"the same to the webhook beside {DEAD} dead ones, p99"
    return [*figures, Figure(name, "s", _p99(crowded["webhook"]), _p99(steady["webhook"]), bound=3.0)]


def _p99(found: list[float]) -> float:
    return quantiles(found, n=100)[98]


class _Run:
    """One served home, its inbox and the key of its account."""

    def __init__(self, relay: Relay, inbox: str, key: str, signer: Signer) -> None:
        self._relay = relay
        self._api = relay.mcp.removesuffix("/mcp")
        self._inbox = inbox
        self._headers = {"Authorization": f"Bearer {key}"}
        self._signer = signer
        self._next = 0

    async def measure(self, count: int, *, pause: float, dead: int) -> dict[str, list[float]]:
        """The delays of `count` mails by channel, in seconds; `dead` webhooks take each event and never answer."""
        first = self._next
        self._next += count
        posted: Arrivals = {}
        framed: Arrivals = {}
        async with AsyncExitStack() as stack:
            receiver = await stack.enter_async_context(receiving())
            receiver.answer = _noting(posted)
            hung = await stack.enter_async_context(receiving())
            hung.status = HANG
            client = await stack.enter_async_context(
                httpx.AsyncClient(base_url=self._api, headers=self._headers)
            )
            made = [await self._webhook(client, hung.url(f"/{number}")) for number in range(dead)]
            made.append(await self._webhook(client, receiver.url()))
            reading = asyncio.create_task(self._frames(framed))
            try:
                acknowledged = await self._send(first, count, pause)
                await until(lambda: acknowledged.keys() <= posted.keys() & framed.keys(), PATIENCE_SECONDS)
            finally:
                reading.cancel()
            for webhook in made:
                await client.delete(f"/v1/webhooks/{webhook}", params={"confirm": "DELETE"})
        return {
            channel: [max(0.0, found[subject] - at) for subject, at in acknowledged.items()]
            for channel, found in (("WebSocket", framed), ("webhook", posted))
        }

    async def _webhook(self, client: httpx.AsyncClient, url: str) -> str:
        response = await client.post("/v1/webhooks", json={"url": url, "events": ["email.received"]})
        response.raise_for_status()
        return str(response.json()["id"])

    async def _frames(self, framed: Arrivals) -> None:
        where = f"{self._api.replace('http', 'ws', 1)}/v1/agents/{self._inbox}/ws"
        async with websockets.connect(where, additional_headers=self._headers, proxy=None) as connection:
            async for frame in connection:
                framed.setdefault(json.loads(frame)["data"]["subject"], time.perf_counter())

    async def _send(self, first: int, count: int, pause: float) -> Arrivals:
        """Sends at a steady rate; when each was acknowledged, by subject."""
        acknowledged: Arrivals = {}
        room = asyncio.Semaphore(SESSIONS)

        async def one(number: int) -> None:
            content = self._signer.message(number, self._inbox)
            async with room:
                exchange = await submit(self._relay.smtp, content, mail_from=SENDER, recipients=[self._inbox])
            acknowledged[f"Delivery of lot {number}"] = time.perf_counter()
            if not exchange.accepted:
                raise RuntimeError(f"mail was not accepted: {exchange}")

        async with asyncio.TaskGroup() as group:
            for number in range(first, first + count):
                group.create_task(one(number))
                await asyncio.sleep(pause)
        return acknowledged


def _noting(posted: Arrivals) -> Callable[[Received], bytes]:
    def note(got: Received) -> bytes:
        posted.setdefault(json.loads(got.body)["data"]["subject"], time.perf_counter())
        return b"{}"

    return note
