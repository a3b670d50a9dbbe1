"""Claims on idempotency keys, and what becomes of them."""

from __future__ import annotations

import pytest

from e2a_core.accounts.idempotency import (
    REQUESTS,
    Claim,
    StoredResponse,
    claim,
    claimed,
    complete,
    purge_expired,
    release,
)
from e2a_core.contract.principal import Principal
from e2a_core.core import Core
from e2a_core.errors import IdempotencyInFlight, IdempotencyKeyReuse
from e2a_core.store.statement import StaleWrite
from tests.support.clock import ManualClock
from tests.support.deployment import account

pytestmark = pytest.mark.anyio


async def take(core: Core, principal: Principal, fingerprint: str = "f") -> Claim:
    return await claim(core, principal.account_id, REQUESTS, "key", fingerprint)


async def test_a_completed_claim_answers_the_same_request_only(core: Core, owner: Principal) -> None:
    mine = await take(core, owner)
    assert mine.stored is None
    await core.db.write([complete(mine, 202, '{"a":1}')])
    assert (await take(core, owner)).stored == StoredResponse(202, '{"a":1}')
    with pytest.raises(IdempotencyKeyReuse):
        await take(core, owner, "another request")


async def test_accounts_and_namespaces_do_not_share_keys(core: Core, owner: Principal) -> None:
    await take(core, owner)
    assert (await take(core, await account(core, "other@example.org"))).stored is None
    assert (await claim(core, owner.account_id, "elsewhere", "key", "f")).stored is None


async def test_a_request_under_way_holds_even_against_another_request(core: Core, owner: Principal) -> None:
    await take(core, owner)
    for fingerprint in ("f", "another request"):
        with pytest.raises(IdempotencyInFlight) as refusal:
            await take(core, owner, fingerprint)
        assert refusal.value.retryable


async def test_an_abandoned_claim_is_taken_over_and_its_first_holder_loses(
    core: Core, owner: Principal, clock: ManualClock
) -> None:
    slow = await take(core, owner)
    clock.advance(minutes=4, seconds=59)
    with pytest.raises(IdempotencyInFlight):
        await take(core, owner)
    clock.advance(seconds=1)
    mine = await take(core, owner, "another request")
    with pytest.raises(StaleWrite):
        await core.db.write([complete(slow, 201, "{}")])
    await release(core, slow)
    await core.db.write([complete(mine, 201, "{}")])


async def test_a_failure_releases_the_key_and_a_success_stays(core: Core, owner: Principal) -> None:
    with pytest.raises(LookupError):
        async with claimed(core, owner.account_id, REQUESTS, "key", "f"):
            raise LookupError
    async with claimed(core, owner.account_id, REQUESTS, "key", "f") as mine:
        await core.db.write([complete(mine, 200, "{}")])
    async with claimed(core, owner.account_id, REQUESTS, "key", "f") as repeated:
        assert repeated.stored == StoredResponse(200, "{}")
    assert (await take(core, owner)).stored is not None


async def test_keys_are_forgotten_after_a_day(core: Core, owner: Principal, clock: ManualClock) -> None:
    await core.db.write([complete(await take(core, owner), 200, "{}")])
    clock.advance(hours=23, minutes=59)
    assert await purge_expired(core) == 0
    assert (await take(core, owner)).stored is not None
    clock.advance(minutes=1)
    assert (await take(core, owner)).stored is None
    clock.advance(hours=24)
    assert await purge_expired(core) == 1
