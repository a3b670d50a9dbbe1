"""The job queue: once under races, again after a crash, never lost, over both databases and several processes."""

from __future__ import annotations

import asyncio
import sys
from collections import Counter
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import anyio
import pytest

from e2a_core.clock import SystemClock
from e2a_core.ids import Ids
from e2a_core.store import Database, StaleWrite, Statement, first, sql
from e2a_core.store.job_runner import Handler, JobRunner
from e2a_core.store.jobs import Job, claim, enqueue, reclaim
from e2a_core.store.open import open_database
from tests.support.waiting import until

pytestmark = pytest.mark.anyio

IDS = Ids()
NOW = datetime(2026, 3, 1, tzinfo=UTC)
LEASE = timedelta(seconds=60)


def job(
    n: object = 0, *, kind: str = "k", run_at: datetime | None = None, dedupe_key: str | None = None
) -> Statement:
    now = SystemClock().now()
    return enqueue(kind, {"n": n}, run_at=run_at or now, id=IDS.job(), now=now, dedupe_key=dedupe_key)


def counted(key: str) -> Statement:
    return sql(
        "INSERT INTO meta (key, value) VALUES (:key, '1')"
        " ON CONFLICT (key) DO UPDATE SET value = CAST(CAST(meta.value AS INTEGER) + 1 AS TEXT)",
        key=key,
    )


async def counts(database: Database) -> dict[str, int]:
    return {row["key"]: int(row["value"]) for row in await database.read(sql("SELECT key, value FROM meta"))}


async def queue(database: Database) -> list[Mapping[str, object]]:
    return list(await database.read(sql("SELECT * FROM jobs ORDER BY run_at, id")))


@asynccontextmanager
async def running(
    database: Database, handlers: Mapping[str, Handler], *, grace: float = 5, **options: object
) -> AsyncIterator[JobRunner]:
    runner = JobRunner(database, handlers, clock=SystemClock(), ids=Ids(), **options)  # type: ignore[arg-type]
    await runner.start()
    try:
        yield runner
    finally:
        await runner.stop(grace)


async def take(database: Database, now: datetime, *, lease: str = "l", limit: int = 10) -> list[Job]:
    (result,) = await database.write([claim("k", limit=limit, lease=lease, now=now, duration=LEASE)])
    return [Job.from_row(row) for row in result.rows]


async def test_a_claimed_job_is_hidden_until_its_lease_ends(database: Database) -> None:
    await database.write([enqueue("k", {"to": "ü"}, run_at=NOW, id="job_1", now=NOW - LEASE)])
    assert await take(database, NOW - timedelta(microseconds=1)) == []
    (first,) = await take(database, NOW, lease="a")
    assert first == Job("job_1", "k", {"to": "ü"}, 1, "a", NOW - LEASE, NOW)
    assert await take(database, NOW + LEASE - timedelta(microseconds=1)) == []
    (second,) = await take(database, NOW + LEASE, lease="b")
    assert (second.attempts, second.run_at) == (2, NOW)
    for statement in (first.complete(), first.confirm(), first.retry(NOW, "late", count_attempt=True)):
        with pytest.raises(StaleWrite):
            await database.write([counted("effect"), statement])
    await database.write([second.confirm()])
    await database.write([counted("effect"), second.complete()])
    assert await counts(database) == {"effect": 1}
    assert await queue(database) == []


async def test_a_renewed_lease_lasts_longer(database: Database) -> None:
    await database.write([enqueue("k", {}, run_at=NOW, id="job_1", now=NOW)])
    (held,) = await take(database, NOW)
    await database.write([held.renew(NOW + 2 * LEASE)])
    assert await take(database, NOW + LEASE) == []
    assert len(await take(database, NOW + 2 * LEASE)) == 1


async def test_reclaimed_jobs_are_due_at_once_and_others_as_before(database: Database) -> None:
    for n, run_at in enumerate((NOW, NOW, NOW + LEASE)):
        await database.write([enqueue("k", {}, run_at=run_at, id=f"job_{n}", now=NOW)])
    lost, _ = await take(database, NOW)
    await database.write([reclaim(NOW)])
    again = await take(database, NOW, lease="b")
    assert sorted((job.id, job.attempts) for job in again) == [("job_0", 2), ("job_1", 2)]
    with pytest.raises(StaleWrite):
        await database.write([lost.complete()])


