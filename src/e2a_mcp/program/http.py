"""`e2a-mcp --http`: serves the application on a listener of its own."""

from __future__ import annotations

import asyncio
import signal
import sys
from dataclasses import replace

from e2a_core.http.connections import ConnectionLimits
from e2a_core.http.listener import HttpListener
from e2a_core.settings import ListenAddress, Settings
from e2a_mcp.engines import EngineOpener
from e2a_mcp.program.application import mcp_application
from e2a_mcp.program.descriptors import fitted
from e2a_mcp.program.metrics import ProcessMetrics

__all__ = ["serve_http"]

DRAIN_SECONDS = 10
"""How long requests in progress may take once the process is asked to stop."""


async def serve_http(settings: Settings, listen: ListenAddress, opener: EngineOpener) -> None:
    """Serves until a signal asks to stop, then closes the engine.

    Writes its URL to standard error, since port 0 picks a free port. Raises OSError when the address is in use.
    """
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    settings = fitted(settings)
    limits = ConnectionLimits(settings.http_max_connections, settings.http_max_connections_per_address)
    engine = await opener(settings)
    try:
        metrics = ProcessMetrics()
        app = mcp_application(engine, replace(settings, http_listen=listen), metrics)
        listener = HttpListener(app, listen, settings.http_trusted_proxies, limits)
        metrics.watch_http(lambda: listener.connections)
        await listener.start()
        try:
            sys.stderr.write(f"e2a-mcp: {listener.url}/mcp\n")
            sys.stderr.flush()
            await stop.wait()
        finally:
            await listener.stop(DRAIN_SECONDS)
    finally:
        await engine.close()
