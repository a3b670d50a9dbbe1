"""One turn of a webhook: what is due is sent, some at a time, and each is recorded as soon as it is answered."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from e2a_core.accounts.sealing import valid_secrets
from e2a_core.clock import from_micros, to_micros
from e2a_core.core import Core
from e2a_core.observer import Observer
from e2a_core.push.envelopes import envelope_body
from e2a_core.push.post import Answer, Endpoint
from e2a_core.signing.webhook import SIGNATURE_HEADER, e2a_signature, standard_webhook_headers
from e2a_core.store.statement import Statement, first
from e2a_core.webhooks import delivery_queries as queries
from e2a_core.webhooks.rows import WebhookRow

__all__ = ["ATTEMPTS", "Turn"]

WAITS = tuple(timedelta(minutes=minutes) for minutes in (1, 5, 15, 60, 4 * 60, 8 * 60, 16 * 60))
"""Before each further attempt: 29 hours and 21 minutes in all."""
ATTEMPTS = len(WAITS) + 1
JITTER = 0.1
"""Each wait is up to this part longer, so that what failed together does not come back together."""

CONCURRENT = 16
"""Requests to one webhook at once while all arrive; it begins with `FEW`, and goes back to them when one fails."""
FEW = 2
DELIVERIES = 200
"""To one webhook before others get their turn."""

LONGEST_PAUSE = timedelta(hours=8)
"""Of what a receiver may ask for by `Retry-After`: seven of them, the last one of 16 hours, end within the 72 hours
after which a webhook that gets nothing is disabled."""


@dataclass(frozen=True, slots=True)
class _Delivery:
    id: str
    type: str
    event_id: str
    attempts: int
    body: bytes | None
    created_at: datetime


class Turn:
    """Some requests to one webhook.

    After the last one the turn stays for `linger_seconds`, in case that `bell` rings: what comes next needs no new
    claim of the job and no new connection. While requests are under way more are sent, as far as there is room.
    """

    def __init__(
        self,
        core: Core,
        observer: Observer,
        webhook: WebhookRow,
        endpoint: Endpoint,
        bell: asyncio.Event,
        linger_seconds: float,
    ) -> None:
        self._core = core
        self._observer = observer
        self._webhook = webhook
        self._endpoint = endpoint
        self._bell = bell
        self._linger_seconds = linger_seconds
        self._under_way: dict[str, asyncio.Task[None]] = {}
        self._width = FEW
        self._sent = 0
        self._resumes_at: datetime | None = None

    async def run(self) -> datetime:
        """Sends until nothing is due. Returns when the receiver may be sent more."""
        try:
            while self._may_send and await self._unchanged():
                self._bell.clear()
                await self._send_due()
                if not await self._rung():
                    break
                self._collect()
            if self._under_way:
                await asyncio.wait(self._under_way.values())
            self._collect()
        finally:
            await self._cancel()
        return self._resumes_at or self._core.clock.now()

    @property
    def _may_send(self) -> bool:
        return self._sent < DELIVERIES and self._resumes_at is None

    async def _unchanged(self) -> bool:
        """Whether the webhook is still there, enabled and at the same URL; what it signs with may have changed."""
        row = first(await self._core.db.read(queries.webhook(self._webhook.id)))
        if row is None:
            return False
        before, self._webhook = self._webhook, WebhookRow.from_store(row)
        return self._webhook.enabled and self._webhook.url == before.url

    async def _send_due(self) -> None:
        """Begins to send what is due and there is room for."""
        room = self._width - len(self._under_way)
        if room <= 0:
            return
        for delivery in await self._due(room):
            task = asyncio.create_task(self._deliver(delivery), name=f"delivery {delivery.id}")
            task.add_done_callback(lambda _: self._bell.set())
            self._under_way[delivery.id] = task
            self._sent += 1

    async def _rung(self) -> bool:
        """Waits for the bell, which rings for each request that has ended too; False if nothing comes."""
        try:
            async with asyncio.timeout(None if self._under_way else self._linger_seconds):
                return await self._bell.wait()
        except TimeoutError:
            return False

    def _collect(self) -> None:
        """Forgets what has ended; raises what its record failed with."""
        ended = [id for id, task in self._under_way.items() if task.done()]
        for task in [self._under_way.pop(id) for id in ended]:
            task.result()

    async def _cancel(self) -> None:
        for task in self._under_way.values():
            task.cancel()
        await asyncio.gather(*self._under_way.values(), return_exceptions=True)

    async def _due(self, room: int) -> list[_Delivery]:
        """Up to `room` deliveries that are due and not under way."""
        webhook, now = self._webhook, to_micros(self._core.clock.now())
        count = room + len(self._under_way)
        statement = queries.due(webhook.id, now, count, ordered=webhook.ordered)
        found = [row for row in await self._core.db.read(statement) if row["id"] not in self._under_way]
        rows = found[:room]
        ids = [row["event_id"] for row in rows if row["body"] is None]
        events = await self._core.db.read(queries.bodies(ids)) if ids else ()
        bodies = {row["id"]: envelope_body(row) for row in events}
        return [
            _Delivery(
                row["id"],
                row["type"],
                row["event_id"] or "",
                row["attempts"],
                bodies.get(row["event_id"]) if row["body"] is None else row["body"].encode(),
                from_micros(row["created_at"]),
            )
            for row in rows
        ]

    async def _deliver(self, delivery: _Delivery) -> None:
        answer = await self._send(delivery)
        changes: list[Statement] = []
        if answer is not None and answer.retry_after:
            asked = self._core.clock.now() + min(answer.retry_after, LONGEST_PAUSE)
            self._resumes_at = max(asked, self._resumes_at or asked)
            changes.append(queries.pause(self._webhook.id, self._resumes_at))
        arrives = answer is None or answer.ok
        self._width = min(self._width + 1, CONCURRENT) if arrives else FEW
        await self._core.db.write([*self._recorded(delivery, answer), *changes])

    async def _send(self, delivery: _Delivery) -> Answer | None:
        """None if there is nothing to send, because the event was deleted."""
        if delivery.body is None:
            return None
        now = self._core.clock.now()
        event_id = delivery.event_id or str(json.loads(delivery.body)["id"])
        headers = _signed_headers(delivery.body, event_id, self._secrets(now), now)
        headers |= {"X-E2A-Event-Type": delivery.type, "X-E2A-Schema-Version": "1"}
        started = self._core.clock.monotonic()
        answer = await self._endpoint.post(delivery.body, headers)
        self._observer.callback("webhook", answer.outcome, self._core.clock.monotonic() - started)
        if answer.ok:
            waited = self._core.clock.now() - delivery.created_at
            self._observer.arrival("webhook", waited.total_seconds())
        return answer

    def _secrets(self, now: datetime) -> list[str]:
        return valid_secrets(self._webhook, self._core.secrets, now)

    def _recorded(self, delivery: _Delivery, answer: Answer | None) -> list[Statement]:
        now = self._core.clock.now()
        if answer is None:
            gone = "the event was deleted"
            return [queries.failed(delivery.id, status_code=None, error=gone, now=now, again=None)]
        if answer.ok:
            return queries.arrived(delivery.id, self._webhook.id, status_code=answer.status, now=now)
        again = self._next_attempt(delivery.attempts, now)
        if again is not None and self._resumes_at is not None:
            again = max(again, self._resumes_at)
        error = answer.error or ""
        return [queries.failed(delivery.id, status_code=answer.status, error=error, now=now, again=again)]

    def _next_attempt(self, made: int, now: datetime) -> datetime | None:
        if made + 1 >= ATTEMPTS:
            return None
        part = int.from_bytes(self._core.ids.bytes(2)) / 0xFFFF
        return now + WAITS[made] * (1 + JITTER * part)


def _signed_headers(body: bytes, event_id: str, secrets: Sequence[str], now: datetime) -> dict[str, str]:
    """Both signatures of a body, made anew for each attempt."""
    timestamp = int(now.timestamp())
    return {
        SIGNATURE_HEADER: e2a_signature(body, secrets, timestamp),
        **standard_webhook_headers(event_id, body, secrets, timestamp),
    }
