"""A home's own HTTP application: the `/v1` API, `/mcp`, the signed links of its mail, and the routes of operations."""

from __future__ import annotations

from collections.abc import Callable

from starlette.types import ASGIApp

from e2a_core.local.engine import LocalEngine, open_local_engine
from e2a_core.settings import Settings

__all__ = ["home_application", "open_home_engine"]


async def open_home_engine(settings: Settings, *, strict: bool = False) -> LocalEngine:
    """The engine of this home; whichever process runs its listeners serves the application too.

    `strict` makes an address that is taken an error. Raises `SettingsError`.
    """
    return await open_local_engine(settings, strict=strict, http_app=home_application)


def home_application(engine: LocalEngine) -> ASGIApp:
    """Made only in the process that listens: the others need none of what it imports."""
    from e2a_core.http.app import build_api
    from e2a_core.http.links import link_routes
    from e2a_mcp.asgi import rpc_refusal
    from e2a_mcp.listening import mcp_routes
    from e2a_mcp.metrics import Metrics

    metrics = Metrics()
    for name in engine.intake_counters():
        falls = name == "connections_open"
        metrics.read_from(
            f"e2a_smtp_{name}" if falls else f"e2a_smtp_{name}_total",
            "gauge" if falls else "counter",
            f"SMTP intake: {name.replace('_', ' ')}.",
            _reader(engine, name),
        )
    core = engine.core
    mcp, routes = mcp_routes(engine, core.settings, metrics)
    return build_api(
        engine,
        core.settings,
        clock=core.clock,
        ids=core.ids,
        routes=[*routes, *link_routes(core)],
        lifespan=mcp.run,
        refusals={"/mcp": rpc_refusal},
    )


def _reader(engine: LocalEngine, name: str) -> Callable[[], float]:
    return lambda: engine.intake_counters()[name]
