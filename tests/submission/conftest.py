"""The databases, and a deployment's parts over each of them."""

from __future__ import annotations

from tests.support.databases import database, database_kind, database_url, postgresql_server
from tests.support.deployment import clock, core, owner

__all__ = ["clock", "core", "database", "database_kind", "database_url", "owner", "postgresql_server"]