@pytest.mark.parametrize("text", ["\0", "\udcff", "x" * 100_000])
async def test_any_error_can_be_kept(database: Database, text: str) -> None:
    await database.write([enqueue("k", {}, run_at=NOW, id="job_1", now=NOW)])
    (held,) = await take(database, NOW)
    await database.write([held.retry(NOW, text, count_attempt=True)])
    assert len(await take(database, NOW)) == 1


async def test_a_retry_keeps_the_error_and_counts_on_demand(database: Database) -> None:
    await database.write([enqueue("k", {}, run_at=NOW, id="job_1", now=NOW)])
    (held,) = await take(database, NOW)
    later = NOW + timedelta(minutes=1)
    await database.write([held.retry(later, "x" * 5000, count_attempt=False)])
    (row,) = await queue(database)
    assert (row["attempts"], row["lease"], len(str(row["last_error"]))) == (0, None, 2000)
    assert await take(database, NOW) == []
    (held,) = await take(database, later)
    await database.write([held.retry(later, "again", count_attempt=True)])
    assert (await take(database, later))[0].attempts == 2


async def test_a_released_job_is_due_again_as_it_was(database: Database) -> None:
    await database.write([enqueue("k", {}, run_at=NOW, id="job_1", now=NOW)])
    (held,) = await take(database, NOW)
    await database.write([held.release(NOW)])
    assert [again.attempts for again in await take(database, NOW)] == [1]


async def test_a_dedupe_key_queues_one(database: Database) -> None:
    await database.write([job(1, dedupe_key="d"), job(2, dedupe_key="d"), job(3), job(4)])
    assert len(await queue(database)) == 3


def again(run_at: datetime = NOW) -> Statement:
    return enqueue("k", {}, run_at=run_at, id=IDS.job(), now=NOW, dedupe_key="one", again=True)


async def test_a_job_asked_for_again_while_it_waits_is_one_job_at_the_earlier_time(
    database: Database,
) -> None:
    await database.write([again(NOW + LEASE), again(NOW), again(NOW + LEASE)])
    (held,) = await take(database, NOW)
    await database.write([held.complete()])
    assert await queue(database) == []


@pytest.mark.parametrize("end", ["complete", "retry"])
async def test_a_job_asked_for_again_while_it_runs_runs_once_more(database: Database, end: str) -> None:
    await database.write([again()])
    (held,) = await take(database, NOW)
    await database.write([again()])
    assert await take(database, NOW, lease="other") == []
    if end == "complete":
        with pytest.raises(StaleWrite):
            await database.write([held.complete()])
        await database.write([held.release(NOW)])
    else:
        await database.write([held.retry(NOW + LEASE, "later", count_attempt=False)])
    (once_more,) = await take(database, NOW, lease="next")
    await database.write([once_more.complete()])
    assert await queue(database) == []


async def test_what_is_written_while_a_job_ends_is_worked_off(database: Database) -> None:
    """The handler empties a basket, and the job is asked for with each thing put in."""
    put = sql(
        "INSERT INTO meta (key, value) VALUES ('basket', '1') ON CONFLICT (key) DO UPDATE SET value = '1'"
    )

    async def empty(_: Job) -> None:
        await database.write([sql("DELETE FROM meta WHERE key = 'basket'")])

    async with running(database, {"k": empty}):
        for _ in range(200):
            await database.write([put, again(SystemClock().now())])
        await until(lambda: _is_empty(database))


async def _is_empty(database: Database) -> bool:
    return not await queue(database) and not await counts(database)


async def test_claims_take_the_oldest_of_their_kind(database: Database) -> None:
    for minutes in (3, 1, 2):
        run_at = NOW - timedelta(minutes=minutes)
        await database.write([enqueue("k", {"n": minutes}, run_at=run_at, id=IDS.job(), now=NOW)])
    await database.write([enqueue("other", {}, run_at=NOW - LEASE, id=IDS.job(), now=NOW)])
    claimed = await take(database, NOW, limit=2)
    assert sorted(held.payload["n"] for held in claimed) == [2, 3]


