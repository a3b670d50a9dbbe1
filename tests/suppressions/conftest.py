"""The parts of a deployment, and a whole one, over both databases."""

from __future__ import annotations

from tests.engine.conftest import (
    agent,
    dns,
    engine,
    home,
    keys,
    pytest_configure,
    pytest_generate_tests,
    sink,
)
from tests.engine.conftest import owner as owner_session
from tests.support.databases import database, database_kind, database_url, postgresql_server
from tests.support.deployment import clock, core, owner

__all__ = [
    "agent",
    "clock",
    "core",
    "database",
    "database_kind",
    "database_url",
    "dns",
    "engine",
    "home",
    "keys",
    "owner",
    "owner_session",
    "postgresql_server",
    "pytest_configure",
    "pytest_generate_tests",
    "sink",
]
