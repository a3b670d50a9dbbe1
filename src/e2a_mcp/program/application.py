"""`/mcp` and the probes, as routes for the application of a home or as an application of their own."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from starlette.applications import Starlette
from starlette.routing import Route
from starlette.types import ASGIApp

from e2a_core.clock import SystemClock
from e2a_core.contract.engine import Engine
from e2a_core.errors import NotFound, Unauthorized, Unavailable
from e2a_core.http.edge import Edge
from e2a_core.ids import Ids
from e2a_core.settings import Settings
from e2a_mcp.asgi import rpc_refusal
from e2a_mcp.http import McpApp, mcp_app
from e2a_mcp.program.metrics import ProcessMetrics
from e2a_mcp.program.probes import probe_routes

__all__ = ["mcp_application", "mcp_routes"]

REMOTE_FRESH_SECONDS = 5.0
"""Checking the credential of each request at another deployment would double its load and the caller's wait."""


def mcp_application(engine: Engine, settings: Settings, metrics: ProcessMetrics | None = None) -> ASGIApp:
    """Returns an application with `/mcp` and the probes, behind the common HTTP edge."""
    metrics = metrics or ProcessMetrics()
    fresh_seconds = REMOTE_FRESH_SECONDS if settings.remote else 0
    mcp, routes = mcp_routes(engine, settings, metrics, fresh_seconds=fresh_seconds)

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        async with mcp.run():
            yield

    return Edge(
        Starlette(routes=routes, lifespan=lifespan),
        clock=SystemClock(),
        ids=Ids(),
        max_in_flight=settings.http_max_in_flight,
        refusals={"/mcp": rpc_refusal},
        observer=metrics,
    )


def mcp_routes(
    engine: Engine, settings: Settings, metrics: ProcessMetrics, *, fresh_seconds: float = 0
) -> tuple[McpApp, list[Route]]:
    """Returns the MCP application, whose `run` must be entered to serve, and its routes with those of the probes."""
    clock = SystemClock()
    # On PostgreSQL the next request may reach another replica, which does not know the session.
    replicas = settings.effective_database_url.startswith("postgres")
    mcp = mcp_app(
        engine, settings, clock=clock, observer=metrics, sessions=not replicas, fresh_seconds=fresh_seconds
    )

    async def check() -> None:
        try:
            await engine.home_session(scope="account")
        except (NotFound, Unauthorized):
            # Any answer shows that the engine works.
            return

    async def check_mcp() -> None:
        if not mcp.serving:
            raise Unavailable("the MCP application is not running")

    checks = {"engine": check, "mcp": check_mcp}
    return mcp, [Route("/mcp", mcp), Route("/mcp/", mcp), *probe_routes(metrics, checks, clock)]
