"""The chain: what somebody did to the rows in the database is found, and nothing else is."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import timedelta

import pytest

from e2a_core.audit import queries
from e2a_core.audit.chain import Head, row_hash
from e2a_core.audit.entry import Entry
from e2a_core.audit.log import BROKEN, AuditLog
from e2a_core.audit.sealing import LEFT_AFTER, log_left, prune_log, seal_anew
from e2a_core.audit.verify import Broken, verify
from e2a_core.contract.principal import Principal
from e2a_core.core import Core
from e2a_core.errors import Forbidden, StoreUnavailable
from e2a_core.signing.secrets import Secrets
from e2a_core.store.statement import Statement, sql
from tests.support.clock import ManualClock
from tests.support.deployment import account

pytestmark = pytest.mark.anyio

ROWS = 12


def entry(principal: Principal, number: int = 0) -> Entry:
    subjects = {"email": f"bot{number}@agents.localhost"}
    return Entry(principal.account_id, "apk_1", "api_key", "", "api", "pause_agent", subjects)


@pytest.fixture
async def log(core: Core, owner: Principal) -> AuditLog:
    """A log of twelve rows, and of another account's that is left alone."""
    made = AuditLog(core)
    other = await account(core, "other@example.org")
    for number in range(ROWS):
        await made.record(entry(owner, number))
        await made.record(entry(other, number))
    return made


async def broken(core: Core, principal: Principal) -> Broken | None:
    return (await verify(core, principal.account_id)).broken


async def run(core: Core, account_id: str, *texts: str) -> None:
    """SQL by somebody who has the database and not the secret."""
    await core.db.write([Statement(text, {"a": account_id} if ":a" in text else {}) for text in texts])


async def test_what_was_written_is_whole(core: Core, owner: Principal, log: AuditLog) -> None:
    found = await verify(core, owner.account_id)
    assert (found.rows, found.number, found.anchor, found.broken) == (ROWS, ROWS, 0, None)
    assert len(found.hash) == 64


async def test_an_account_that_did_nothing_has_an_empty_log(core: Core, owner: Principal) -> None:
    found = await verify(core, owner.account_id)
    assert (found.rows, found.number, found.broken) == (0, 0, None)


OF = "WHERE account_id = :a AND number"
SWAP = [
    f"UPDATE audit_log SET number = -1 {OF} = 4",
    f"UPDATE audit_log SET number = 4 {OF} = 5",
    f"UPDATE audit_log SET number = 5 {OF} = -1",
]
COPY = (
    "INSERT INTO audit_log SELECT account_id, {number}, at, actor, actor_kind, person, door, operation, subjects, "
    f"outcome, code, hash FROM audit_log {OF} = 3"
)
TAMPERED: dict[str, tuple[list[str], int]] = {
    **{
        f"{column} of a row": ([f"UPDATE audit_log SET {column} = {value} {OF} = 7"], 7)
        for column, value in {
            "at": "at + 1",
            "actor": "'apk_2'",
            "actor_kind": "'person'",
            "person": "'eve@example.org'",
            "door": "'command'",
            "operation": "'resume_agent'",
            "subjects": "'{}'",
            "outcome": "'refused'",
            "code": "'forbidden'",
            "hash": "'" + "f" * 64 + "'",
        }.items()
    },
    "the first changed": ([f"UPDATE audit_log SET at = at - 1 {OF} = 1"], 1),
    "the last changed": ([f"UPDATE audit_log SET at = at - 1 {OF} = {ROWS}"], ROWS),
    "the first removed": ([f"DELETE FROM audit_log {OF} = 1"], 1),
    "one in the middle removed": ([f"DELETE FROM audit_log {OF} = 6"], 6),
    "the last removed": ([f"DELETE FROM audit_log {OF} = {ROWS}"], ROWS),
    "the last three removed": ([f"DELETE FROM audit_log {OF} > {ROWS - 3}"], ROWS - 2),
    "the last removed, and the head moved back": (
        [
            f"DELETE FROM audit_log {OF} = {ROWS}",
            f"UPDATE audit_heads SET number = {ROWS - 1}, hash = (SELECT hash FROM audit_log {OF} = {ROWS - 1}) "
            "WHERE account_id = :a",
        ],
        ROWS - 1,
    ),
    "the first ones removed, and the anchor moved": (
        [
            f"UPDATE audit_heads SET anchor = 3, anchor_hash = (SELECT hash FROM audit_log {OF} = 3) "
            "WHERE account_id = :a",
            f"DELETE FROM audit_log {OF} <= 3",
        ],
        ROWS,
    ),
    "the head removed": (["DELETE FROM audit_heads WHERE account_id = :a"], 1),
    "all rows removed": (["DELETE FROM audit_log WHERE account_id = :a"], 1),
    "two swapped": (SWAP, 4),
    "moved down": ([f"UPDATE audit_log SET number = number - 1 {OF} = 1"], 0),
    "one put in behind": ([COPY.format(number=ROWS + 1)], ROWS + 1),
    "one put in far behind": ([COPY.format(number=ROWS + 9)], ROWS + 1),
    "one put in before": ([COPY.format(number=0)], 0),
    "one put in far before": ([COPY.format(number=-5)], -5),
    "one put in between": (
        [
            f"UPDATE audit_log SET number = -number {OF} > 4",
            f"UPDATE audit_log SET number = 1 - number {OF} < 0",
            COPY.format(number=5),
        ],
        5,
    ),
    "one of another account's": (
        [
            f"DELETE FROM audit_log {OF} = 2",
            "UPDATE audit_log SET account_id = :a WHERE account_id <> :a AND number = 2",
        ],
        2,
    ),
    "the mac": (["UPDATE audit_heads SET mac = 'f' WHERE account_id = :a"], ROWS),
    "begun anew, with the head": (
        [
            "DELETE FROM audit_log WHERE account_id = :a",
            f"UPDATE audit_heads SET number = 0, mac = '', hash = '{'0' * 64}' WHERE account_id = :a",
        ],
        0,
    ),
    "no mac": (["UPDATE audit_heads SET mac = '' WHERE account_id = :a"], ROWS),
}


