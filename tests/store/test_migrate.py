"""Migrations: applied once whoever starts, checked, and refused with a way out where they do not fit."""

from __future__ import annotations

import asyncio
import re
import sys
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import anyio
import pytest

from e2a_core.clock import SystemClock
from e2a_core.errors import SettingsError
from e2a_core.store import Database, sql
from e2a_core.store.migrate import Migration, MigrationMode, load_migrations, migrate, statements_of
from e2a_core.store.open import open_database

pytestmark = pytest.mark.anyio

CLOCK = SystemClock()
FIRST = Migration(
    1,
    "first",
    "-- A comment; with a semicolon.\n"
    "CREATE TABLE things (id {serial}, data {blob}, text TEXT NOT NULL DEFAULT '{}'); -- trailing\n"
    "-- only sqlite\nCREATE TRIGGER counted AFTER INSERT ON things BEGIN\n"
    "  UPDATE things SET text = 'sqlite; really' WHERE id = new.id;\n  SELECT 1;\nEND;\n-- end\n"
    "-- only postgresql\nALTER TABLE things ALTER COLUMN text SET DEFAULT 'postgresql';\n-- end\n",
)
SECOND = Migration(2, "second", "ALTER TABLE things ADD COLUMN more TEXT;\n")


@pytest.fixture
async def empty(empty_database_url: str) -> AsyncIterator[Database]:
    database = await open_database(empty_database_url, migration_mode="skip", clock=CLOCK)
    yield database
    await database.close()


async def apply(database: Database, *migrations: Migration, mode: MigrationMode = "auto") -> None:
    await migrate(database, mode=mode, clock=CLOCK, migrations=migrations)


async def versions(database: Database) -> list[int]:
    return [
        row["version"] for row in await database.read(sql("SELECT version FROM schema_migrations ORDER BY 1"))
    ]


async def test_placeholders_and_blocks_follow_the_database(empty: Database) -> None:
    await apply(empty, FIRST)
    await empty.write([sql("INSERT INTO things (data) VALUES (:data)", data=b"\0\xff")])
    [row] = await empty.read(sql("SELECT * FROM things"))
    expected = "sqlite; really" if empty.dialect == "sqlite" else "postgresql"
    assert row == {"id": 1, "data": b"\0\xff", "text": expected}


async def test_pending_migrations_are_added_in_order(empty: Database) -> None:
    await apply(empty, FIRST)
    await apply(empty, FIRST, SECOND)
    await apply(empty, FIRST, SECOND)
    assert await versions(empty) == [1, 2]


async def test_a_failing_migration_leaves_no_trace(empty: Database) -> None:
    await apply(empty, FIRST)
    broken = replace(SECOND, script=SECOND.script + "ALTER TABLE absent ADD COLUMN x TEXT;\n")
    with pytest.raises(Exception, match="absent"):
        await apply(empty, FIRST, broken)
    assert await versions(empty) == [1]
    await apply(empty, FIRST, SECOND)
    assert await versions(empty) == [1, 2]


async def test_verify_refuses_what_is_pending_and_changes_nothing(empty: Database) -> None:
    with pytest.raises(SettingsError, match=r"0001_first.*E2A_MIGRATION_MODE=auto"):
        await apply(empty, FIRST, mode="verify")
    await apply(empty, FIRST)
    await apply(empty, FIRST, mode="verify")
    with pytest.raises(SettingsError, match="0002_second"):
        await apply(empty, FIRST, SECOND, mode="verify")
    assert await versions(empty) == [1]


@pytest.mark.parametrize("mode", ["auto", "verify"])
async def test_a_changed_migration_is_refused(empty: Database, mode: MigrationMode) -> None:
    await apply(empty, FIRST)
    changed = replace(FIRST, script=FIRST.script + "\n")
    with pytest.raises(SettingsError, match="0001_first differs"):
        await apply(empty, changed, SECOND, mode=mode)
    await apply(empty, changed, mode="skip")


@pytest.mark.parametrize("mode", ["auto", "verify"])
async def test_a_newer_database_is_refused(empty: Database, mode: MigrationMode) -> None:
    await apply(empty, FIRST, SECOND)
    with pytest.raises(SettingsError, match=r"newer release.*0002_second"):
        await apply(empty, FIRST, mode=mode)


OPENER = """
import asyncio, sys
from e2a_core.clock import SystemClock
from e2a_core.store.open import open_database
async def main(url):
    database = await open_database(url, clock=SystemClock())
    await database.close()
asyncio.run(main(sys.argv[1]))
"""


async def test_processes_that_start_together_migrate_once(empty_database_url: str) -> None:
    processes = [
        await asyncio.create_subprocess_exec(sys.executable, "-c", OPENER, empty_database_url)
        for _ in range(4)
    ]
    with anyio.fail_after(60):
        assert [await process.wait() for process in processes] == [0, 0, 0, 0]
    database = await open_database(empty_database_url, migration_mode="verify", clock=CLOCK)
    assert await versions(database) == [migration.version for migration in load_migrations()]
    await database.close()


async def test_a_crash_of_one_process_does_not_block_the_next(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'e2a.db'}"
    crash = OPENER.replace("    await database.close()", "    import os; os._exit(9)")
    process = await asyncio.create_subprocess_exec(sys.executable, "-c", crash, url)
    with anyio.fail_after(30):
        assert await process.wait() == 9
    database = await open_database(url, migration_mode="verify", clock=CLOCK)
    await database.close()


def test_the_packaged_migrations_are_numbered_without_gaps() -> None:
    migrations = load_migrations()
    assert [migration.version for migration in migrations] == list(range(1, len(migrations) + 1))
    for migration in migrations:
        for dialect in ("sqlite", "postgresql"):
            for statement in statements_of(migration, dialect):
                assert not re.search(r"\{(serial|blob)\}", statement.sqlite)


def test_every_migration_has_a_number_of_its_own() -> None:
    versions = [migration.version for migration in load_migrations()]
    assert versions == list(range(1, len(versions) + 1))


def test_a_last_statement_without_end_is_refused() -> None:
    migration = Migration(3, "third", "ALTER TABLE things ADD COLUMN more TEXT; -- why\n")
    with pytest.raises(ValueError, match="0003_third"):
        statements_of(migration, "postgresql")


def test_no_two_migrations_have_one_number() -> None:
    versions = [migration.version for migration in load_migrations()]
    assert versions == list(range(1, len(versions) + 1))
