"""Sends what is due for a webhook: the signed envelope of each event, until it arrives or the attempts are used up."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta

from e2a_core.accounts.sealing import unseal
from e2a_core.clock import from_micros, to_micros
from e2a_core.core import Core
from e2a_core.observer import Observer
from e2a_core.push.envelopes import envelope_body
from e2a_core.push.post import Answer, Endpoint, Poster
from e2a_core.signing.webhook import SIGNATURE_HEADER, e2a_signature, standard_webhook_headers
from e2a_core.store.jobs import Job
from e2a_core.store.statement import StaleWrite, Statement, first
from e2a_core.webhooks import delivery_queries as queries
from e2a_core.webhooks.rows import WebhookRow

__all__ = ["ATTEMPTS", "ENDPOINTS", "Deliver"]

WAITS = tuple(timedelta(minutes=minutes) for minutes in (1, 5, 15, 60, 4 * 60, 8 * 60, 16 * 60))
"""Before each further attempt: 29 hours and 21 minutes in all."""
ATTEMPTS = len(WAITS) + 1
JITTER = 0.1
"""Each wait is up to this part longer, so that what failed together does not come back together."""

ENDPOINTS = 256
"""Webhooks worked on at once in a process. Each waits for its own endpoint only."""
CONCURRENT = 16
"""Requests to one webhook at once while all arrive; it begins with `FEW`, and goes back to them when one fails."""
FEW = 2
TURN = 200
"""Deliveries to one webhook before others get their turn."""

LONGEST_PAUSE = timedelta(hours=8)
"""Of what a receiver may ask for by `Retry-After`: seven of them, the last one of 16 hours, end within the 72 hours
after which a webhook that gets nothing is disabled."""

DISABLED_GRACE = timedelta(hours=23)
"""What waits for a disabled webhook ends after this, within a day."""


@dataclass(frozen=True, slots=True)
class _Delivery:
    id: str
    type: str
    event_id: str
    attempts: int
    body: bytes | None
    created_at: datetime


class Deliver:
    """Handles `queries.WEBHOOK_JOB`: at most one process works on a webhook at a time."""

    def __init__(self, core: Core, poster: Poster, observer: Observer) -> None:
        self._core = core
        self._observer = observer
        self._poster = poster

    async def __call__(self, job: Job) -> None:
        row = first(await self._core.db.read(queries.webhook(str(job.payload["webhook_id"]))))
        if row is None:
            return
        webhook = WebhookRow.from_store(row)
        with suppress(StaleWrite):  # the lease was lost: another process is at work by now
            if webhook.enabled:
                await self._come_back(job, webhook, resumes_at=await self._send_due(webhook))
            else:
                await self._leave(job, webhook)

    async def _send_due(self, webhook: WebhookRow) -> datetime:
        """Sends one turn's worth, some at a time. Returns when the receiver may be sent more."""
        now = self._core.clock.now()
        if webhook.resumes_at is not None and now < (resumes_at := from_micros(webhook.resumes_at)):
            return resumes_at
        async with self._poster.endpoint(webhook.url) as endpoint:
            sent, width = 0, FEW
            while sent < TURN and (found := await self._due(webhook, width)):
                answers = await asyncio.gather(*(self._send(endpoint, webhook, item) for item in found))
                paused = self._paused_until(answers)
                results = zip(found, answers, strict=True)
                changes = [item for pair in results for item in self._recorded(webhook, *pair, paused)]
                if paused is not None:
                    await self._core.db.write([*changes, queries.pause(webhook.id, paused)])
                    return paused
                await self._core.db.write(changes)
                sent += len(found)
                arrive = all(answer is None or answer.ok for answer in answers)
                width = min(width * 2, CONCURRENT) if arrive else FEW
        return self._core.clock.now()

    def _paused_until(self, answers: Sequence[Answer | None]) -> datetime | None:
        """The end of the pause that a receiver asks for, None if none does."""
        asked = [answer.retry_after for answer in answers if answer is not None and answer.retry_after]
        return self._core.clock.now() + min(max(asked), LONGEST_PAUSE) if asked else None

    async def _come_back(self, job: Job, webhook: WebhookRow, *, resumes_at: datetime) -> None:
        row = first(await self._core.db.read(queries.next_due(webhook.id, ordered=webhook.ordered)))
        if row is not None and row["due_at"] is not None:
            again = max(from_micros(row["due_at"]), resumes_at, self._core.clock.now())
            await self._core.db.write([job.retry(again, "", count_attempt=False)])

    async def _leave(self, job: Job, webhook: WebhookRow) -> None:
        """What waits for a disabled webhook goes on if it is enabled within a day, and ends if it is not."""
        end = from_micros(webhook.disabled_at or webhook.created_at) + DISABLED_GRACE
        if self._core.clock.now() < end:
            await self._core.db.write([job.retry(end, "the webhook is disabled", count_attempt=False)])
        else:
            await self._core.db.write([queries.end_waiting(webhook.id, "the webhook was disabled")])

    async def _due(self, webhook: WebhookRow, count: int) -> list[_Delivery]:
        now = to_micros(self._core.clock.now())
        rows = await self._core.db.read(queries.due(webhook.id, now, count, ordered=webhook.ordered))
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

    async def _send(self, endpoint: Endpoint, webhook: WebhookRow, delivery: _Delivery) -> Answer | None:
        """None if there is nothing to send, because the event was deleted."""
        if delivery.body is None:
            return None
        now = self._core.clock.now()
        event_id = delivery.event_id or str(json.loads(delivery.body)["id"])
        headers = signed_headers(delivery.body, event_id, self._secrets(webhook, now), now)
        headers |= {"X-E2A-Event-Type": delivery.type, "X-E2A-Schema-Version": "1"}
        started = self._core.clock.monotonic()
        answer = await endpoint.post(delivery.body, headers)
        self._observer.callback("webhook", answer.outcome, self._core.clock.monotonic() - started)
        if answer.ok:
            waited = self._core.clock.now() - delivery.created_at
            self._observer.arrival("webhook", waited.total_seconds())
        return answer

    def _secrets(self, webhook: WebhookRow, now: datetime) -> list[str]:
        """The secrets that sign now: the current one, and for a day after a rotation the one before."""
        sealed = [webhook.secret]
        if webhook.previous_secret and to_micros(now) < (webhook.previous_expires_at or 0):
            sealed.append(webhook.previous_secret)
        opened = (unseal(text, self._core.secrets) for text in sealed)
        return [text for text in opened if text is not None]

    def _recorded(
        self, webhook: WebhookRow, delivery: _Delivery, answer: Answer | None, paused: datetime | None
    ) -> list[Statement]:
        now = self._core.clock.now()
        if answer is None:
            gone = "the event was deleted"
            return [queries.failed(delivery.id, status_code=None, error=gone, now=now, again=None)]
        if answer.ok:
            return queries.arrived(delivery.id, webhook.id, status_code=answer.status, now=now)
        again = self._next_attempt(delivery.attempts, now)
        if again is not None and paused is not None:
            again = max(again, paused)
        error = answer.error or ""
        return [queries.failed(delivery.id, status_code=answer.status, error=error, now=now, again=again)]

    def _next_attempt(self, made: int, now: datetime) -> datetime | None:
        if made + 1 >= ATTEMPTS:
            return None
        part = int.from_bytes(self._core.ids.bytes(2)) / 0xFFFF
        return now + WAITS[made] * (1 + JITTER * part)


def signed_headers(body: bytes, event_id: str, secrets: Sequence[str], now: datetime) -> dict[str, str]:
    """Both signatures of a body, made anew for each attempt."""
    timestamp = int(now.timestamp())
    return {
        SIGNATURE_HEADER: e2a_signature(body, secrets, timestamp),
        **standard_webhook_headers(event_id, body, secrets, timestamp),
    }
