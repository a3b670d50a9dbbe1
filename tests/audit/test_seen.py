"""The log of another deployment: what its list shows to be broken, and what no list can show."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

import pytest

from e2a_core.audit.log import AuditLog
from e2a_core.audit.sealing import prune_log
from e2a_core.audit.seen import Seen, verify_seen
from e2a_core.audit.verify import Broken, verify
from e2a_core.contract.audit import AuditEntryView, AuditQuery
from e2a_core.contract.base import Page
from e2a_core.contract.principal import Principal
from e2a_core.core import Core
from e2a_core.local.audit import Audit
from tests.audit.test_chain import ROWS, TAMPERED, entry, log, run
from tests.support.clock import ManualClock

__all__ = ["log"]

pytestmark = pytest.mark.anyio

UNSEEN = {
    "the first removed",
    "the last removed",
    "the last three removed",
    "the last removed, and the head moved back",
    "the first ones removed, and the anchor moved",
    "the head removed",
    "all rows removed",
    "the mac",
    "no mac",
    "begun anew, with the head",
}
"""What is at either end, or of the head, which no list shows."""


async def seen(core: Core, principal: Principal) -> Seen:
    return await verify_seen(Audit(core, principal), principal.account_id)


async def test_what_is_listed_is_the_chain_that_the_home_has(core: Core, owner: Principal) -> None:
    written = AuditLog(core)
    assert await seen(core, owner) == Seen()
    for number in range(250):
        await written.record(entry(owner, number))
    here, there = await verify(core, owner.account_id), await seen(core, owner)
    assert (there.rows, there.first, there.broken) == (250, 1, None)
    assert (there.number, there.hash) == (here.number, here.hash)


@pytest.mark.parametrize("how", TAMPERED)
async def test_what_is_done_to_listed_rows_is_found(
    core: Core, owner: Principal, log: AuditLog, how: str
) -> None:
    texts, number = TAMPERED[how]
    await run(core, owner.account_id, *texts)
    found = (await seen(core, owner)).broken
    assert (found is None) == (how in UNSEEN)
    assert found is None or found.number == number or how == "moved down", found


async def test_rows_that_grew_old_are_said_not_to_be_listed(
    core: Core, owner: Principal, log: AuditLog, clock: ManualClock
) -> None:
    clock.advance(seconds=timedelta(days=401).total_seconds())
    await log.record(entry(owner))
    await log.record(entry(owner))
    assert await prune_log(core) == 2 * ROWS
    found = await seen(core, owner)
    assert (found.rows, found.first, found.number, found.broken) == (2, ROWS + 1, ROWS + 2, None)


async def test_a_break_that_the_deployment_logged_is_told(
    core: Core, owner: Principal, log: AuditLog
) -> None:
    await run(core, owner.account_id, "UPDATE audit_heads SET mac = 'f' WHERE account_id = :a")
    await log.record(entry(owner))
    assert (await seen(core, owner)).broken == Broken(ROWS + 1, "the log was changed before this row")


class Told:
    """A list that says what a hostile deployment likes, for ever."""

    def __init__(self, rows: Sequence[AuditEntryView]) -> None:
        self._rows = rows
        self.asked = 0

    async def list(self, query: AuditQuery) -> Page[AuditEntryView]:
        self.asked += 1
        return Page(items=list(self._rows), next_cursor="again")


async def test_a_list_without_an_end_is_left(core: Core, owner: Principal, log: AuditLog) -> None:
    told = Told((await Audit(core, owner).list(AuditQuery(limit=5))).items)
    found = (await verify_seen(told, owner.account_id)).broken
    assert found == Broken(ROWS, "the row was moved")
    assert told.asked == 2
    naive = [row.model_copy(update={"at": row.at.replace(tzinfo=None)}) for row in told._rows]
    assert (await verify_seen(Told(naive), owner.account_id)).broken == found