async def test_handlers_run_and_finished_jobs_are_gone(database: Database) -> None:
    async def finishes(held: Job) -> None:
        await database.write([counted(f"f{held.payload['n']}"), held.complete()])

    async def returns(held: Job) -> None:
        await database.write([counted(f"r{held.payload['n']}")])

    await database.write([job(n, kind=kind) for n in range(10) for kind in ("finishes", "returns")])
    async with running(database, {"finishes": finishes, "returns": returns}):
        await until(lambda: _empty(database))
    assert await counts(database) == {f"{letter}{n}": 1 for letter in "fr" for n in range(10)}


async def _empty(database: Database) -> bool:
    return not await queue(database)


async def test_enqueueing_wakes_the_runner(database: Database, database_url: str) -> None:
    done = anyio.Event()

    async def handle(held: Job) -> None:
        done.set()

    other = await open_database(database_url, clock=SystemClock())
    try:
        async with running(database, {"k": handle}):
            await database.write([job()])
            with anyio.fail_after(2):
                await done.wait()
            done = anyio.Event()
            await other.write([job()])
            with anyio.fail_after(2):
                await done.wait()
    finally:
        await other.close()


async def test_a_job_waits_for_its_time(database: Database) -> None:
    ran = anyio.Event()
    started: list[datetime] = []

    async def handle(held: Job) -> None:
        started.append(SystemClock().now())
        ran.set()

    due = SystemClock().now() + timedelta(seconds=0.4)
    async with running(database, {"k": handle}):
        await database.write([job(run_at=due)])
        with anyio.fail_after(5):
            await ran.wait()
    assert timedelta(0) <= started[0] - due < timedelta(seconds=2)


async def test_a_raising_handler_is_retried_with_back_off(
    database: Database, caplog: pytest.LogCaptureFixture
) -> None:
    attempts: list[int] = []

    async def handle(held: Job) -> None:
        attempts.append(held.attempts)
        if held.attempts == 1:
            raise RuntimeError("flaky")

    await database.write([job()])
    async with running(database, {"k": handle}):
        await until(lambda: _failed_once(database))
        (row,) = await queue(database)
        assert row["last_error"] == "RuntimeError: flaky"
        assert row["lease"] is None
        await until(lambda: _empty(database))
    assert attempts == [1, 2]
    assert "Traceback" in caplog.text


async def _failed_once(database: Database) -> bool:
    return any(row["last_error"] for row in await queue(database))


async def test_a_handler_that_settles_and_then_raises_changes_nothing(database: Database) -> None:
    later = SystemClock().now() + timedelta(hours=1)

    async def handle(held: Job) -> None:
        await database.write([held.retry(later, "typed", count_attempt=True)])
        raise RuntimeError("after the fact")

    await database.write([job()])
    async with running(database, {"k": handle}):
        await until(lambda: _failed_once(database))
    (row,) = await queue(database)
    assert (row["last_error"], row["attempts"]) == ("typed", 1)


async def test_concurrency_is_bounded_by_kind_and_kinds_do_not_block_each_other(database: Database) -> None:
    open_now: Counter[str] = Counter()
    most: Counter[str] = Counter()
    release = anyio.Event()

    async def handle(held: Job) -> None:
        open_now[held.kind] += 1
        most[held.kind] = max(most[held.kind], open_now[held.kind])
        if held.kind == "slow":
            await release.wait()
        open_now[held.kind] -= 1

    await database.write([job(n, kind="slow") for n in range(6)])
    async with running(database, {"slow": handle, "fast": handle}, concurrency={"slow": 2, "fast": 3}):
        await until(lambda: open_now["slow"] == 2)
        await database.write([job(n, kind="fast") for n in range(10)])
        await until(lambda: _no_more(database, "fast"))
        release.set()
        await until(lambda: _empty(database))
    assert most["slow"] == 2
    assert most["fast"] <= 3


async def _no_more(database: Database, kind: str) -> bool:
    return first(await database.read(sql("SELECT id FROM jobs WHERE kind = :kind", kind=kind))) is None


async def test_a_long_handler_keeps_its_lease(database: Database, database_url: str) -> None:
    ran: list[str] = []

    async def handle(held: Job) -> None:
        ran.append(held.lease)
        await anyio.sleep(2)
        await database.write([held.complete()])

    other = await open_database(database_url, clock=SystemClock())
    try:
        await database.write([job()])
        async with running(database, {"k": handle}, lease_seconds=0.6):
            await until(lambda: ran)
            async with running(other, {"k": handle}, lease_seconds=0.6):
                await until(lambda: _empty(database))
    finally:
        await other.close()
    assert len(ran) == 1


