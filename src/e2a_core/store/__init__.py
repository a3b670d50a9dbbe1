"""The store: one `Database` contract over SQLite and PostgreSQL, with the event log and the job queue on top.

Importing this package loads no database driver; `open_database` (module `open`) picks one by URL.
"""

from __future__ import annotations

from e2a_core.store.database import Database, Transaction
from e2a_core.store.errors import (
    ConstraintViolation,
    ForeignKeyViolation,
    StoreError,
    UniqueViolation,
    UnstorableValue,
)
from e2a_core.store.statement import (
    Dialect,
    Record,
    Result,
    Row,
    StaleWrite,
    Statement,
    first,
    sql,
)

__all__ = [
    "ConstraintViolation",
    "Database",
    "Dialect",
    "ForeignKeyViolation",
    "Record",
    "Result",
    "Row",
    "StaleWrite",
    "Statement",
    "StoreError",
    "Transaction",
    "UniqueViolation",
    "UnstorableValue",
    "first",
    "sql",
]
