"""Works off what is due for a webhook: one turn after the other, until nothing is due."""

from __future__ import annotations

from contextlib import suppress
from datetime import datetime, timedelta

from e2a_core.clock import from_micros
from e2a_core.core import Core
from e2a_core.observer import Observer
from e2a_core.push.post import Poster
from e2a_core.store.jobs import Job
from e2a_core.store.statement import StaleWrite, first
from e2a_core.webhooks import delivery_queries as queries
from e2a_core.webhooks.bells import Bells
from e2a_core.webhooks.rows import WebhookRow
from e2a_core.webhooks.turn import Turn

__all__ = ["ENDPOINTS", "Deliver"]

ENDPOINTS = 256
"""Webhooks worked on at once in a process. Each waits for its own endpoint only."""

LINGER_SECONDS = 0.25
"""A turn stays so long after its last delivery: under steady mail each event spares two commits and a connection."""
LINGERING = 64
"""While so many webhooks are worked on, no turn stays: the others wait for its place."""

DISABLED_GRACE = timedelta(hours=23)
"""What waits for a disabled webhook ends after this, within a day."""


class Deliver:
    """Handles `queries.WEBHOOK_JOB`: at most one process works on a webhook at a time."""

    def __init__(self, core: Core, poster: Poster, observer: Observer, bells: Bells) -> None:
        self._core = core
        self._poster = poster
        self._observer = observer
        self._bells = bells

    async def __call__(self, job: Job) -> None:
        row = first(await self._core.db.read(queries.webhook(str(job.payload["webhook_id"]))))
        if row is None:
            return
        webhook = WebhookRow.from_store(row)
        with suppress(StaleWrite):  # the lease was lost: another process is at work by now
            if webhook.enabled:
                await self._come_back(job, webhook, resumes_at=await self._take_turn(webhook))
            else:
                await self._leave(job, webhook)

    async def _take_turn(self, webhook: WebhookRow) -> datetime:
        """Returns when the receiver may be sent more."""
        now = self._core.clock.now()
        if webhook.resumes_at is not None and now < (resumes_at := from_micros(webhook.resumes_at)):
            return resumes_at
        linger = LINGER_SECONDS if self._bells.count < LINGERING else 0.0
        async with self._poster.endpoint(webhook.url) as endpoint:
            with self._bells.of(webhook.id) as bell:
                return await Turn(self._core, self._observer, webhook, endpoint, bell, linger).run()

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
