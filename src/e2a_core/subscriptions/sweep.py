"""The hourly look at all subscriptions."""

from __future__ import annotations

from datetime import timedelta

from e2a_core.core import Core
from e2a_core.store.jobs import Job
from e2a_core.subscriptions import queries
from e2a_core.subscriptions.deliver import IDLE

__all__ = ["SWEEP_INTERVAL", "SWEEP_JOB", "Sweep"]

SWEEP_JOB = "event_subscriptions_sweep"
SWEEP_INTERVAL = timedelta(hours=1)


class Sweep:
    """Handles `SWEEP_JOB`: deletes what was not refreshed in time, and has the idle ones move on in the log.

    One whose credential was revoked ends on this occasion at the latest.
    """

    def __init__(self, core: Core) -> None:
        self._core = core

    async def __call__(self, job: Job) -> None:
        core, now = self._core, self._core.clock.now()
        await core.db.write([queries.delete_expired(now)])
        rows = await core.db.read(queries.lagging(now - IDLE))
        if rows:
            await core.db.write([queries.wake(row["id"], ids=core.ids, now=now) for row in rows])
