"""Real databases for tests: a SQLite file each, or a database each on the PostgreSQL server of the test run.

`database` is open and migrated, and runs the test once per kind.
"""

from __future__ import annotations

import itertools
import shutil
from collections.abc import AsyncIterator
from pathlib import Path

import anyio
import asyncpg
import pytest

from e2a_core.clock import SystemClock
from e2a_core.store.database import Database
from e2a_core.store.open import open_database
from tests.support.postgresql import url_of_kept_server

__all__ = [
    "KEEPER",
    "PostgresqlServer",
    "database",
    "database_kind",
    "database_url",
    "empty_database_url",
    "postgresql_server",
]

KEEPER = pytest.StashKey[str]()
"""Where the server of the run is asked for."""

_DISCONNECT_OTHERS = """
    SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity
    WHERE datname = current_database() AND pid <> pg_backend_pid()
"""
_EMPTY = """
    DO $$
    DECLARE name TEXT;
    BEGIN
        SET LOCAL session_replication_role = replica;
        FOR name IN SELECT tablename FROM pg_tables WHERE schemaname = 'public' AND tablename <> 'schema_migrations'
        LOOP EXECUTE format('DELETE FROM %I', name); END LOOP;
        FOR name IN SELECT sequencename FROM pg_sequences WHERE schemaname = 'public'
        LOOP EXECUTE format('ALTER SEQUENCE %I RESTART', name); END LOOP;
    END $$
"""


class PostgresqlServer:
    """The databases of one process on the server of the run.

    Databases with the schema are emptied and used again: making one takes a third of a second. A test that changes
    the schema itself asks for an empty one.
    """

    def __init__(self, url: str, process: str) -> None:
        self._url = url
        self._process = process
        self._numbers = itertools.count(1)
        self._migrated: list[str] = []
        self._is_tuned = False

    async def create(self) -> str:
        """The URL of a new database without schema."""
        if not self._is_tuned:  # tests kill clients, never the machine
            await self._run("postgres", "ALTER SYSTEM SET fsync = off")
            await self._run("postgres", "ALTER SYSTEM SET full_page_writes = off")
            await self._run("postgres", "SELECT pg_reload_conf()")
            self._is_tuned = True
        name = f"test_{self._process}_{next(self._numbers)}"
        await self._run("postgres", f"CREATE DATABASE {name} TEMPLATE template0")
        return self._url_of(name)

    async def lend(self) -> str:
        """The URL of a database with the current schema and no rows; `take_back` makes it usable again."""
        if self._migrated:
            return self._migrated.pop()
        url = await self.create()
        await (await open_database(url, clock=SystemClock())).close()
        return url

    async def take_back(self, url: str) -> None:
        name = _name(url)
        await self._run(name, _DISCONNECT_OTHERS)
        await self._run(name, _EMPTY)
        self._migrated.append(url)

    async def drop(self, url: str) -> None:
        await self._run("postgres", f"DROP DATABASE {_name(url)} WITH (FORCE)")

    async def _run(self, database: str, command: str) -> None:
        connection = await asyncpg.connect(self._url_of(database))
        try:
            await connection.execute(command)
        finally:
            await connection.close()

    def _url_of(self, database: str) -> str:
        return self._url.replace("/postgres?", f"/{database}?")


def _name(url: str) -> str:
    return url.partition("?")[0].rpartition("/")[2]


@pytest.fixture(scope="session")
def postgresql_server(request: pytest.FixtureRequest, worker_id: str) -> PostgresqlServer:
    return PostgresqlServer(url_of_kept_server(request.config.stash[KEEPER]), worker_id)


@pytest.fixture(params=["sqlite", "postgresql"])
def database_kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
async def empty_database_url(
    database_kind: str, tmp_path: Path, request: pytest.FixtureRequest
) -> AsyncIterator[str]:
    """The URL of a database without any schema."""
    if database_kind == "sqlite":
        yield f"sqlite:///{tmp_path / 'e2a.db'}"
        return
    server: PostgresqlServer = request.getfixturevalue("postgresql_server")
    url = await server.create()
    yield url
    await server.drop(url)


@pytest.fixture
async def database_url(
    database_kind: str,
    tmp_path: Path,
    request: pytest.FixtureRequest,
    tmp_path_factory: pytest.TempPathFactory,
) -> AsyncIterator[str]:
    """The URL of a database with the current schema, which other processes may open too."""
    if database_kind == "sqlite":
        template = tmp_path_factory.getbasetemp() / "template.db"
        if not template.exists():
            await (await open_database(f"sqlite:///{template}", clock=SystemClock())).close()
        shutil.copy(template, tmp_path / "e2a.db")
        yield f"sqlite:///{tmp_path / 'e2a.db'}"
        return
    server: PostgresqlServer = request.getfixturevalue("postgresql_server")
    url = await server.lend()
    yield url
    await server.take_back(url)


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    opened = await open_database(database_url, clock=SystemClock())
    yield opened
    with anyio.CancelScope(shield=True):
        await opened.close()
