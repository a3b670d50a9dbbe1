"""Databases for a home."""

from __future__ import annotations

from tests.support.databases import database_kind, database_url, postgresql_server

__all__ = ["database_kind", "database_url", "postgresql_server"]
