"""The databases every store test runs over."""

from __future__ import annotations

from tests.support.databases import (
    database,
    database_kind,
    database_url,
    empty_database_url,
    postgresql_server,
)

__all__ = ["database", "database_kind", "database_url", "empty_database_url", "postgresql_server"]
