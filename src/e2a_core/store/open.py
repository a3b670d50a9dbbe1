"""Open the database a URL names and bring its schema up to date."""

from __future__ import annotations

import logging
from pathlib import Path
from urllib.parse import unquote

from e2a_core.clock import Clock
from e2a_core.errors import SettingsError, StoreUnavailable
from e2a_core.store.database import Database
from e2a_core.store.migrate import MigrationMode, migrate
from e2a_core.store.private import FILE_MODE, create_private_file, make_private

__all__ = ["open_database", "sqlite_path"]

_EXPECTED = (
    "E2A_DATABASE_URL must be sqlite:///relative/path.db, sqlite:////absolute/path.db"
    " or postgresql://user:password@host:port/database"
)
_SQLITE = "sqlite:///"
_BESIDE = ("-wal", "-shm", "-journal")

_log = logging.getLogger(__name__)


async def open_database(url: str, *, migration_mode: MigrationMode = "auto", clock: Clock) -> Database:
    """Connect and migrate.

    Raises `SettingsError` for a URL or a schema that cannot be used, `StoreUnavailable` when the database does not
    answer.
    """
    database = await _connect(url)
    try:
        await migrate(database, mode=migration_mode, clock=clock)
    except BaseException:
        await database.close()
        raise
    return database


def sqlite_path(url: str) -> Path:
    """The file an `sqlite:` URL names: what follows the third slash, percent-decoded."""
    encoded = url[len(_SQLITE) :] if url.lower().startswith(_SQLITE) else ""
    path = unquote(encoded)
    if not path or "\0" in path:
        raise SettingsError(f"{_EXPECTED}; this sqlite URL names no file")
    if path == ":memory:":
        raise SettingsError(f"{_EXPECTED}; a database in memory would lose mail that was acknowledged")
    if "?" in encoded or "#" in encoded:
        raise SettingsError(f"{_EXPECTED}; write ? and # of a file name as %3F and %23")
    return Path(path)


def _keep_private(path: Path) -> list[str]:
    """SQLite gives the files beside the database its mode, but leaves those of an earlier run as they are."""
    try:
        create_private_file(path)
    except OSError as problem:
        raise StoreUnavailable(f"cannot open the database {path}: {problem}") from problem
    files = (path, *(path.with_name(path.name + ending) for ending in _BESIDE))
    return [line for file in files for line in make_private(file, FILE_MODE)]


async def _connect(url: str) -> Database:
    # The drivers are imported here: a process on SQLite must not pay for the other, nor need it installed.
    scheme, colon, _ = url.lower().partition(":")
    if scheme == "sqlite":
        from e2a_core.store.sqlite.database import SqliteDatabase

        path = sqlite_path(url)
        if not path.absolute().parent.is_dir():
            raise SettingsError(f"{_EXPECTED}; the folder {path.absolute().parent} does not exist")
        repaired = _keep_private(path)
        database = await SqliteDatabase.open(path)
        for line in repaired:
            _log.warning("%s", line)
        return database
    if scheme in ("postgresql", "postgres"):
        try:
            from e2a_core.store.postgresql.database import PostgresqlDatabase
        except ImportError as error:
            raise SettingsError(
                "E2A_DATABASE_URL names PostgreSQL, whose driver is not installed:"
                " pip install 'e2a-mcp[postgresql]'"
            ) from error
        return await PostgresqlDatabase.open(url)
    raise SettingsError(f"{_EXPECTED}; it names {f'the kind {scheme!r}' if colon else 'no kind'} of database")
