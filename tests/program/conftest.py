"""A running home, for commands that need a deployment."""

from __future__ import annotations

from tests.engine.conftest import home, sink

__all__ = ["home", "sink"]
