"""What asyncpg raises, as the errors of this package and of the program."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager

import asyncpg

from e2a_core.errors import StoreUnavailable
from e2a_core.store.errors import (
    ConstraintViolation,
    ForeignKeyViolation,
    StoreError,
    UniqueViolation,
    UnstorableValue,
)

__all__ = ["translated_errors"]

_UNAVAILABLE_CLASSES = ("08", "40", "53", "55", "57", "58", "XX")
"""SQLSTATE classes: connection, rolled back by the server, resources, lock, operator, system, internal error."""

_UNSTORABLE = ("22000", "22003", "22021", "22P05")
"""SQLSTATE: what the driver itself cannot encode, a number out of range, NUL, a character the encoding lacks."""

_KEY_COLUMNS = re.compile(r"\((.*?)\)=\(")


@contextmanager
def translated_errors() -> Iterator[None]:
    """Raise what the contract promises in place of what the driver raises."""
    try:
        yield
    except asyncpg.PostgresError as error:
        translated = _translate(error)
        if translated is None:
            raise
        raise translated from error
    except asyncpg.InterfaceError as error:
        if isinstance(error, ValueError):  # a parameter that cannot be encoded
            raise UnstorableValue from error
        raise StoreUnavailable(f"the database did not answer: {error}") from error
    except (OSError, TimeoutError, asyncpg.InternalClientError) as error:
        # The driver calls its own state broken when it is used just as the server ends the connection.
        raise StoreUnavailable(f"the database did not answer: {error or 'timed out'}") from error


def _translate(error: asyncpg.PostgresError) -> StoreError | StoreUnavailable | None:
    state = error.sqlstate or ""
    if isinstance(error, asyncpg.UniqueViolationError):
        return UniqueViolation(_key(error))
    if isinstance(error, asyncpg.ForeignKeyViolationError):
        return ForeignKeyViolation(error.constraint_name or "")
    if isinstance(error, asyncpg.NotNullViolationError):
        return ConstraintViolation(f"{error.table_name}.{error.column_name}")
    if isinstance(error, asyncpg.IntegrityConstraintViolationError):
        return ConstraintViolation(error.constraint_name or "")
    if state in _UNSTORABLE:
        return UnstorableValue()
    if state.startswith(_UNAVAILABLE_CLASSES):
        return StoreUnavailable(f"the database did not answer: {error}")
    return None


def _key(error: asyncpg.UniqueViolationError) -> str:
    """The key as SQLite spells it, `table.column, table.column`, read from `Key (a, b)=(1, 2) already exists`."""
    columns = _KEY_COLUMNS.search(error.detail or "")
    if columns is None:
        return error.constraint_name or ""
    return ", ".join(f"{error.table_name}.{column.strip()}" for column in columns[1].split(","))
