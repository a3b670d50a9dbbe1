"""An account session without an inbox of its own, as an account key gives over HTTP."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from e2a_core.clock import SystemClock
from e2a_core.ids import Ids
from e2a_mcp.metrics import Metrics
from e2a_mcp.server import build_server
from e2a_mcp.tool import Services
from mcp import Client

from .memory import ACCOUNT_KEY, MemoryEngine


@asynccontextmanager
async def account_client(engine: MemoryEngine) -> AsyncIterator[Client]:
    session = await engine.session(ACCOUNT_KEY)

    async def sessions(_: Any) -> Any:
        return session

    server = build_server("account", sessions, Services(SystemClock(), Ids()), Metrics())
    async with Client(server, mode="2026-07-28") as client:
        yield client
