"""Runs of mail at a steady rate, and when each mail was told of on each channel."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path

import httpx
import websockets
from tests.mcp.raw_events import over_http
from tests.support.receiver import HANG, Received, receiving
from tests.support.smtp_client import submit
from tests.support.waiting import until

from bench.homes import Relay
from bench.mail import SENDER, Signer
from bench.processes import child

__all__ = ["CHANNELS", "PushRun", "Told", "bare_run"]

CHANNELS = ("WebSocket", "webhook", "events stream")
SESSIONS = 20
PATIENCE_SECONDS = 60.0
REFUSING = "http://127.0.0.1:1"
"""Nobody listens there."""

Arrivals = dict[str, float]


@dataclass(frozen=True, slots=True)
class Told:
    """The delays of each channel in seconds, and the processor seconds that a mail cost the server."""

    delays: Mapping[str, list[float]]
    processor_seconds: float


class PushRun:
    """One served home, its inbox and the key of its account."""

    def __init__(self, relay: Relay, inbox: str, key: str, signer: Signer) -> None:
        self._relay = relay
        self._api = relay.mcp.removesuffix("/mcp")
        self._inbox = inbox
        self._key = key
        self._headers = {"Authorization": f"Bearer {key}"}
        self._signer = signer
        self._next = 0

    async def measure(self, count: int, *, pause: float, dead: int = 0, live: int = 0) -> Told:
        """Of `count` mails. `dead` and `live` webhooks get each event too: of the dead, every second one never answers,
        the others refuse; the live answer at once.
        """
        numbers = range(self._next, self._next + count)
        self._next += count
        found: dict[str, Arrivals] = {channel: {} for channel in CHANNELS}
        async with AsyncExitStack() as stack:
            receiver = await stack.enter_async_context(receiving())
            receiver.answer = _noting(found["webhook"])
            hung = await stack.enter_async_context(receiving())
            hung.status = HANG
            client = await stack.enter_async_context(
                httpx.AsyncClient(base_url=self._api, headers=self._headers)
            )
            dead_urls = [
                hung.url(f"/{number}") if number % 2 else f"{REFUSING}/{number}" for number in range(dead)
            ]
            other = await stack.enter_async_context(receiving())
            live_urls = [other.url(f"/{number}") for number in range(live)]
            made = [await self._webhook(client, url) for url in (*dead_urls, *live_urls, receiver.url())]
            active = asyncio.Event()
            reading = [
                asyncio.create_task(self._frames(found["WebSocket"])),
                asyncio.create_task(self._stream(found["events stream"], active)),
            ]
            try:
                await active.wait()
                used = self._relay.process.processor_seconds()
                sent = await send(self._relay.smtp, self._signer, self._inbox, numbers, pause)
                await until(
                    lambda: all(sent.keys() <= arrived.keys() for arrived in found.values()), PATIENCE_SECONDS
                )
                used = self._relay.process.processor_seconds() - used
            finally:
                for task in reading:
                    task.cancel()
            for webhook in made:
                await client.delete(f"/v1/webhooks/{webhook}", params={"confirm": "DELETE"})
        return Told({channel: _delays(sent, arrived) for channel, arrived in found.items()}, used / count)

    async def _webhook(self, client: httpx.AsyncClient, url: str) -> str:
        response = await client.post("/v1/webhooks", json={"url": url, "events": ["email.received"]})
        response.raise_for_status()
        return str(response.json()["id"])

    async def _frames(self, arrived: Arrivals) -> None:
        where = f"{self._api.replace('http', 'ws', 1)}/v1/agents/{self._inbox}/ws"
        async with websockets.connect(where, additional_headers=self._headers, proxy=None) as connection:
            async for frame in connection:
                arrived.setdefault(json.loads(frame)["data"]["subject"], time.perf_counter())

    async def _stream(self, arrived: Arrivals, active: asyncio.Event) -> None:
        arguments = {"agent_email": self._inbox}
        async with over_http(self._api, self._key) as raw, raw.stream(arguments=arguments) as stream:
            while True:
                kind, params = await stream.next()
                if kind == "active":
                    active.set()
                elif kind == "event":
                    arrived.setdefault(params["data"]["subject"], time.perf_counter())


async def bare_run(folder: Path, inbox: str, signer: Signer, count: int, *, pause: float) -> Told:
    """The same mail through an SMTP server that stores nothing, and posts each subject at once."""
    arrived: Arrivals = {}
    async with receiving() as receiver:
        receiver.answer = _noting(arrived)
        arguments = ["-m", "bench.children.bare_push", receiver.url()]
        with child(arguments, folder / "bare.log") as server:
            smtp = ("127.0.0.1", int(await asyncio.to_thread(server.line)))
            await send(smtp, signer, inbox, [count], pause)
            used = server.processor_seconds()
            sent = await send(smtp, signer, inbox, range(count), pause)
            await until(lambda: sent.keys() <= arrived.keys(), PATIENCE_SECONDS)
            used = server.processor_seconds() - used
    return Told({"webhook": _delays(sent, arrived)}, used / count)


async def send(
    smtp: tuple[str, int], signer: Signer, inbox: str, numbers: Iterable[int], pause: float
) -> Arrivals:
    """Sends at a steady rate; when each was acknowledged, by subject."""
    acknowledged: Arrivals = {}
    room = asyncio.Semaphore(SESSIONS)

    async def one(number: int) -> None:
        content = signer.message(number, inbox)
        async with room:
            exchange = await submit(smtp, content, mail_from=SENDER, recipients=[inbox])
        acknowledged[f"Delivery of lot {number}"] = time.perf_counter()
        if not exchange.accepted:
            raise RuntimeError(f"mail was not accepted: {exchange}")

    async with asyncio.TaskGroup() as group:
        for number in numbers:
            group.create_task(one(number))
            await asyncio.sleep(pause)
    return acknowledged


def _delays(sent: Arrivals, arrived: Arrivals) -> list[float]:
    return [max(0.0, arrived[subject] - at) for subject, at in sent.items()]


def _noting(arrived: Arrivals) -> Callable[[Received], bytes]:
    def note(got: Received) -> bytes:
        arrived.setdefault(json.loads(got.body)["data"]["subject"], time.perf_counter())
        return b"{}"

    return note