async def test_stopping_waits_and_then_gives_back(database: Database) -> None:
    entered = anyio.Event()

    async def quick(held: Job) -> None:
        await anyio.sleep(0.1)
        await database.write([counted("quick"), held.complete()])

    async def endless(held: Job) -> None:
        entered.set()
        await anyio.sleep_forever()

    await database.write([job(kind="quick"), job(kind="endless")])
    async with running(database, {"quick": quick, "endless": endless}, grace=0.5):
        with anyio.fail_after(5):
            await entered.wait()
    (left,) = await queue(database)
    assert (left["kind"], left["lease"], left["attempts"]) == ("endless", None, 0)
    assert await counts(database) == {"quick": 1}


async def test_two_runners_do_each_job_once(database: Database, database_url: str) -> None:
    other = await open_database(database_url, clock=SystemClock())

    def handler(of: Database) -> Handler:
        async def handle(held: Job) -> None:
            await of.write([counted(f"j{held.payload['n']}"), held.complete()])

        return handle

    try:
        await database.write([job(n) for n in range(100)])
        async with (
            running(database, {"k": handler(database)}, concurrency={"k": 8}),
            running(other, {"k": handler(other)}, concurrency={"k": 8}),
        ):
            await until(lambda: _empty(database))
    finally:
        await other.close()
    assert await counts(database) == {f"j{n}": 1 for n in range(100)}


async def test_periodic_work_runs_again_and_once_in_the_deployment(
    database: Database, database_url: str
) -> None:
    other = await open_database(database_url, clock=SystemClock())
    runs: list[datetime] = []

    async def handle(held: Job) -> None:
        runs.append(SystemClock().now())
        if len(runs) == 2:
            raise RuntimeError("once")

    runners = [
        JobRunner(each, {"tick": handle}, clock=SystemClock(), ids=Ids()) for each in (database, other)
    ]
    try:
        for runner in runners:
            runner.schedule_every("tick", timedelta(seconds=0.3))
            await runner.start()
        await until(lambda: len(runs) >= 4)
        for runner in runners:
            await runner.stop(2)
        assert len(await queue(database)) == 1
    finally:
        await other.close()
    gaps = [later - earlier for earlier, later in pairwise(runs)]
    assert min(gaps) >= timedelta(seconds=0.25)


WORKER = """
import asyncio, sys
from e2a_core.clock import SystemClock
from e2a_core.ids import Ids
from e2a_core.store.job_runner import JobRunner
from e2a_core.store.open import open_database

async def main(url):
    database = await open_database(url, clock=SystemClock(), migration_mode="skip")
    async def handle(job):
        print(job.id, flush=True)
        await asyncio.sleep(60)
    runner = JobRunner(database, {"k": handle}, clock=SystemClock(), ids=Ids(), lease_seconds=1.0)
    await runner.start()
    await asyncio.sleep(60)

asyncio.run(main(sys.argv[1]))
"""


async def test_a_killed_workers_job_is_taken_over(database: Database, database_url: str) -> None:
    await database.write([job("x")])
    worker = await asyncio.create_subprocess_exec(
        sys.executable, "-c", WORKER, database_url, stdout=asyncio.subprocess.PIPE
    )
    assert worker.stdout is not None
    with anyio.fail_after(20):
        await worker.stdout.readline()
    worker.kill()
    await worker.wait()
    attempts: list[int] = []

    async def handle(held: Job) -> None:
        attempts.append(held.attempts)
        await database.write([counted("effect"), held.complete()])

    async with running(database, {"k": handle}, lease_seconds=1.0):
        await until(lambda: _empty(database))
    assert attempts == [2]
    assert await counts(database) == {"effect": 1}


async def test_who_is_alone_does_not_wait_for_leases_of_the_dead(database: Database) -> None:
    await database.write([job()])
    taken = claim("k", limit=1, lease="dead", now=SystemClock().now(), duration=timedelta(hours=1))
    await database.write([taken])
    ran = asyncio.Event()

    async def handle(held: Job) -> None:
        ran.set()

    runner = JobRunner(database, {"k": handle}, clock=SystemClock(), ids=Ids())
    await runner.start(alone=True)
    try:
        with anyio.fail_after(10):
            await ran.wait()
    finally:
        await runner.stop(5)
