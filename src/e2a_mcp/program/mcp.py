"""`e2a-mcp`: the mailbox as an MCP server over stdio, or over HTTP with `--http`.

Standard output carries only the protocol; everything for people goes to standard error.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from functools import partial

import anyio

from e2a_core.errors import E2AError, SettingsError
from e2a_core.setting_kinds import listen
from e2a_core.settings import ListenAddress, Settings, load_settings
from e2a_mcp.program.engines import open_engine
from e2a_mcp.program.loading import loading
from e2a_mcp.program.logging import configure_logging
from e2a_mcp.version import VERSION

__all__ = ["main"]

EXIT_FAILED = 1
EXIT_SETTINGS = 2

_EXPECTED = (SettingsError, E2AError, OSError)


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command and returns the exit status: 2 for an invalid setting, 1 for a start that failed."""
    options = _parser().parse_args(arguments)
    try:
        settings = load_settings()
        if options.channel:
            from e2a_mcp.channel.channel import require_owners_outside

            require_owners_outside(settings)
    except SettingsError as problem:
        return _fail(EXIT_SETTINGS, problem)
    configure_logging(settings.log_level)
    try:
        return _serve(settings, options.http, with_channel=options.channel)
    except _EXPECTED as problem:
        return _fail(EXIT_FAILED, problem)
    except BaseExceptionGroup as group:
        expected, rest = group.split(_EXPECTED)
        if expected is None or rest is not None:
            raise
        return _fail(EXIT_FAILED, _first(expected))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="e2a-mcp",
        description="An agent's mailbox as an MCP server: over stdio, or over HTTP with --http.",
    )
    transport = parser.add_mutually_exclusive_group()
    transport.add_argument(
        "--channel",
        action="store_true",
        help="be a Claude Code channel too: the owner's mail enters the running session",
    )
    transport.add_argument(
        "--http",
        metavar="HOST:PORT",
        type=_address,
        help="serve streamable HTTP at /mcp instead of stdio; port 0 picks a free one",
    )
    parser.add_argument("--version", action="version", version=f"e2a-mcp {VERSION}")
    return parser


def _address(text: str) -> ListenAddress:
    try:
        return listen(text)
    except ValueError as problem:
        raise argparse.ArgumentTypeError(f"must be {problem}") from None


def _serve(settings: Settings, listen: ListenAddress | None, *, with_channel: bool) -> int:
    # Imports only the transport in use: the libraries of the other would slow the start.
    if listen is None:
        with loading():
            from e2a_mcp.stdio import serve_stdio

        served = anyio.run(partial(serve_stdio, settings, open_engine, with_channel=with_channel))
        return 0 if served else EXIT_FAILED
    with loading():
        from e2a_mcp.program.http import serve_http

    anyio.run(serve_http, settings, listen, open_engine)
    return 0


def _first(group: BaseExceptionGroup[BaseException]) -> BaseException:
    problem = group.exceptions[0]
    return _first(problem) if isinstance(problem, BaseExceptionGroup) else problem


def _fail(status: int, problem: BaseException) -> int:
    sys.stderr.write(f"e2a-mcp: {problem}\n")
    return status