@pytest.mark.parametrize("how", TAMPERED)
async def test_whatever_is_done_to_the_rows_is_found(
    core: Core, owner: Principal, log: AuditLog, how: str
) -> None:
    texts, number = TAMPERED[how]
    await run(core, owner.account_id, *texts)
    found = await broken(core, owner)
    assert found is not None
    assert found.number == number or how == "moved down", found


@pytest.mark.parametrize("how", TAMPERED)
async def test_what_was_done_is_found_after_more_was_logged(
    core: Core, owner: Principal, log: AuditLog, how: str
) -> None:
    """The log goes on, and its new head vouches for nothing that was changed before."""
    await run(core, owner.account_id, *TAMPERED[how][0])
    for number in range(3):
        await log.record(entry(owner, number))
    assert await broken(core, owner) is not None
    rows = await core.db.read(queries.rows(owner.account_id, -100, 100))
    assert len(rows) >= 3, "what came later is there"


async def test_whoever_makes_all_hashes_again_lacks_the_key(
    core: Core, owner: Principal, log: AuditLog
) -> None:
    rows = [dict(row) for row in await core.db.read(queries.rows(owner.account_id, 0, 100))]
    rows[4]["actor"] = "apk_of_somebody_else"
    before = "0" * 64
    for row in rows:
        row["hash"] = before = row_hash(before, row)
    await run(core, owner.account_id, "DELETE FROM audit_log WHERE account_id = :a")
    await core.db.write([queries.insert(row) for row in rows])
    [stored] = await core.db.read(queries.head(owner.account_id))
    head = Head.from_row(stored)
    forged = replace(head, hash=before)
    for secret in (b"", b"guessed", bytes(32)):
        moved = replace(forged, mac=forged.sealed(Secrets((secret,))))
        await core.db.write([queries.move_head(head, moved)])
        head = moved
        assert await broken(core, owner) is not None


async def test_another_accounts_log_is_left_alone(core: Core, owner: Principal, log: AuditLog) -> None:
    await run(core, owner.account_id, "DELETE FROM audit_log WHERE account_id = :a AND number = 3")
    other = await account(core, "other@example.org")
    assert (await verify(core, other.account_id)).rows == ROWS
    assert await broken(core, other) is None


async def test_a_rotated_secret_vouches_for_what_was_sealed(
    core: Core, owner: Principal, log: AuditLog
) -> None:
    rotated = replace(core, secrets=Secrets((b"a new secret of the deployment", *core.secrets)))
    assert await broken(rotated, owner) is None
    await AuditLog(rotated).record(entry(owner))
    alone = replace(core, secrets=Secrets((b"a new secret of the deployment",)))
    assert await broken(alone, owner) is None
    other = await account(core, "other@example.org")
    assert await broken(alone, other) is not None
    await run(core, owner.account_id, "UPDATE audit_heads SET mac = 'f' WHERE account_id = :a")
    assert (await seal_anew(rotated), await seal_anew(rotated)) == (1, 0)
    assert await broken(alone, other) is None
    assert await broken(alone, owner) is not None, "what nobody sealed is not sealed"
    assert await broken(core, owner) is not None, "the old secret alone knows nothing of the new"


async def test_many_at_once_are_one_chain(core: Core, owner: Principal) -> None:
    logs = [AuditLog(core) for _ in range(4)]
    await asyncio.gather(*(logs[number % 4].record(entry(owner, number)) for number in range(80)))
    found = await verify(core, owner.account_id)
    assert (found.rows, found.broken) == (80, None)
    rows = await core.db.read(queries.rows(owner.account_id, 0, 100))
    assert len({row["subjects"] for row in rows}) == 80


