"""Runs the jobs of the queue in this process; any number of processes may do so on one database."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from dataclasses import replace
from datetime import datetime, timedelta

from anyio import CancelScope

from e2a_core.clock import Clock, from_micros
from e2a_core.errors import StoreUnavailable
from e2a_core.ids import Ids
from e2a_core.store.database import Database
from e2a_core.store.jobs import Job, claim, earliest_due, enqueue, reclaim
from e2a_core.store.statement import Statement

__all__ = ["Handler", "JobRunner"]

logger = logging.getLogger(__name__)

Handler = Callable[[Job], Awaitable[None]]

LEASE_SECONDS = 15.0
"""How long jobs of a replica that died stay undone. Leases are renewed three times as often, so one is lost only by
a process that stood still."""

DEFAULT_CONCURRENCY = 4

LONGEST_SLEEP_SECONDS = 30.0
"""Looks at the queue at least so often, whatever it was told: a bound for what a missed wake-up can cost."""

SHORTEST_LOOK_SECONDS = 0.01
"""Under a stream of commits the queue is looked at 100 times a second, not after each one."""

OUTAGE_SECONDS = 1.0

_FIRST_RETRY = timedelta(seconds=1)
_LONGEST_RETRY = timedelta(hours=1)


class JobRunner:
    """Claims due jobs and runs their handlers.

    A handler finishes its job in its own write, with `job.complete()` or `job.retry(...)` among the statements. If
    it returns without having done so the runner completes the job; if it raises, the runner schedules a retry with
    exponential back-off and keeps the error with the job. `concurrency` bounds the running jobs of a kind.
    """

    def __init__(
        self,
        database: Database,
        handlers: Mapping[str, Handler],
        *,
        clock: Clock,
        ids: Ids,
        concurrency: Mapping[str, int] | None = None,
        lease_seconds: float = LEASE_SECONDS,
    ) -> None:
        self._database = database
        self._handlers = dict(handlers)
        self._clock = clock
        self._ids = ids
        self._concurrency = dict(concurrency or {})
        self._lease = timedelta(seconds=lease_seconds)
        self._periods: dict[str, timedelta] = {}
        self._running: dict[asyncio.Task[None], Job] = {}
        self._wake = asyncio.Event()
        self._claiming: asyncio.Task[None] | None = None
        self._renewing: asyncio.Task[None] | None = None
        self._stop_listening: Callable[[], None] | None = None

    def schedule_every(self, kind: str, interval: timedelta) -> None:
        """Run `kind` once per `interval` in the whole deployment, first at once; call before `start`."""
        self._periods[kind] = interval

    async def start(self, *, alone: bool = False) -> None:
        """Begin to claim. `alone` says that no other process works on this queue, so leases are a dead one's."""
        now = self._clock.now()
        first = [self._periodic(kind, now) for kind in self._periods]
        if alone:
            first.append(reclaim(now))
        if first:
            await self._database.write(first)
        self._stop_listening = self._database.on_commit(self._wake.set)
        self._claiming = asyncio.create_task(self._claim_forever(), name="jobs: claim")
        self._renewing = asyncio.create_task(self._renew_forever(), name="jobs: renew leases")

    async def stop(self, grace: float) -> None:
        """Claim no more, wait `grace` seconds for what runs, cancel the rest and give those jobs back."""
        if self._stop_listening is not None:
            self._stop_listening()
        await _end(self._claiming)
        if self._running:
            await asyncio.wait(self._running, timeout=grace)
        for task in tuple(self._running):
            await _end(task)
        await _end(self._renewing)

    def wake(self) -> None:
        """Look at the queue now; needed only after moving an injected clock."""
        self._wake.set()

    async def _claim_forever(self) -> None:
        while True:
            self._wake.clear()
            try:
                pause = await self._claim_due()
            except StoreUnavailable as error:
                logger.warning("the job queue cannot be read: %s", error)
                pause = OUTAGE_SECONDS
            except Exception:
                logger.exception("the job queue could not be worked on")
                pause = OUTAGE_SECONDS
            await asyncio.sleep(SHORTEST_LOOK_SECONDS)
            with suppress(TimeoutError):
                async with asyncio.timeout(pause):
                    await self._wake.wait()

    async def _claim_due(self) -> float:
        """Start what is due and there is room for; returns the seconds until there may be more."""
        free = self._free()
        if not free:
            return LONGEST_SLEEP_SECONDS
        kinds = list(free)
        [row] = await self._database.read(earliest_due(kinds))
        now = self._clock.now()
        pause = LONGEST_SLEEP_SECONDS
        for index, kind in enumerate(kinds):
            if (due := row[f"due_{index}"]) is None:
                continue
            wait = (from_micros(due) - now).total_seconds()
            if wait <= 0:
                await self._claim(kind, free[kind], now)
            pause = min(pause, max(wait, 0.0))
        return pause

    def _free(self) -> dict[str, int]:
        """How many more jobs of each kind may run; kinds without room are absent."""
        free = {kind: self._concurrency.get(kind, DEFAULT_CONCURRENCY) for kind in self._handlers}
        for job in self._running.values():
            free[job.kind] -= 1
        return {kind: room for kind, room in free.items() if room > 0}

    async def _claim(self, kind: str, limit: int, now: datetime) -> None:
        lease = self._ids.new("lease")
        statement = claim(kind, limit=limit, lease=lease, now=now, duration=self._lease)
        (claimed,) = await self._database.write([statement])
        for job in sorted(map(Job.from_row, claimed.rows), key=lambda job: job.run_at):
            task = asyncio.create_task(self._run(job), name=f"job {job.kind} {job.id}")
            self._running[task] = job
            task.add_done_callback(self._ran)

    def _ran(self, task: asyncio.Task[None]) -> None:
        del self._running[task]
        self._wake.set()

    async def _run(self, job: Job) -> None:
        try:
            await self._handlers[job.kind](job)
        except asyncio.CancelledError:
            with CancelScope(shield=True):
                await self._finish(job, [job.release(self._clock.now())])
            raise
        except Exception as error:
            logger.exception("job %s of kind %s failed, attempt %d", job.id, job.kind, job.attempts)
            text = f"{type(error).__name__}: {error}"
            await self._finish(job, [job.retry(self._retry_at(job), text, count_attempt=True)])
        else:
            await self._complete(job)

    async def _complete(self, job: Job) -> None:
        """Complete the job, or give it back if it was asked for again."""
        if await self._finish(job, [job.complete()]) == 0 and job.asked:
            await self._finish(job, [job.release(self._clock.now())])

    async def _finish(self, job: Job, statements: list[Statement]) -> int | None:
        """Settle the job unless its handler did, or another process has it by now.

        Returns the number of rows that the first statement affected, None if the store failed.
        """
        if job.kind in self._periods:
            statements.append(self._periodic(job.kind, self._clock.now() + self._periods[job.kind]))
        try:
            results = await self._database.write(
                [replace(statement, expect=None) for statement in statements]
            )
            return results[0].rowcount
        except StoreUnavailable as error:
            logger.warning(
                "job %s of kind %s will run again, its end was not stored: %s", job.id, job.kind, error
            )
            return None

    def _periodic(self, kind: str, run_at: datetime) -> Statement:
        return enqueue(
            kind, {}, run_at=run_at, id=self._ids.job(), now=self._clock.now(), dedupe_key=f"every:{kind}"
        )

    def _retry_at(self, job: Job) -> datetime:
        doublings = min(job.attempts - 1, 32)
        longest = min(_LONGEST_RETRY, self._periods.get(job.kind, _LONGEST_RETRY))
        delay: timedelta = min(_FIRST_RETRY * 2**doublings, longest)
        return self._clock.now() + delay

    async def _renew_forever(self) -> None:
        while True:
            await asyncio.sleep(self._lease.total_seconds() / 3)
            until = self._clock.now() + self._lease
            renewals = [job.renew(until) for job in self._running.values()]
            if not renewals:
                continue
            try:
                await self._database.write(renewals)
            except StoreUnavailable as error:
                logger.warning("the leases of %d jobs were not renewed: %s", len(renewals), error)


async def _end(task: asyncio.Task[None] | None) -> None:
    if task is not None:
        task.cancel()
        await asyncio.wait([task])
