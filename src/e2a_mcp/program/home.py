"""Composes a home: its engine and relay, and the application of its HTTP listener."""

from __future__ import annotations

from typing import TYPE_CHECKING

from e2a_core.local.engine import LocalEngine, open_local_engine
from e2a_core.settings import ListenAddress, Settings
from e2a_mcp.program.descriptors import fitted

if TYPE_CHECKING:
    from starlette.types import ASGIApp

    from e2a_core.http.listener import HttpListener
    from e2a_core.local.services import LocalServices
    from e2a_mcp.program.metrics import ProcessMetrics

__all__ = ["home_application", "home_services", "open_home_engine"]


async def open_home_engine(settings: Settings, *, strict: bool = False) -> LocalEngine:
    """Returns the engine of the home; the process that runs the listeners also serves the application.

    With `strict`, a listener address that is in use is an error. Raises `SettingsError` and `StoreUnavailable`.
    """
    return await open_local_engine(fitted(settings), strict=strict, services=home_services)


def home_services(engine: LocalEngine) -> LocalServices:
    """Returns the relay, the workers and the HTTP listener; imported only in the process that runs them."""
    from e2a_core.http.connections import ConnectionLimits
    from e2a_core.http.listener import HttpListener
    from e2a_core.http.websocket import WEBSOCKET_PATH
    from e2a_core.local.services import LocalServices
    from e2a_mcp.program.metrics import ProcessMetrics

    metrics = ProcessMetrics()
    app = home_application(engine, metrics)
    settings = engine.core.settings
    proxies = settings.http_trusted_proxies
    limits = ConnectionLimits(settings.http_max_connections, settings.http_max_connections_per_address)

    def http(address: ListenAddress) -> HttpListener:
        listener = HttpListener(app, address, proxies, limits, sockets=WEBSOCKET_PATH)
        metrics.watch_http(lambda: listener.connections)
        return listener

    return LocalServices(engine.core, strict=engine.strict, feed=engine.feed, http=http, observer=metrics)


def home_application(engine: LocalEngine, metrics: ProcessMetrics | None = None) -> ASGIApp:
    """Returns the application with the `/v1` API, `/mcp`, the pages, the signed links of mail, and the probes."""
    from e2a_core.http.app import build_api
    from e2a_core.http.links import link_routes
    from e2a_core.http.pages.dashboard import page_routes
    from e2a_core.http.websocket import websocket_routes
    from e2a_mcp.asgi import rpc_refusal
    from e2a_mcp.program.application import mcp_routes
    from e2a_mcp.program.hosts.offered import host_links
    from e2a_mcp.program.metrics import ProcessMetrics

    core = engine.core
    metrics = metrics or ProcessMetrics()
    metrics.watch_home(engine)
    mcp, routes = mcp_routes(engine, core.settings, metrics)
    return build_api(
        engine,
        core.settings,
        clock=core.clock,
        ids=core.ids,
        routes=[
            *routes,
            *link_routes(core),
            *websocket_routes(engine, core, engine.feed, metrics),
            *page_routes(engine, core, host_links(core.settings), metrics),
        ],
        lifespan=mcp.run,
        refusals={"/mcp": rpc_refusal},
        observer=metrics,
    )
