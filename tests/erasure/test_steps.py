"""What has been kept long enough goes, and nothing else."""

from __future__ import annotations

import logging
from dataclasses import replace
from typing import Any

import pytest

from e2a_core.clock import from_micros, to_micros
from e2a_core.contract.principal import Principal
from e2a_core.core import Core
from e2a_core.erasure import job as retention
from e2a_core.erasure.expired import purge_content, purge_events, purge_orphans, purge_sign_ins, purge_trash
from e2a_core.errors import StoreUnavailable
from e2a_core.people.links import mint_link, redeem
from e2a_core.store.events import append
from e2a_core.store.jobs import Job
from e2a_core.store.statement import first, sql
from tests.support.clock import ManualClock
from tests.support.deployment import insert_message, make_agent

pytestmark = pytest.mark.anyio

BOT = "bot@agents.localhost"
DAY = 86_400_000_000


async def ids(core: Core, table: str = "messages", column: str = "id") -> set[Any]:
    return {row[column] for row in await core.db.read(sql(f"SELECT {column} FROM {table}"))}


async def found(core: Core) -> int:
    row = first(await core.db.read(sql("SELECT COUNT(*) AS n FROM message_search")))
    return int(row["n"]) if row else 0


async def test_the_trash_is_emptied_after_its_time(core: Core, owner: Principal, clock: ManualClock) -> None:
    await make_agent(core, owner, BOT)
    now = to_micros(clock.now())
    kept = {
        await insert_message(core, owner, BOT, content=b"shared"),
        await insert_message(core, owner, BOT, content=b"fresh", deleted_at=now - 29 * DAY),
    }
    for content in (b"old", b"shared"):
        await insert_message(core, owner, BOT, content=content, deleted_at=now - 31 * DAY)
    assert await purge_trash(core) == 2
    assert await ids(core) == kept
    assert await ids(core, "raw_messages", "data") == {b"shared", b"fresh"}
    assert await found(core) == 2
    assert await purge_trash(core) == 0


async def test_links_and_sessions_go_a_week_after_their_end(
    core: Core, owner: Principal, clock: ManualClock
) -> None:
    link = await mint_link(core, owner.account_id)
    await redeem(core, link.partition("t=")[2], "Browser/1")
    clock.advance(days=8)
    await mint_link(core, owner.account_id)
    assert await purge_sign_ins(core) == 1
    assert (len(await ids(core, "sign_in_links", "token_hash")), len(await ids(core, "sessions"))) == (1, 1)
    clock.advance(days=14)
    assert await purge_sign_ins(core) == 2
    assert (await ids(core, "sessions"), len(await ids(core, "people"))) == (set(), 1)


async def test_events_go_after_a_month(core: Core, owner: Principal, clock: ManualClock) -> None:
    now = to_micros(clock.now())
    for age in (40, 31, 29, 0):
        await core.db.write(
            append(
                id=f"evt_{age}",
                account_id=owner.account_id,
                type="email.sent",
                data={},
                created_at=from_micros(now - age * DAY),
            )
        )
    assert await purge_events(core) == 2
    assert await ids(core, "events") == {"evt_29", "evt_0"}


async def test_content_is_kept_unless_its_age_is_limited(
    core: Core, owner: Principal, clock: ManualClock
) -> None:
    await make_agent(core, owner, BOT)
    old = to_micros(clock.now()) - 11 * DAY
    read = await insert_message(core, owner, BOT, content=b"read", created_at=old, subject="S", preview="P")
    rejected = await insert_message(
        core, owner, BOT, direction="outbound", created_at=old, status="review_rejected", draft="{}"
    )
    for members in (
        {"status": "pending_review"},
        {"delivery_status": "accepted"},
        {"created_at": old + 2 * DAY},
    ):
        content = repr(members).encode()
        await insert_message(core, owner, BOT, content=content, **{"created_at": old, **members})
    assert await purge_content(core) == 0
    limited = replace(core, settings=replace(core.settings, message_retention_days=10))
    assert await purge_content(limited) == 2
    rows = await core.db.read(sql("SELECT * FROM messages WHERE content_hash IS NULL AND draft IS NULL"))
    assert {row["id"] for row in rows} == {read, rejected}
    [row] = [item for item in rows if item["id"] == read]
    assert (row["subject"], row["preview"], row["size_bytes"]) == ("S", "", 0)
    assert b"read" not in await ids(core, "raw_messages", "data")
    assert len(await ids(core, "raw_messages", "data")) == 3
    assert await found(core) == 5
    assert await purge_content(limited) == 0


async def test_content_of_no_message_goes(core: Core, owner: Principal, clock: ManualClock) -> None:
    await make_agent(core, owner, BOT)
    message = await insert_message(core, owner, BOT, content=b"orphan")
    await insert_message(core, owner, BOT, content=b"needed")
    await core.db.write([sql("UPDATE messages SET content_hash = NULL WHERE id = :id", id=message)])
    assert await purge_orphans(core) == 0
    clock.advance(hours=2)
    assert await purge_orphans(core) == 1
    assert await ids(core, "raw_messages", "data") == {b"needed"}


async def test_a_failing_step_does_not_keep_the_others(
    core: Core, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    done: list[str] = []

    async def fails(core: Core) -> int:
        raise StoreUnavailable("gone")

    async def works(core: Core) -> int:
        done.append("worked")
        return 1

    monkeypatch.setattr(retention, "_STEPS", {"one": fails, "two": works})
    now = core.clock.now()
    with caplog.at_level(logging.ERROR):
        await retention.Retention(core)(Job("job_1", "retention", {}, 1, "lease", now, now))
    assert done == ["worked"]
    assert "retention of one failed" in caplog.text
