"""Sign-ins that failed: in the audit log of the account where it is known, so many an hour, and without secrets."""

from __future__ import annotations

import asyncio
import logging

import httpx
import pytest

from e2a_core.audit.log import AuditLog
from e2a_core.audit.verify import verify
from e2a_core.observer import Unobserved
from e2a_core.people.failures import LOGGED_WITHIN, MAX_LOGGED, FailedSignIns
from e2a_core.store.statement import sql
from tests.pages.people import Visitor, account_id, fields_of, mint
from tests.support.home import Home

pytestmark = pytest.mark.anyio


async def failed(home: Home) -> list[tuple[str, str]]:
    """The actor and the code of each failed sign-in in the audit log."""
    rows = await home.local.core.db.read(
        sql("SELECT * FROM audit_log WHERE operation = 'sign_in' AND outcome = 'refused' ORDER BY number")
    )
    return [(row["actor"], row["code"]) for row in rows]


async def counted(client: httpx.AsyncClient, way: str) -> float:
    lines = (await client.get("/metrics")).text.splitlines()
    found = [line for line in lines if line.startswith(f'e2a_failed_sign_ins_total{{way="{way}"}}')]
    return float(found[0].split()[1]) if found else 0.0


async def try_key(client: httpx.AsyncClient, url: str, key: str) -> int:
    return (await client.post("/sign-in", data={"key": key}, headers={"Origin": url})).status_code


async def test_links_that_are_used_or_late(home: Home, url: str, stranger: httpx.AsyncClient) -> None:
    path = "/sign-in?" + (await mint(home, "viewer", "vera@example.org")).partition("?")[2]
    fields = fields_of((await stranger.get(path)).text, "/sign-in")
    async with Visitor(home, url) as vera:
        assert (await vera.post("/sign-in", fields)).status_code == 303
    assert (await stranger.post("/sign-in", data=fields, headers={"Origin": url})).status_code == 410
    for method, headers in (("GET", {}), ("HEAD", {}), ("GET", {"Sec-Purpose": "prefetch"})):
        assert (await stranger.request(method, path, headers=headers)).status_code == 410
    late = await mint(home, "viewer", "vera@example.org")
    home.clock.advance(minutes=16)
    assert (await stranger.get("/sign-in?" + late.partition("?")[2])).status_code == 410
    assert (await stranger.get("/sign-in?t=e2a_in_none")).status_code == 400
    found = await failed(home)
    assert [code for _, code in found] == ["link_used", "link_used", "link_expired"]
    assert len({actor for actor, _ in found}) == 1
    assert found[0][0].startswith("person:")
    assert await counted(stranger, "link") == 4


async def test_keys_that_are_known_and_sign_nobody_in(
    home: Home, url: str, stranger: httpx.AsyncClient
) -> None:
    owner = await home.local.session(home.account_key)
    ids = {item.name: item.id for item in (await owner.api_keys.list()).items}
    assert await try_key(stranger, url, home.agent_key) == 403
    await owner.api_keys.delete(ids["owner"])
    assert await try_key(stranger, url, home.account_key) == 401
    for junk in ("", "e2a_acct_" + "0" * 64, "x" * 2000, "\u0000", "\N{GRINNING FACE}"):
        assert await try_key(stranger, url, junk) == 401
    assert await failed(home) == [(ids["assistant"], "forbidden"), (ids["owner"], "unauthorized")]
    assert await counted(stranger, "api_key") == 7


async def test_a_flood_of_failures_floods_no_log(home: Home) -> None:
    core = home.local.core
    failures = FailedSignIns(core, AuditLog(core), Unobserved())

    async def fail() -> None:
        await failures.by_key(home.agent_key, "forbidden", "192.0.2.1")

    await asyncio.gather(*(fail() for _ in range(MAX_LOGGED + 5)))
    assert len(await failed(home)) == MAX_LOGGED
    restarted = FailedSignIns(core, AuditLog(core), Unobserved())
    await restarted.by_key(home.agent_key, "forbidden", "192.0.2.1")
    assert len(await failed(home)) == MAX_LOGGED
    home.clock.advance(seconds=LOGGED_WITHIN.total_seconds() + 1)
    await fail()
    assert len(await failed(home)) == MAX_LOGGED + 1
    assert (await verify(core, await account_id(home))).broken is None


async def test_failures_of_others_keep_nobody_out(home: Home, url: str, stranger: httpx.AsyncClient) -> None:
    tried = [await try_key(stranger, url, "wrong") for _ in range(12)]
    assert tried == [401] * 10 + [429] * 2
    async with Visitor(home, url) as person:
        await person.sign_in()
    assert await try_key(stranger, url, home.account_key) == 303
    assert await counted(stranger, "api_key") == 10


async def test_a_line_tells_of_a_failure_without_what_was_given(
    home: Home, url: str, stranger: httpx.AsyncClient, caplog: pytest.LogCaptureFixture
) -> None:
    token = (await mint(home)).partition("t=")[2]
    with caplog.at_level(logging.DEBUG):
        async with Visitor(home, url) as person:
            for _ in range(2):
                await person.post("/sign-in", {"t": token})
        await try_key(stranger, url, home.agent_key)
        passkey = '{"rawId": "c2VjcmV0", "response": {}}'
        await stranger.post("/sign-in", data={"passkey": passkey}, headers={"Origin": url})
    told = [item.getMessage() for item in caplog.records if "sign-in" in item.getMessage()]
    assert "a sign-in by link from 127.0.0.1 failed: link_used" in told
    assert "a sign-in by api_key from 127.0.0.1 failed: forbidden" in told
    assert "a sign-in by passkey from 127.0.0.1 failed: unauthorized" in told
    for secret in (token, home.agent_key, "c2VjcmV0"):
        assert secret not in caplog.text
    rows = await home.local.core.db.read(sql("SELECT * FROM audit_log ORDER BY number"))
    assert token not in str([dict(row) for row in rows])


async def test_forms_of_other_sites_are_no_failures(home: Home, stranger: httpx.AsyncClient) -> None:
    assert await try_key(stranger, "https://elsewhere.example", home.agent_key) == 403
    assert await failed(home) == []
    assert await counted(stranger, "api_key") == 0
