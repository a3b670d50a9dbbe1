"""`e2a doctor` reads a store of either kind while its deployment runs, and one that has no schema yet."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest

from e2a_core.clock import SystemClock
from e2a_core.settings import Settings, load_settings
from e2a_core.store.database import Database
from e2a_core.store.statement import sql
from e2a_mcp.program.doctor.finding import Finding
from e2a_mcp.program.doctor.store import check_store
from tests.support.dns import DnsServer
from tests.support.home import ASSISTANT, SHARED, Keys, open_home_for_test
from tests.support.listening import vacant_port

pytestmark = pytest.mark.anyio


def settings_of(folder: Path, url: str, **given: str) -> Settings:
    return load_settings(
        {"E2A_HOME": str(folder), "E2A_DATABASE_URL": url, "E2A_SHARED_DOMAIN": SHARED, **given}
    )


def codes(found: list[Finding]) -> Mapping[str, tuple[str, str]]:
    return {finding.id: (finding.status.value, finding.reason_code) for finding in found}


async def test_a_store_in_use(tmp_path: Path, database_url: str, dns: DnsServer, keys: Keys) -> None:
    settings = settings_of(tmp_path, database_url)
    async with open_home_for_test(tmp_path, database_url, dns, keys) as home:
        await home.deliver()
        rows = await contents(home.local.core.db)
        found, facts = await check_store(settings, SystemClock())
        assert await contents(home.local.core.db) == rows
        _, other = await check_store(settings, SystemClock(), "nobody@agents.example")
    assert codes(found)["store.integrity"] == codes(found)["store.migrations"] == ("pass", "ok")
    assert facts is not None
    assert other is not None
    assert [(stored.row.domain, len(stored.keys)) for stored in facts.domains] == [(SHARED, 1)]
    assert (facts.inbox, other.inbox) == (ASSISTANT, "")
    assert facts.newest > 0


async def contents(db: Database) -> list[int]:
    tables = ("messages", "events", "domains", "dkim_keys", "accounts", "agents", "schema_migrations")
    return [(await db.read(sql(f"SELECT COUNT(*) AS n FROM {table}")))[0]["n"] for table in tables]


async def test_a_store_without_a_schema(tmp_path: Path, empty_database_url: str) -> None:
    found, facts = await check_store(settings_of(tmp_path, empty_database_url), SystemClock())
    assert facts is None
    expected = {"store.migrations": ("warn", "migrations_pending")}
    if empty_database_url.startswith("sqlite"):
        expected = {"store.integrity": ("skip", "not_started")}
    assert expected.items() <= codes(found).items()


async def test_a_server_that_does_not_answer(tmp_path: Path) -> None:
    with vacant_port() as port:
        settings = settings_of(tmp_path, f"postgresql://e2a:my-password@127.0.0.1:{port}/e2a")
        [finding], facts = await check_store(settings, SystemClock())
    assert (finding.reason_code, finding.cause, facts) == ("connection_failed", "transient", None)
    assert "my-password" not in str(finding.as_json())
