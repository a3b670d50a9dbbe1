"""SQLite as it is used here: opening a connection, running statements, committing a group of writes.

Everything here is synchronous and knows no event loop; `sqlite` decides which thread runs it.
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from e2a_core.errors import StoreUnavailable
from e2a_core.store.errors import (
    ConstraintViolation,
    ForeignKeyViolation,
    StoreError,
    UniqueViolation,
    UnstorableValue,
)
from e2a_core.store.statement import Record, Result, StaleWrite, Statement, records

__all__ = [
    "Outcome",
    "begin",
    "begin_at_once",
    "commit",
    "commit_group",
    "data_version",
    "open_reader",
    "open_writer",
    "read",
    "require_storable",
    "rollback",
    "run",
    "run_group",
    "unavailable",
]

Outcome = Sequence[Result] | Exception
"""What became of one unit of a group: its results, or why it alone was undone."""

Start = Callable[[sqlite3.Connection], None]
"""How a transaction begins: `begin` or `begin_at_once`."""

_MEBIBYTE = 1024 * 1024
_CACHE_KIBIBYTES = 8 * 1024
_MMAP_BYTES = 128 * _MEBIBYTE
_WAL_KEPT_BYTES = 32 * _MEBIBYTE
_CHECKPOINT_PAGES = 4000  # 16 MiB: a checkpoint syncs the database file, so it should cover many commits

_UNAVAILABLE = frozenset(
    {
        sqlite3.SQLITE_BUSY,
        sqlite3.SQLITE_LOCKED,
        sqlite3.SQLITE_NOMEM,
        sqlite3.SQLITE_READONLY,
        sqlite3.SQLITE_INTERRUPT,
        sqlite3.SQLITE_IOERR,
        sqlite3.SQLITE_CORRUPT,
        sqlite3.SQLITE_FULL,
        sqlite3.SQLITE_CANTOPEN,
        sqlite3.SQLITE_PROTOCOL,
        sqlite3.SQLITE_NOTADB,
    }
)
_UNIQUE = frozenset(
    {
        sqlite3.SQLITE_CONSTRAINT_UNIQUE,
        sqlite3.SQLITE_CONSTRAINT_PRIMARYKEY,
        sqlite3.SQLITE_CONSTRAINT_ROWID,
    }
)


def open_writer(path: Path, busy_seconds: float) -> sqlite3.Connection:
    """A connection that may write, with the database in WAL mode and every commit synced to disk."""
    connection = _connect(path, busy_seconds)
    _enter_wal(connection, busy_seconds)
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute(f"PRAGMA wal_autocheckpoint = {_CHECKPOINT_PAGES}")
    connection.execute(f"PRAGMA journal_size_limit = {_WAL_KEPT_BYTES}")
    connection.execute(
        "PRAGMA secure_delete = ON"
    )  # deleted mail is gone from the file; some builds do it anyway
    return connection


def open_reader(path: Path, busy_seconds: float) -> sqlite3.Connection:
    """A connection that refuses to write; the database must exist."""
    connection = _connect(path, busy_seconds)
    connection.execute("PRAGMA query_only = ON")
    return connection


def read(connection: sqlite3.Connection, statement: Statement) -> list[Record]:
    """All rows of a statement."""
    return records(_run(connection, statement).fetchall())


def run(connection: sqlite3.Connection, statements: Sequence[Statement]) -> list[Result]:
    """Execute statements in the open transaction; raises `StaleWrite` or a translated constraint violation."""
    results = []
    for index, statement in enumerate(statements):
        result = _execute(connection, statement)
        if statement.expect is not None and result.rowcount != statement.expect:
            raise StaleWrite(index, result.rowcount)
        results.append(result)
    return results


def begin(connection: sqlite3.Connection) -> None:
    """Take the write lock at once: a lock taken later could fail after reads the transaction relies on."""
    connection.execute("BEGIN IMMEDIATE")


def begin_at_once(connection: sqlite3.Connection) -> None:
    """As `begin`, but fails where that would wait for another process."""
    (busy_milliseconds,) = connection.execute("PRAGMA busy_timeout").fetchone()
    connection.execute("PRAGMA busy_timeout = 0")
    try:
        begin(connection)
    finally:
        connection.execute(f"PRAGMA busy_timeout = {busy_milliseconds}")


def commit(connection: sqlite3.Connection) -> None:
    """Commit, or undo what could not be committed."""
    try:
        connection.execute("COMMIT")
    except BaseException:
        rollback(connection)
        raise


def rollback(connection: sqlite3.Connection) -> None:
    """Undo the open transaction; SQLite itself may have done so already after a severe error."""
    if connection.in_transaction:
        connection.execute("ROLLBACK")


def commit_group(connection: sqlite3.Connection, units: Sequence[Sequence[Statement]]) -> list[Outcome]:
    """Commit units in one transaction, each kept or undone alone; an exception means that none was kept."""
    outcomes = run_group(connection, units)
    commit(connection)
    return outcomes


def run_group(
    connection: sqlite3.Connection, units: Sequence[Sequence[Statement]], start: Start = begin
) -> list[Outcome]:
    """Run units in a transaction that is left open; an exception means that nothing was kept and none is open."""
    try:
        start(connection)
        return _run_units(connection, units, start)
    except BaseException:
        rollback(connection)
        raise


def run_alone(connection: sqlite3.Connection, statements: Sequence[Statement]) -> Outcome:
    """Run the only statement of a write outside any transaction, with its scratch space on disk.

    It may need as much space as the database has: https://sqlite.org/lang_vacuum.html.
    """
    [statement] = statements
    connection.execute("PRAGMA temp_store = FILE")
    try:
        return [_execute(connection, statement)]
    finally:
        connection.execute("PRAGMA temp_store = MEMORY")


def data_version(connection: sqlite3.Connection) -> int:
    """A number that changes when another connection, of any process, has committed."""
    return int(connection.execute("PRAGMA data_version").fetchone()[0])


def unavailable(error: sqlite3.Error) -> StoreUnavailable | None:
    """The error a caller sees where the database itself is at fault, None where the statement is."""
    code = getattr(error, "sqlite_errorcode", None)
    if code is None or code & 0xFF not in _UNAVAILABLE:
        return None
    return StoreUnavailable(f"the database did not answer: {error}")


def require_storable(statement: Statement) -> None:
    """Raises `UnstorableValue` for NUL: SQLite would take it, and PostgreSQL not, and what one refuses both must."""
    for value in statement.params.values():
        if type(value) is str and "\0" in value:
            raise UnstorableValue


def _connect(path: Path, busy_seconds: float) -> sqlite3.Connection:
    connection = sqlite3.connect(
        path,
        timeout=busy_seconds,
        isolation_level=None,  # transactions are opened here, explicitly, never by the driver
        check_same_thread=False,  # whoever uses it sees to it that nobody else does
    )
    connection.row_factory = sqlite3.Row
    # The built-in knows only ASCII letters, PostgreSQL's all of them.
    connection.create_function("lower", 1, _lower, deterministic=True)
    connection.execute("PRAGMA foreign_keys = ON")
    connection.execute("PRAGMA temp_store = MEMORY")
    connection.execute(f"PRAGMA cache_size = -{_CACHE_KIBIBYTES}")
    connection.execute(f"PRAGMA mmap_size = {_MMAP_BYTES}")
    return connection


def _lower(text: str | None) -> str | None:
    return None if text is None else text.lower()


def _enter_wal(connection: sqlite3.Connection, busy_seconds: float) -> None:
    """Switch to WAL mode; the switch fails at once instead of waiting while another process does the same."""
    deadline = time.monotonic() + busy_seconds
    while True:
        try:
            connection.execute("PRAGMA journal_mode = WAL")
        except sqlite3.OperationalError as error:
            if unavailable(error) is None or time.monotonic() > deadline:
                raise
            time.sleep(0.01)
        else:
            return


def _run_units(
    connection: sqlite3.Connection, units: Sequence[Sequence[Statement]], start: Start
) -> list[Outcome]:
    """Units seldom fail, so they get their savepoints only after one of them did."""
    try:
        return [run(connection, unit) for unit in units]
    except (StoreError, StaleWrite, sqlite3.Error) as error:
        if isinstance(error, sqlite3.Error) and unavailable(error):
            raise
        rollback(connection)
        start(connection)
        return [error] if len(units) == 1 else [_run_isolated(connection, unit) for unit in units]


def _run_isolated(connection: sqlite3.Connection, unit: Sequence[Statement]) -> Outcome:
    connection.execute("SAVEPOINT unit")
    try:
        results = run(connection, unit)
    except (StoreError, StaleWrite, sqlite3.Error) as error:
        if isinstance(error, sqlite3.Error) and unavailable(error):
            raise
        connection.execute("ROLLBACK TO unit")
        connection.execute("RELEASE unit")
        return error
    connection.execute("RELEASE unit")
    return results


def _execute(connection: sqlite3.Connection, statement: Statement) -> Result:
    try:
        cursor = _run(connection, statement)
        if cursor.description is not None:
            rows = records(cursor.fetchall())
            return Result(len(rows), rows)
    except sqlite3.IntegrityError as error:
        raise _violation(error) from error
    if cursor.rowcount < 0 and statement.expect is not None:  # the driver does not count WITH ... UPDATE
        (changes,) = connection.execute("SELECT changes()").fetchone()
        return Result(int(changes))
    return Result(max(cursor.rowcount, 0))


def _run(connection: sqlite3.Connection, statement: Statement) -> sqlite3.Cursor:
    require_storable(statement)
    try:
        return connection.execute(statement.sqlite, statement.params)
    except (UnicodeEncodeError, OverflowError) as error:  # lone surrogates; beyond 64 bits
        raise UnstorableValue from error


def _violation(error: sqlite3.IntegrityError) -> ConstraintViolation:
    constraint = str(error).partition("constraint failed: ")[2]
    if error.sqlite_errorcode in _UNIQUE:
        return UniqueViolation(constraint)
    if error.sqlite_errorcode == sqlite3.SQLITE_CONSTRAINT_FOREIGNKEY:
        return ForeignKeyViolation(constraint)
    return ConstraintViolation(constraint)
