"""What a statement can violate. A database that cannot answer is `e2a_core.errors.StoreUnavailable` instead."""

from __future__ import annotations

from e2a_core.errors import InvalidRequest

__all__ = ["ConstraintViolation", "ForeignKeyViolation", "StoreError", "UniqueViolation", "UnstorableValue"]


class StoreError(Exception):
    """The database refused a statement; nothing of its write was kept."""


class UnstorableValue(StoreError, InvalidRequest):
    """A parameter no database can hold: text with NUL or lone surrogates, an integer beyond 64 bits.

    What mail brings is cleaned when it is parsed, so such a value is one a caller gave; wherever it is met, the
    caller is told.
    """

    def __init__(self) -> None:
        super().__init__("text must not contain NUL or lone surrogates, numbers must fit 64 bits")


class ConstraintViolation(StoreError):
    """A CHECK or NOT NULL constraint, or one of the kinds below.

    `constraint` says which: `table.column, table.column` for UNIQUE and NOT NULL, else what the database names it,
    empty where it does not.
    """

    def __init__(self, constraint: str = "") -> None:
        super().__init__(f"{type(self).__name__}: {constraint or 'unnamed constraint'}")
        self.constraint = constraint


class UniqueViolation(ConstraintViolation):
    """A row with this key exists."""


class ForeignKeyViolation(ConstraintViolation):
    """The row a reference points to does not exist, or a row still referred to was to be removed."""