async def test_it_verifies_while_it_is_written(core: Core, owner: Principal, log: AuditLog) -> None:
    writing = asyncio.gather(*(log.record(entry(owner, number)) for number in range(60)))
    while not writing.done():
        assert await broken(core, owner) is None
        await asyncio.sleep(0)
    await writing


async def test_an_operation_is_logged_with_its_outcome(core: Core, owner: Principal) -> None:
    log = AuditLog(core)
    async with log.during(entry(owner)) as subjects:
        subjects["id"] = "whk_made"
    with pytest.raises(Forbidden):
        async with log.during(entry(owner)):
            raise Forbidden("no")
    with pytest.raises(StoreUnavailable):
        async with log.during(entry(owner)):
            raise StoreUnavailable("the disk is full")
    rows = await core.db.read(queries.rows(owner.account_id, 0, 10))
    assert [(row["outcome"], row["code"]) for row in rows] == [
        ("ok", ""),
        ("refused", "forbidden"),
        ("unknown", StoreUnavailable("").code),
    ]
    assert "whk_made" in rows[0]["subjects"]
    assert not await core.db.read(sql("SELECT id FROM audit_open"))


async def test_what_a_crash_left_is_logged_as_unknown(
    core: Core, owner: Principal, clock: ManualClock
) -> None:
    begun = AuditLog(core).during(entry(owner, 5))
    await begun.__aenter__()  # and the process is gone
    assert await log_left(core) == 0
    clock.advance(seconds=LEFT_AFTER.total_seconds() + 1)
    assert await log_left(core) == 1
    assert await log_left(core) == 0
    [row] = await core.db.read(queries.rows(owner.account_id, 0, 10))
    assert (row["outcome"], row["actor"], row["operation"]) == ("unknown", "apk_1", "pause_agent")
    assert "bot5@" in row["subjects"]
    assert await broken(core, owner) is None


async def test_nothing_is_done_that_cannot_be_announced(core: Core, owner: Principal) -> None:
    await core.db.close()
    with pytest.raises(StoreUnavailable):
        async with AuditLog(core).during(entry(owner)):
            raise AssertionError("it must not begin")


async def test_old_rows_go_and_the_rest_stays_whole(core: Core, owner: Principal, clock: ManualClock) -> None:
    log = AuditLog(core)
    for number in range(5):
        await log.record(entry(owner, number))
    clock.advance(seconds=timedelta(days=300).total_seconds())
    for number in range(3):
        await log.record(entry(owner, number))
    assert await prune_log(core) == 0
    clock.advance(seconds=timedelta(days=101).total_seconds())
    assert await prune_log(core) == 5
    found = await verify(core, owner.account_id)
    assert (found.rows, found.anchor, found.number, found.broken) == (3, 5, 8, None)
    await log.record(entry(owner))
    assert await broken(core, owner) is None
    await run(core, owner.account_id, "DELETE FROM audit_log WHERE account_id = :a AND number = 6")
    assert await broken(core, owner) == Broken(6, "the row is missing")


async def test_all_rows_may_grow_old(core: Core, owner: Principal, clock: ManualClock) -> None:
    log = AuditLog(core)
    await log.record(entry(owner))
    clock.advance(seconds=timedelta(days=401).total_seconds())
    assert await prune_log(core) == 1
    found = await verify(core, owner.account_id)
    assert (found.rows, found.anchor, found.number, found.broken) == (0, 1, 1, None)
    await log.record(entry(owner))
    assert (await verify(core, owner.account_id)).number == 2


async def test_a_broken_log_is_kept(core: Core, owner: Principal, log: AuditLog, clock: ManualClock) -> None:
    await run(core, owner.account_id, "DELETE FROM audit_log WHERE account_id = :a AND number = 3")
    clock.advance(seconds=timedelta(days=401).total_seconds())
    other = await account(core, "other@example.org")
    assert await prune_log(core) == ROWS, "the other account's"
    assert (await verify(core, other.account_id)).rows == 0
    assert await broken(core, owner) == Broken(3, "the row is missing")


async def test_the_row_that_tells_of_a_break_names_it(core: Core, owner: Principal, log: AuditLog) -> None:
    await run(core, owner.account_id, "UPDATE audit_heads SET mac = 'f' WHERE account_id = :a")
    await log.record(entry(owner))
    rows = await core.db.read(queries.rows(owner.account_id, ROWS, 10))
    assert [row["operation"] for row in rows] == [BROKEN, "pause_agent"]
    assert await broken(core, owner) == Broken(ROWS + 1, "the log was changed before this row")
