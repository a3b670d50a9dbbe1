"""What both databases promise: atomic writes, compare-and-set, typed errors, the same values back."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace

import anyio
import pytest

from e2a_core.clock import SystemClock
from e2a_core.errors import StoreUnavailable
from e2a_core.store import (
    ConstraintViolation,
    Database,
    ForeignKeyViolation,
    StaleWrite,
    Statement,
    UniqueViolation,
    UnstorableValue,
    first,
    sql,
)
from e2a_core.store.open import open_database

pytestmark = pytest.mark.anyio


Commit = Callable[[Sequence[Statement]], Awaitable[object]]


def put(key: str, value: str = "v") -> Statement:
    return sql("INSERT INTO meta (key, value) VALUES (:key, :value)", key=key, value=value)


def account(name: str) -> Statement:
    return sql(
        "INSERT INTO accounts (id, email, name, created_at) VALUES (:id, :email, :name, :at)",
        id=name,
        email=f"{name}@example.org",
        name=name,
        at=1_700_000_000_123_456,
    )


async def keys(database: Database) -> list[str]:
    return [row["key"] for row in await database.read(sql("SELECT key FROM meta ORDER BY key"))]


@pytest.fixture(params=[True, False])
def commit(request: pytest.FixtureRequest, database: Database) -> Commit:
    """Each way to commit one unit: its statements by key, or not."""

    def write(statements: Sequence[Statement]) -> Awaitable[object]:
        return database.write([replace(statement, by_key=request.param) for statement in statements])

    return write


async def test_a_write_is_kept_whole_or_not_at_all(database: Database, commit: Commit) -> None:
    await commit([put("a"), put("b")])
    with pytest.raises(UniqueViolation):
        await commit([put("c"), put("a")])
    assert await keys(database) == ["a", "b"]


async def test_one_failing_unit_of_a_group_leaves_the_others(database: Database, commit: Commit) -> None:
    await commit([put("taken")])
    units = [[put(f"k{n:02}"), put(f"m{n:02}")] for n in range(16)]
    units[7][1] = put("taken")
    units[11].append(sql("UPDATE meta SET value = 'x' WHERE key = 'absent'", expect=1))
    outcomes = await asyncio.gather(*map(commit, units), return_exceptions=True)
    assert [n for n, outcome in enumerate(outcomes) if isinstance(outcome, BaseException)] == [7, 11]
    assert isinstance(outcomes[7], UniqueViolation)
    assert isinstance(outcomes[11], StaleWrite)
    kept = [n for n in range(16) if n not in (7, 11)]
    assert await keys(database) == sorted(["taken", *(f"{p}{n:02}" for n in kept for p in "km")])


async def test_stale_write_names_the_statement_and_keeps_nothing(database: Database, commit: Commit) -> None:
    await commit([put("a")])
    update = "UPDATE meta SET value = 'new' WHERE key = :key"
    with pytest.raises(StaleWrite) as caught:
        await commit([sql(update, key="a", expect=1), sql(update, key="absent", expect=1)])
    assert (caught.value.index, caught.value.rowcount) == (1, 0)
    assert first(await database.read(sql("SELECT value FROM meta"))) == {"value": "v"}


async def test_expect_counts_rows_of_a_common_table_expression(database: Database) -> None:
    await database.write([put("a"), put("b")])
    text = "WITH old AS (SELECT key FROM meta) UPDATE meta SET value = 'n' WHERE key IN (SELECT key FROM old)"
    await database.write([sql(text, expect=2)])
    with pytest.raises(StaleWrite):
        await database.write([sql(text, expect=1)])


async def test_results_carry_rowcounts_and_returned_rows(database: Database) -> None:
    inserted, updated, ignored = await database.write(
        [
            sql("INSERT INTO meta (key, value) VALUES ('a', '1'), ('b', '2') RETURNING key, value"),
            sql("UPDATE meta SET value = 'x'"),
            sql("INSERT INTO meta (key, value) VALUES ('a', '3') ON CONFLICT (key) DO NOTHING"),
        ]
    )
    assert inserted.rows == [{"key": "a", "value": "1"}, {"key": "b", "value": "2"}]
    assert (inserted.rowcount, updated.rowcount, ignored.rowcount) == (2, 2, 0)


async def test_constraints_surface_typed_and_named(database: Database) -> None:
    await database.write([account("ann"), account("bob")])
    with pytest.raises(UniqueViolation) as unique:
        await database.write([sql("UPDATE accounts SET email = 'ann@example.org' WHERE id = 'bob'")])
    assert unique.value.constraint == "accounts.email"
    key = "INSERT INTO api_keys (id, account_id, scope, key_hash, key_prefix, created_at, agent_email)"
    with pytest.raises(ForeignKeyViolation):
        await database.write([sql(f"{key} VALUES ('k', 'nobody', 'account', 'h', 'p', 1, NULL)")])
    with pytest.raises(ConstraintViolation) as check:
        await database.write([sql(f"{key} VALUES ('k', 'ann', 'agent', 'h', 'p', 1, NULL)")])
    assert type(check.value) is ConstraintViolation
    with pytest.raises(ConstraintViolation) as missing:
        await database.write([put("a", None)])  # type: ignore[arg-type]
    assert missing.value.constraint == "meta.value"


async def test_a_key_of_two_columns_is_named_alike(database: Database) -> None:
    await database.write([account("ann")])
    insert = sql(
        "INSERT INTO idempotency (account_id, namespace, key, fingerprint, created_at)"
        " VALUES ('ann', 'n', 'k', 'f', 1)"
    )
    await database.write([insert])
    with pytest.raises(UniqueViolation) as caught:
        await database.write([insert])
    assert caught.value.constraint == "idempotency.account_id, idempotency.namespace, idempotency.key"


async def test_values_come_back_as_they_went_in(database: Database) -> None:
    blob = bytes(range(256))
    await database.write(
        [
            sql(
                "INSERT INTO raw_messages (content_hash, data, created_at) VALUES (:hash, :data, :at)",
                hash="ключ \U0001f4e7 'quoted' :name ::type",
                data=blob,
                at=2**62,
            )
        ]
    )
    row = first(await database.read(sql("SELECT * FROM raw_messages WHERE created_at = :at", at=2**62)))
    assert row == {"content_hash": "ключ \U0001f4e7 'quoted' :name ::type", "data": blob, "created_at": 2**62}
    sums = first(
        await database.read(
            sql("SELECT COUNT(*) AS n, SUM(created_at) AS total, MAX(created_at) AS none FROM raw_messages")
        )
    )
    assert sums == {"n": 1, "total": 2**62, "none": 2**62}
    assert type(sums["total"]) is int


@pytest.mark.parametrize("value", ["lone \udce9 surrogate", "\ud800", "a\0b"])
async def test_a_value_that_cannot_be_stored_fails_its_unit_alone(
    database: Database, commit: Commit, value: str
) -> None:
    outcomes = await asyncio.gather(
        commit([put("good")]), commit([put("bad", value)]), return_exceptions=True
    )
    assert isinstance(outcomes[1], UnstorableValue)
    assert await keys(database) == ["good"]


@pytest.mark.parametrize("value", ["\ud800", "a\0b"])
async def test_a_value_no_row_can_have_cannot_be_asked_for(database: Database, value: str) -> None:
    find = sql("SELECT value FROM meta WHERE key = :key", key=value)
    with pytest.raises(UnstorableValue):
        first(await database.read(find))
    with pytest.raises(UnstorableValue):
        async with database.transaction() as transaction:
            await transaction.read(find)


async def test_an_integer_beyond_64_bits_cannot_be_stored(database: Database) -> None:
    with pytest.raises(UnstorableValue):
        await database.write([sql("UPDATE accounts SET created_at = :at", at=2**63)])


async def test_a_wrong_statement_fails_alone_and_is_no_outage(database: Database, commit: Commit) -> None:
    outcomes = await asyncio.gather(
        commit([put("a")]),
        commit([sql("INSERT INTO absent VALUES (1)")]),
        return_exceptions=True,
    )
    assert isinstance(outcomes[1], Exception)
    assert not isinstance(outcomes[1], StoreUnavailable)
    assert await keys(database) == ["a"]


async def test_short_and_long_writes_share_a_commit(database: Database) -> None:
    long = "v" * 100_000
    short = [replace(put("a"), by_key=True)], [replace(put("c", long), by_key=True)]
    await asyncio.gather(*map(database.write, short), database.write([put("b")]))
    assert await keys(database) == ["a", "b", "c"]
    assert first(await database.read(sql("SELECT value FROM meta WHERE key = 'c'"))) == {"value": long}


@pytest.mark.parametrize("by_key", [True, False])
async def test_a_row_has_its_values_by_name_and_in_order(database: Database, by_key: bool) -> None:
    await database.write([put("a", "1"), put("b", "2")])
    found = await database.read(sql("SELECT value, key FROM meta ORDER BY key", by_key=by_key))
    assert [row.bare for row in found] == [("1", "a"), ("2", "b")]
    assert found == [{"key": "a", "value": "1"}, {"key": "b", "value": "2"}]
    with pytest.raises(KeyError):
        found[0]["absent"]
    with pytest.raises(UnstorableValue):
        await database.read(sql("SELECT value FROM meta WHERE key = :key", by_key=by_key, key="\ud800"))


async def test_one_returns_the_first_row_or_none(database: Database) -> None:
    assert first(await database.read(sql("SELECT key FROM meta"))) is None
    await database.write([put("a"), put("b")])
    assert first(await database.read(sql("SELECT key FROM meta ORDER BY key"))) == {"key": "a"}


async def test_several_reads_come_back_in_order(database: Database) -> None:
    await database.write([put("a"), put("b")])
    named = sql("SELECT key FROM meta WHERE key = :key", key="b")
    nothing = sql("SELECT key FROM meta WHERE key = :key", key="c")
    every = sql("SELECT key FROM meta WHERE key IN ('a', 'b') ORDER BY key")
    found = await database.read([named, nothing, every])
    assert [[row["key"] for row in rows] for rows in found] == [["b"], [], ["a", "b"]]
    assert await database.read([]) == []


async def test_a_lookup_sees_what_was_committed_just_before(database: Database) -> None:
    for name in "abc":
        await database.write([put(name)])
        named, absent, every = await database.read(
            [
                sql("SELECT key FROM meta WHERE key = :key", by_key=True, key=name),
                sql("SELECT key FROM meta WHERE key = 'absent'", by_key=True),
                sql("SELECT key FROM meta ORDER BY key DESC", by_key=True),
            ]
        )
        assert (named, absent) == ([{"key": name}], [])
        assert every[0] == {"key": name}


async def test_a_lookup_fails_as_a_read_does(database: Database) -> None:
    for wrong in (sql("SELECT key FROM nowhere"), sql("SELECT key FROM meta WHERE key = :key", key="\ud800")):
        with pytest.raises(Exception) as looked:  # noqa: PT011 - the drivers' own, whichever they are
            await database.read(replace(wrong, by_key=True))
        with pytest.raises(Exception) as read:  # noqa: PT011
            await database.read(wrong)
        assert type(looked.value) is type(read.value)
        assert not isinstance(looked.value, StoreUnavailable)


async def test_a_failing_read_leaves_those_asked_for_with_it(database: Database) -> None:
    await database.write([put("a")])
    good, wrong = sql("SELECT key FROM meta WHERE key = 'a'"), sql("SELECT key FROM nowhere")
    before, failed, behind = await asyncio.gather(
        database.read(good), database.read(wrong), database.read(good), return_exceptions=True
    )
    assert before == [{"key": "a"}]
    assert isinstance(failed, Exception)
    assert not isinstance(failed, StoreUnavailable)
    assert behind == [{"key": "a"}]


async def test_a_cancelled_read_leaves_those_asked_for_with_it(database: Database) -> None:
    await database.write([put("a")])
    asked = sql("SELECT key FROM meta WHERE key = 'a'")
    given_up, kept = (asyncio.create_task(database.read(asked)) for _ in range(2))
    await asyncio.sleep(0)
    given_up.cancel()
    assert await kept == [{"key": "a"}]
    with pytest.raises(asyncio.CancelledError):
        await given_up


async def test_a_transaction_reads_what_it_wrote_and_commits_on_exit(database: Database) -> None:
    async with database.transaction() as transaction:
        assert first(await transaction.read(sql("SELECT key FROM meta"))) is None
        await transaction.write([put("a")])
        assert await transaction.read(sql("SELECT key FROM meta")) == [{"key": "a"}]
        assert await keys(database) == []
    assert await keys(database) == ["a"]


async def test_a_transaction_rolls_back_on_any_error(database: Database) -> None:
    async def fail() -> None:
        async with database.transaction() as transaction:
            await transaction.write([put("a")])
            raise TimeoutError("mine")

    async def be_stale() -> None:
        async with database.transaction() as transaction:
            await transaction.write([put("b"), sql("DELETE FROM meta WHERE key = 'absent'", expect=1)])

    with pytest.raises(TimeoutError, match="mine"):
        await fail()
    with pytest.raises(StaleWrite):
        await be_stale()
    assert await keys(database) == []
    await database.write([put("c")])
    assert await keys(database) == ["c"]


async def test_a_cancelled_transaction_leaves_the_database_usable(database: Database) -> None:
    for delay in (0.0, 0.0005, 0.001, 0.002, 0.005):
        with anyio.move_on_after(delay):
            async with database.transaction() as transaction:
                await transaction.write([put(f"x{delay}")])
                await anyio.sleep_forever()
    await database.write([put("after")])
    assert await keys(database) == ["after"]


async def test_a_cancelled_writer_does_not_disturb_its_group(database: Database) -> None:
    async with anyio.create_task_group() as group:
        cancelled = asyncio.ensure_future(database.write([put("cancelled")]))
        for n in range(8):
            group.start_soon(database.write, [put(f"k{n}")])
        await anyio.lowlevel.checkpoint()
        cancelled.cancel()
    assert set(await keys(database)) >= {f"k{n}" for n in range(8)}


async def test_transactions_and_writes_take_turns(database: Database) -> None:
    await database.write([put("counter", "0")])

    async def increment() -> None:
        async with database.transaction() as transaction:
            row = first(
                await transaction.read(
                    sql(
                        "SELECT value FROM meta WHERE key = 'counter'",
                        postgresql="SELECT value FROM meta WHERE key = 'counter' FOR UPDATE",
                    )
                )
            )
            assert row is not None
            value = str(int(row["value"]) + 1)
            await transaction.write(
                [sql("UPDATE meta SET value = :value WHERE key = 'counter'", value=value)]
            )

    async with anyio.create_task_group() as group:
        for n in range(20):
            group.start_soon(increment)
            group.start_soon(database.write, [put(f"k{n}")])
    assert first(await database.read(sql("SELECT value FROM meta WHERE key = 'counter'"))) == {"value": "20"}
    assert len(await keys(database)) == 21


async def test_commits_are_told_at_once_and_to_other_processes(database: Database, database_url: str) -> None:
    other = await open_database(database_url, clock=SystemClock())
    here, there = anyio.Event(), anyio.Event()
    try:
        database.on_commit(here.set)
        other.on_commit(there.set)
        with anyio.fail_after(5):
            await database.write([put("a")])
            assert here.is_set()
            await there.wait()
    finally:
        await other.close()


async def test_an_unregistered_listener_is_not_called(database: Database) -> None:
    calls: list[int] = []
    remove = database.on_commit(lambda: calls.append(1))
    remove()
    remove()
    await database.write([put("a")])
    assert calls == []


async def test_a_closed_database_says_so(database: Database) -> None:
    await database.close()
    await database.close()
    with pytest.raises(StoreUnavailable, match="closed"):
        await database.write([put("a")])
    with pytest.raises(StoreUnavailable, match="closed"):
        first(await database.read(sql("SELECT 1")))
    with pytest.raises(StoreUnavailable, match="closed"):
        async with database.transaction():
            pass


async def test_closing_finishes_the_writes_under_way(database: Database, database_url: str) -> None:
    async with anyio.create_task_group() as group:
        for n in range(20):
            group.start_soon(database.write, [put(f"k{n:02}")])
        await anyio.lowlevel.checkpoint()
        await database.close()
    reopened = await open_database(database_url, clock=SystemClock())
    assert len(await keys(reopened)) == 20
    await reopened.close()
