"""`e2a-mcp --http`: the application behind a listener of its own."""

from __future__ import annotations

import asyncio
import signal
import sys
from collections.abc import AsyncIterator, Generator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import replace

import uvicorn
from starlette.applications import Starlette
from starlette.routing import Route
from starlette.types import ASGIApp

from e2a_core.clock import SystemClock
from e2a_core.contract.engine import Engine
from e2a_core.errors import NotFound, Unauthorized, Unavailable
from e2a_core.http.edge import Edge
from e2a_core.ids import Ids
from e2a_core.settings import Address, Settings
from e2a_mcp.asgi import rpc_refusal
from e2a_mcp.engines import EngineOpener, open_engine
from e2a_mcp.http import McpApp, mcp_app
from e2a_mcp.metrics import Metrics
from e2a_mcp.operations import operations_routes

__all__ = ["application", "mcp_routes", "serve_http"]

# How long answers under way may take once the process is asked to stop.
DRAIN_SECONDS = 10
# Asking another deployment for each request would double its load and the caller's wait.
REMOTE_FRESH_SECONDS = 5.0


def application(engine: Engine, settings: Settings) -> ASGIApp:
    """`/mcp` with the probes beside it, behind the front door."""
    fresh_seconds = REMOTE_FRESH_SECONDS if settings.remote else 0
    mcp, routes = mcp_routes(engine, settings, Metrics(), fresh_seconds=fresh_seconds)

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
    )


def mcp_routes(
    engine: Engine, settings: Settings, metrics: Metrics, *, fresh_seconds: float = 0
) -> tuple[McpApp, list[Route]]:
    """The MCP application, to be run while it serves, and its routes with those of operations."""
    clock = SystemClock()
    # On PostgreSQL a client's next request may reach another replica, which does not know its session.
    replicas = settings.effective_database_url.startswith("postgres")
    mcp = mcp_app(
        engine, settings, clock=clock, metrics=metrics, sessions=not replicas, fresh_seconds=fresh_seconds
    )

    async def check() -> None:
        try:
            await engine.home_session(scope="account")
        except (NotFound, Unauthorized):
            # It answered.
            return

    async def check_mcp() -> None:
        if not mcp.serving:
            raise Unavailable("the MCP application does not run")

    checks = {"engine": check, "mcp": check_mcp}
    return mcp, [Route("/mcp", mcp), Route("/mcp/", mcp), *operations_routes(metrics, checks, clock)]


async def serve_http(settings: Settings, listen: Address, opener: EngineOpener = open_engine) -> None:
    """Serves until a signal asks to stop, then closes the engine."""
    engine = await opener(settings)
    try:
        app = application(engine, replace(settings, http_listen=listen))
        config = uvicorn.Config(
            app,
            host=listen.host,
            port=listen.port,
            log_config=None,
            access_log=False,
            server_header=False,
            proxy_headers=bool(settings.http_trusted_proxies),
            forwarded_allow_ips=list(settings.http_trusted_proxies),
            timeout_graceful_shutdown=DRAIN_SECONDS,
        )
        await _Announced(config).serve()
    finally:
        await engine.close()


class _Announced(uvicorn.Server):
    """Tells on standard error where it listens, which with port 0 nobody else knows."""

    @contextmanager
    def capture_signals(self) -> Generator[None, None, None]:
        """As uvicorn's, which in the end raises the signal again and so kills the process before the engine closes."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, self.handle_exit, number, None)
        try:
            yield
        finally:
            for number in (signal.SIGINT, signal.SIGTERM):
                loop.remove_signal_handler(number)

    async def startup(self, sockets: list[object] | None = None) -> None:  # type: ignore[override]
        await super().startup(sockets)  # type: ignore[arg-type]
        for server in self.servers:
            for socket in server.sockets:
                host, port = socket.getsockname()[:2]
                sys.stderr.write(f"e2a-mcp: http://{Address(host, port)}/mcp\n")
        sys.stderr.flush()
