"""Watching over webhooks: the owner is told when nothing arrives, and what never arrives is disabled."""

from __future__ import annotations

from datetime import timedelta
from urllib.parse import urlsplit

from e2a_core.clock import to_micros
from e2a_core.core import Core
from e2a_core.markup import render
from e2a_core.store.jobs import Job, enqueue
from e2a_core.store.statement import Row, StaleWrite, Statement, first
from e2a_core.submission.owner_mail import OwnerMail
from e2a_core.visible import one_line
from e2a_core.webhooks import delivery_queries, watch_queries

__all__ = [
    "WEBHOOK_NOTICE_JOB",
    "WEBHOOK_WATCH_INTERVAL",
    "WEBHOOK_WATCH_JOB",
    "WebhookNotice",
    "WebhookWatch",
]

WEBHOOK_WATCH_JOB = "webhook_watch"
WEBHOOK_WATCH_INTERVAL = timedelta(minutes=1)
WEBHOOK_NOTICE_JOB = "webhook_notice"

FAILED_FIRST_ATTEMPTS = 5
"""So many events that did not arrive at once, and none that did, are told of."""
FAILED_DELIVERIES = 10
DISABLING_WINDOW = timedelta(hours=72)
"""A webhook is disabled if so many deliveries made within this time have failed for good, and none arrived."""


class WebhookWatch:
    """Handles the periodic job. Each finding is written down with the job that tells the owner of it, once."""

    def __init__(self, core: Core) -> None:
        self._core = core

    async def __call__(self, job: Job) -> None:
        now = to_micros(self._core.clock.now())
        since = to_micros(self._core.clock.now() - DISABLING_WINDOW)
        for row in await self._core.db.read(watch_queries.hopeless(FAILED_DELIVERIES, since)):
            reason = await self._last_error(row)
            await self._note(row, "disabled", watch_queries.disable(row["id"], reason, now))
        for row in await self._core.db.read(watch_queries.failing(FAILED_FIRST_ATTEMPTS)):
            await self._note(row, "failing", watch_queries.warned(row["id"], now))

    async def _note(self, row: Row, finding: str, change: Statement) -> None:
        now = self._core.clock.now()
        payload = {"webhook_id": row["id"], "finding": finding}
        notice = enqueue(WEBHOOK_NOTICE_JOB, payload, run_at=now, id=self._core.ids.job(), now=now)
        try:
            await self._core.db.write([change, notice])
        except StaleWrite:
            return  # changed meanwhile, by its owner or by an arrival

    async def _last_error(self, row: Row) -> str:
        found = first(await self._core.db.read(watch_queries.last_error(row["id"])))
        return str(found["last_error"]) if found is not None else "nothing arrived"


class WebhookNotice:
    """Handles the jobs that tell the owner. The mail has no secret, and of the URL only the host."""

    def __init__(self, core: Core, mail: OwnerMail) -> None:
        self._core = core
        self._mail = mail

    async def __call__(self, job: Job) -> None:
        row = first(await self._core.db.read(delivery_queries.webhook(str(job.payload["webhook_id"]))))
        owner = await self._mail.owner(str(row["account_id"])) if row is not None else None
        if row is None or owner is None:
            return
        found = first(await self._core.db.read(watch_queries.last_error(row["id"])))
        error = one_line(str(found["last_error"] if found is not None else "") or "none")
        host = one_line(urlsplit(row["url"]).hostname or "")
        disabled = job.payload["finding"] == "disabled"
        subject, lines = _words(host, error, disabled=disabled)
        content = await self._mail.content(
            owner,
            subject=subject,
            text="\n\n".join([*lines, f"Webhook: {row['id']}"]) + "\n",
            html=render("webhook_notice.html", lines=lines, webhook_id=row["id"]),
            message_id=job.id,
            now=self._core.clock.now(),
        )
        await self._mail.send(job, owner, content, then=[])


def _words(host: str, error: str, *, disabled: bool) -> tuple[str, list[str]]:
    if disabled:
        return f"[e2a] webhook disabled: nothing arrives at {host}", [
            f"Nothing has arrived at {host} for a long time, so the webhook was disabled.",
            f"The last attempt ended with: {error}.",
            "It is sent nothing until you enable it again. Events are kept, and can be delivered again for some time.",
        ]
    return f"[e2a] webhook failing: nothing arrives at {host}", [
        f"The last events for {host} did not arrive.",
        f"The last attempt ended with: {error}.",
        "Each is tried again for 29 hours. If none arrives, the webhook is disabled.",
    ]
