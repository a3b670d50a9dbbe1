"""`e2a serve`: runs a whole home in one process until a signal asks it to stop."""

from __future__ import annotations

import asyncio
import gc
import ipaddress
import json
import signal
import sys
from typing import Annotated
from urllib.parse import urlsplit

from cyclopts import Parameter

from e2a_core.settings import Settings, load_settings
from e2a_mcp.program.logging import configure_logging

__all__ = ["serve"]

SWITCH_SECONDS = 0.001
"""The interpreter's switch interval: threads of the store wait less for the event loop than with the default 5 ms."""
COLLECTION_THRESHOLDS = (5000, 20, 20)
"""Thresholds of the garbage collector: a message makes thousands of objects, nearly all of them short-lived."""


def serve(
    *,
    print_run: Annotated[
        bool, Parameter(help="Print the addresses as one JSON line once they are open.")
    ] = False,
) -> int:
    """Run the relay, the MCP endpoint and the health checks until a signal asks it to stop."""
    settings = load_settings()
    configure_logging(settings.log_level)
    asyncio.run(_serve(settings, print_run=print_run))
    return 0


async def _serve(settings: Settings, *, print_run: bool) -> None:
    from e2a_core.local.run_file import read_run_file
    from e2a_mcp.program.home import open_home_engine
    from e2a_mcp.program.sign_in import owner_link

    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    engine = await open_home_engine(settings, strict=True)
    try:
        leading = asyncio.ensure_future(engine.wait_until_leading())
        stopping = asyncio.ensure_future(stop.wait())
        await asyncio.wait([leading, stopping], timeout=1, return_when=asyncio.FIRST_COMPLETED)
        if not leading.done() and not engine.holds_lease:
            sys.stderr.write("e2a: another process runs this home; this one takes over when it ends\n")
        await asyncio.wait([leading, stopping], return_when=asyncio.FIRST_COMPLETED)
        if leading.done():
            await leading
            addresses = read_run_file(settings.home) or {}
            sys.stderr.write(f"e2a: smtp {addresses.get('smtp')}  http {addresses.get('http')}\n")
            if settings.sandbox:
                sys.stderr.write("e2a: sandbox: mail to other hosts is captured and not sent\n")
            links = settings.public_url or str(addresses.get("http"))
            if not settings.sandbox and _is_local(links):
                sys.stderr.write(
                    f"e2a: links in mail begin with {links}, which opens only on this machine: "
                    "set E2A_PUBLIC_URL\n"
                )
            if sys.stderr.isatty():
                # Into a log the link would be a credential for whoever reads it.
                link = await owner_link(engine.core)
                sys.stderr.write(f"e2a: open {link} (signs in once, within 15 minutes)\n")
            else:
                sys.stderr.write("e2a: `e2a open` opens the dashboard\n")
            if print_run:
                sys.stdout.write(json.dumps(addresses) + "\n")
                sys.stdout.flush()
            _settle_in()
            await stopping
        leading.cancel()
    finally:
        await engine.close()


def _is_local(url: str) -> bool:
    """Returns True if a URL leads others to their own machine, or nowhere."""
    host = urlsplit(url).hostname or ""
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")
    return address.is_loopback or address.is_unspecified


def _settle_in() -> None:
    """Tunes the interpreter for a long run under load; objects made so far are exempt from garbage collection."""
    sys.setswitchinterval(SWITCH_SECONDS)
    gc.collect()
    gc.freeze()
    gc.set_threshold(*COLLECTION_THRESHOLDS)
