"""API keys: what is stored of them, whom they speak for, and when they stop."""

from __future__ import annotations

import hashlib
import re
from datetime import timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from e2a_core.accounts.credentials import NewKey, authenticate, ensure_account, hash_key, mint_key
from e2a_core.contract.principal import Principal
from e2a_core.core import Core
from e2a_core.errors import Unauthorized
from e2a_core.local.agents import Agents
from e2a_core.store.statement import first, sql
from tests.support.clock import ManualClock
from tests.support.deployment import make_agent

pytestmark = pytest.mark.anyio


async def last_used(core: Core, key: NewKey) -> int | None:
    row = first(await core.db.read(sql("SELECT last_used_at FROM api_keys WHERE id = :id", id=key.row.id)))
    assert row is not None
    used: int | None = row["last_used_at"]
    return used


async def test_a_key_is_stored_as_a_hash_of_all_of_it(core: Core, owner: Principal) -> None:
    key = await mint_key(core, owner.account_id, name="ci")
    assert re.fullmatch("e2a_acct_[0-9a-f]{64}", key.plaintext)
    row = first(await core.db.read(sql("SELECT * FROM api_keys WHERE id = :id", id=key.row.id)))
    assert row is not None
    assert row["key_hash"] == hashlib.sha256(key.plaintext.encode()).hexdigest()
    assert row["key_prefix"] == key.plaintext[:16]
    assert key.plaintext not in str(dict(row))
    assert key.plaintext not in repr(key)
    assert re.fullmatch("apk_[0-9a-f]{32}", row["id"])


async def test_an_account_key_speaks_for_its_account(core: Core, owner: Principal) -> None:
    key = await mint_key(core, owner.account_id)
    assert await authenticate(core, key.plaintext) == Principal(
        owner.account_id, "owner@example.org", "account", None, key.row.id
    )


async def test_an_agent_key_speaks_for_its_agent_even_from_the_trash(core: Core, owner: Principal) -> None:
    email = await make_agent(core, owner, "bot@agents.localhost")
    key = await mint_key(core, owner.account_id, scope="agent", agent_email=email)
    assert re.fullmatch("e2a_agt_[0-9a-f]{64}", key.plaintext)
    await Agents(core, owner).delete(email)
    principal = await authenticate(core, key.plaintext)
    assert (principal.scope, principal.agent_email) == ("agent", email)


async def test_deleting_an_agent_for_good_ends_its_keys(core: Core, owner: Principal) -> None:
    email = await make_agent(core, owner, "bot@agents.localhost")
    key = await mint_key(core, owner.account_id, scope="agent", agent_email=email)
    await Agents(core, owner).delete(email, permanent=True)
    with pytest.raises(Unauthorized):
        await authenticate(core, key.plaintext)


async def test_unknown_revoked_and_expired_keys_look_alike(
    core: Core, owner: Principal, clock: ManualClock
) -> None:
    revoked = await mint_key(core, owner.account_id)
    expiring = await mint_key(core, owner.account_id, expires_at=clock.now() + timedelta(seconds=30))
    assert (await authenticate(core, expiring.plaintext)).credential_id == expiring.row.id
    await core.db.write([sql("UPDATE api_keys SET revoked_at = 1 WHERE id = :id", id=revoked.row.id)])
    clock.advance(seconds=30)
    credentials = [
        revoked.plaintext,
        expiring.plaintext,
        "e2a_acct_" + "0" * 64,
        revoked.plaintext.upper(),
        revoked.plaintext + "\n",
        "",
        "x" * 100_000,
        "\ud800",
    ]
    answers = set()
    for credential in credentials:
        with pytest.raises(Unauthorized) as refusal:
            await authenticate(core, credential)
        answers.add((refusal.value.code, refusal.value.message, str(refusal.value.details)))
    assert len(answers) == 1


async def test_a_key_expires_although_nothing_was_written_since(
    core: Core, owner: Principal, clock: ManualClock
) -> None:
    key = await mint_key(core, owner.account_id, expires_at=clock.now() + timedelta(seconds=30))
    for _ in range(2):
        await authenticate(core, key.plaintext)
    clock.advance(seconds=30)
    with pytest.raises(Unauthorized):
        await authenticate(core, key.plaintext)


async def test_use_is_recorded_at_most_once_a_minute(
    core: Core, owner: Principal, clock: ManualClock
) -> None:
    key = await mint_key(core, owner.account_id)
    assert await last_used(core, key) is None
    await authenticate(core, key.plaintext)
    first = await last_used(core, key)
    assert first is not None
    clock.advance(seconds=59)
    await authenticate(core, key.plaintext)
    assert await last_used(core, key) == first
    clock.advance(seconds=1)
    await authenticate(core, key.plaintext)
    assert await last_used(core, key) == first + 60_000_000


async def test_an_address_has_one_account_however_it_is_spelled(core: Core) -> None:
    first, created = await ensure_account(core, " Ann@Example.ORG ")
    assert created
    assert await ensure_account(core, "ann@example.org") == (first, False)


@given(st.text())
@settings(max_examples=200, deadline=None)
def test_any_text_has_a_hash(text: str) -> None:
    assert re.fullmatch("[0-9a-f]{64}", hash_key(text))
