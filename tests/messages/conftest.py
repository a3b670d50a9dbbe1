"""The databases every message test that needs one runs over."""

from __future__ import annotations

from tests.support.databases import (
    database,
    database_kind,
    database_url,
    empty_database_url,
    postgresql_server,
)

__all__ = ["database", "database_kind", "database_url", "empty_database_url", "postgresql_server"]
