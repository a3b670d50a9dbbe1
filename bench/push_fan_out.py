"""What an event costs for each webhook that wants it, when there are few of them and when there are many."""

from __future__ import annotations

import asyncio
import json
import time
from dataclasses import dataclass
from pathlib import Path

import httpx
from tests.support.receiver import Receiver, receiving
from tests.support.waiting import until

from bench.homes import Relay, home_environment, make_home, serve
from bench.report import Figure
from e2a_core.accounts.sealing import seal
from e2a_core.clock import SystemClock, to_micros
from e2a_core.core import Core
from e2a_core.ids import Ids
from e2a_core.local.home import home_principal, open_home
from e2a_core.settings import load_settings
from e2a_core.store.events import append
from e2a_core.store.statement import Statement
from e2a_core.webhooks import queries

__all__ = ["push_fan_out"]

WEBHOOKS = (1, 100, 1000)
DELIVERIES = 1000
"""In each step, by as many events as that takes; one more comes first, and opens what is opened once."""
TOGETHER = 100
"""Deliveries that one commit asks for, at least: what another process writes is looked for every 100 ms."""
LINEAR = 1.5
"""The cost of a delivery with most webhooks may be this much of that with a tenth of them."""
LEAST_OF_BARE = 0.05
AT_ONCE = 16
PATIENCE_SECONDS = 300.0
SECRET = "whsec_" + "0123456789abcdef" * 4
BODY = {"message_id": "msg_0123456789abcdef", "subject": "Quarterly figures"}


@dataclass(frozen=True, slots=True)
class _Step:
    webhooks: int
    deliveries: int
    seconds: float
    processor_seconds: float

    @property
    def rate(self) -> float:
        return self.deliveries / self.seconds

    @property
    def cost(self) -> float:
        return self.processor_seconds / self.deliveries


def push_fan_out(folder: Path, *, quick: bool) -> list[Figure]:
    """Measures homes with more and more webhooks on one account, and bare posts of one client to the same receiver."""
    counts = (1, 2, 20) if quick else WEBHOOKS
    deliveries = 20 if quick else DELIVERIES
    steps = [asyncio.run(_step(folder / f"of-{count}", count, deliveries)) for count in counts]
    bare = asyncio.run(_bare(deliveries))
    figures = [
        Figure(
            f"deliveries to {step.webhooks:,} webhook{'s' if step.webhooks > 1 else ''} of one account",
            "posts/s",
            step.rate,
            bare,
            bound=LEAST_OF_BARE,
            floor=True,
            note=f"{step.rate / step.webhooks:,.1f} events/s, {step.cost * 1000:.1f} ms of processor a delivery",
        )
        for step in steps
    ]
    _, few, many = steps
    name = f"processor time of a delivery, {many.webhooks:,} webhooks against {few.webhooks:,}"
    # The kernel counts in ticks, and a short run may have none.
    ours, baseline = (max(step.cost, 1e-6) * 1000 for step in (many, few))
    return [*figures, Figure(name, "ms", ours, baseline, bound=LINEAR)]


async def _step(home: Path, webhooks: int, deliveries: int) -> _Step:
    inbox = await asyncio.to_thread(make_home, home)
    async with receiving() as receiver:
        receiver.answer = lambda _: b"{}"
        core, _ = await open_home(load_settings(home_environment(home)), SystemClock(), Ids())
        try:
            account = (await home_principal(core)).account_id
            await core.db.write(_webhooks(core, account, receiver, webhooks))
            with serve(home, {"E2A_PUSH_ALLOW_LOOPBACK": "true"}) as relay:
                tell = _Teller(core, account, inbox, receiver, webhooks)
                await tell(1)
                return await _timed(relay, tell, max(1, deliveries // webhooks))
        finally:
            await core.db.close()


async def _timed(relay: Relay, tell: _Teller, events: int) -> _Step:
    used, begun = relay.process.processor_seconds(), time.perf_counter()
    together = max(1, TOGETHER // tell.webhooks)
    for told in range(0, events, together):
        await tell(min(together, events - told))
    seconds = time.perf_counter() - begun
    used = relay.process.processor_seconds() - used
    return _Step(tell.webhooks, events * tell.webhooks, seconds, used)


def _webhooks(core: Core, account: str, receiver: Receiver, count: int) -> list[Statement]:
    now = to_micros(core.clock.now())
    made = (
        {
            "id": core.ids.webhook(),
            "account_id": account,
            "url": receiver.url(f"/{number}"),
            "events": json.dumps(["email.received"]),
            "secret": seal(SECRET, core.secrets),
            "created_at": now,
        }
        for number in range(count)
    )
    return [statement for values in made for statement in queries.insert(values, count)]


@dataclass
class _Teller:
    """Appends events in one commit, from another process than the one that serves."""

    core: Core
    account: str
    inbox: str
    receiver: Receiver
    webhooks: int

    async def __call__(self, events: int) -> None:
        """Returns when all webhooks were told of all."""
        due = len(self.receiver.requests) + events * self.webhooks
        await self.core.db.write([item for _ in range(events) for item in self._event()])
        await until(lambda: len(self.receiver.requests) >= due, PATIENCE_SECONDS)

    def _event(self) -> list[Statement]:
        return append(
            id=self.core.ids.new("evt"),
            account_id=self.account,
            type="email.received",
            data=BODY,
            created_at=self.core.clock.now(),
            agent_email=self.inbox,
        )


async def _bare(posts: int) -> float:
    """Posts per second of a client that does nothing else, `AT_ONCE` at a time."""
    room = asyncio.Semaphore(AT_ONCE)
    async with receiving() as receiver, httpx.AsyncClient(trust_env=False) as client:

        async def post() -> None:
            async with room:
                (await client.post(receiver.url(), json=BODY)).raise_for_status()

        await post()
        begun = time.perf_counter()
        async with asyncio.TaskGroup() as group:
            for _ in range(posts):
                group.create_task(post())
        return posts / (time.perf_counter() - begun)
