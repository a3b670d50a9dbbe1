"""The parts of a deployment, and a whole one, over both databases."""

from __future__ import annotations

from tests.engine.conftest import agent, engine, home, pytest_generate_tests, sink
from tests.engine.conftest import owner as owner_session
from tests.support.deployment import owner

__all__ = ["agent", "engine", "home", "owner", "owner_session", "pytest_generate_tests", "sink"]
