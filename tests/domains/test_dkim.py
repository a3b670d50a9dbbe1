"""The key a domain signs with: one for all processes, made once, opened once."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from threading import get_ident

import pytest
from anyio import create_task_group

from e2a_core.contract.principal import Principal
from e2a_core.core import Core
from e2a_core.domains.dkim import SigningKey, SigningKeys
from e2a_core.signing.secrets import Secrets
from e2a_core.store.statement import first, sql
from tests.support.clock import ManualClock
from tests.support.deployment import SHARED, register_domain

pytestmark = pytest.mark.anyio


async def test_a_domain_gets_its_key_when_it_first_needs_one(core: Core) -> None:
    keys = SigningKeys(core)
    made = await keys.current(SHARED)
    assert made is not None
    assert (made.domain, made.selector, made.key.algorithm) == (SHARED, "e2a202603", "rsa-sha256")
    assert await keys.current(SHARED) is made
    row = first(await core.db.read(sql("SELECT private_key, public_key FROM dkim_keys")))
    assert row is not None
    assert row["public_key"] == made.key.dns_record()
    assert made.key.to_der() not in bytes(row["private_key"])
    reopened = await SigningKeys(core).current(SHARED)
    assert reopened is not None
    assert reopened.key.to_der() == made.key.to_der()


async def test_replicas_that_make_one_at_once_agree_on_it(core: Core) -> None:
    made: list[SigningKey | None] = []

    async def first_use(keys: SigningKeys) -> None:
        made.append(await keys.current(SHARED))

    async with create_task_group() as tasks:
        for keys in (SigningKeys(core), SigningKeys(core)):
            for _ in range(2):
                tasks.start_soon(first_use, keys)
    assert len({item.key.to_der() for item in made if item is not None}) == 1
    assert None not in made
    assert len(await core.db.read(sql("SELECT selector FROM dkim_keys"))) == 1


async def test_only_a_proven_domain_signs(core: Core, owner: Principal) -> None:
    await register_domain(core, owner, "example.com")
    await register_domain(core, owner, "pending.example", verified=False)
    keys = SigningKeys(core)
    assert await keys.current("example.com") is not None
    assert await keys.current("pending.example") is None
    assert await keys.current("elsewhere.example") is None


async def test_a_retired_key_signs_no_more(core: Core) -> None:
    keys = SigningKeys(core)
    first = await keys.current(SHARED)
    await core.db.write([sql("UPDATE dkim_keys SET retired_at = 1, selector = 'old'")])
    second = await keys.current(SHARED)
    assert first is not None
    assert second is not None
    assert first.key.to_der() != second.key.to_der()


async def test_the_loop_does_not_sign(core: Core) -> None:
    threads: set[int] = set()

    class Noting(ManualClock):
        def now(self) -> datetime:
            threads.add(get_ident())
            return super().now()

    await SigningKeys(core).current(SHARED)
    field = await SigningKeys(replace(core, clock=Noting())).signature(
        SHARED, b"From: a@b.example\r\n\r\nx\r\n"
    )
    assert field.startswith(b"DKIM-Signature: ")
    assert threads
    assert get_ident() not in threads


async def test_a_key_nobody_can_open_leaves_mail_unsigned(
    core: Core, caplog: pytest.LogCaptureFixture
) -> None:
    await SigningKeys(core).current(SHARED)
    lost = replace(core, secrets=Secrets((b"x" * 32,)))
    assert await SigningKeys(lost).current(SHARED) is None
    assert "unsigned" in caplog.text
