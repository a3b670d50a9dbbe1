"""`e2a`: loads the module of the command given, runs it, and reports an error as one line and an exit status.

The module of a command exposes `configure(parser)` and `run(args) -> int`.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from importlib import import_module
from typing import NamedTuple

from e2a_core.errors import E2AError, SettingsError

__all__ = ["COMMANDS", "Command", "main"]

FAILED = 1
MISUSED = 2
INTERRUPTED = 130
"""128 plus the number of SIGINT, as shells report it."""


class Command(NamedTuple):
    """The module of a command and its help text."""

    module: str
    summary: str


COMMANDS = {
    "bootstrap": Command(
        "e2a_mcp.program.bootstrap", "make or find an account and print a new API key for it"
    ),
    "account": Command("e2a_mcp.program.account", "give an account another address"),
    "serve": Command("e2a_mcp.program.serve", "run the relay, the MCP endpoint and the health checks"),
    "listen": Command(
        "e2a_mcp.program.listen.command", "show mail of an inbox as it comes, or hand it to a program"
    ),
    "doctor": Command(
        "e2a_mcp.program.doctor.command", "say what is wrong with a deployment, and what to do about it"
    ),
    "demo": Command("e2a_mcp.program.demo.command", "show the whole round trip in a temporary home"),
}


def main(argv: Sequence[str] | None = None) -> int:
    """Runs one command and returns the exit status.

    0 is done, 1 refused or failed, 2 wrong usage or settings, 130 interrupted.
    """
    arguments = sys.argv[1:] if argv is None else list(argv)
    parser = argparse.ArgumentParser(prog="e2a", description="Authenticated email for AI agents.")
    parser.add_argument("--version", action=_Version, help="show the version and exit")
    verbs = parser.add_subparsers(metavar="COMMAND", required=True)
    for name, command in COMMANDS.items():
        verb = verbs.add_parser(name, help=command.summary, description=_sentence(command.summary))
        # Loads only this module: a short command must not wait for the import of the whole relay.
        if arguments[:1] == [name]:
            module = import_module(command.module)
            module.configure(verb)
            verb.set_defaults(run=module.run)
    args = parser.parse_args(arguments)
    try:
        return int(args.run(args))
    except SettingsError as problem:
        return _fail(str(problem), MISUSED)
    except E2AError as problem:
        return _fail(problem.message, FAILED)
    except KeyboardInterrupt:
        return INTERRUPTED


def _sentence(summary: str) -> str:
    return f"{summary[0].upper()}{summary[1:]}."


class _Version(argparse.Action):
    """`--version`, which reads the package metadata only when it is used."""

    def __init__(self, option_strings: Sequence[str], dest: str, help: str | None = None) -> None:
        super().__init__(option_strings, dest, nargs=0, help=help)

    def __call__(self, parser: argparse.ArgumentParser, *_: object) -> None:
        from importlib.metadata import version

        sys.stdout.write(f"e2a {version('e2a-mcp')}\n")
        parser.exit()


def _fail(message: str, code: int) -> int:
    sys.stderr.write(f"e2a: {message}\n")
    return code


if __name__ == "__main__":
    sys.exit(main())
