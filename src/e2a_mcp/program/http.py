"""`e2a-mcp --http`: the application behind a listener of its own."""

from __future__ import annotations

import asyncio
import signal
import sys
from dataclasses import replace

from e2a_core.http.listener import HttpListener
from e2a_core.settings import ListenAddress, Settings
from e2a_mcp.engines import EngineOpener
from e2a_mcp.program.application import mcp_application
from e2a_mcp.program.metrics import ProcessMetrics

__all__ = ["serve_http"]

# How long answers under way may take once the process is asked to stop.
DRAIN_SECONDS = 10


async def serve_http(settings: Settings, listen: ListenAddress, opener: EngineOpener) -> None:
    """Serves until a signal asks to stop, then closes the engine.

    Says on standard error where it listens, which with port 0 nobody else knows. Raises OSError when the address
    is taken.
    """
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    engine = await opener(settings)
    try:
        metrics = ProcessMetrics()
        app = mcp_application(engine, replace(settings, http_listen=listen), metrics)
        listener = HttpListener(app, listen, settings.http_trusted_proxies)
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
