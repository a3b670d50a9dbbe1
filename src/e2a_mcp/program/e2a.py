"""`e2a`: imports the module of the command given, runs it, and reports an error as one line and an exit status.

A command is a function whose signature is its command line, or an `App` with commands of its own (cyclopts). Its module
is imported only when it is used, so that a short command does not wait for the import of the whole relay.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

from e2a_core.errors import E2AError, SettingsError

if TYPE_CHECKING:
    from cyclopts import App

__all__ = ["COMMANDS", "Command", "Failed", "application", "main"]

FAILED = 1
MISUSED = 2
INTERRUPTED = 130
"""128 plus the number of SIGINT, as shells report it."""
USAGE = "usage"
"""Stands for the code of an error of the command line itself."""


class Command(NamedTuple):
    """Where a command is, as `module:attribute`, its help text, and the heading it is listed under."""

    target: str
    summary: str
    heading: str


MAIL = "Mail"
HOME = "The home"
COMMANDS = {
    "serve": Command(
        "e2a_mcp.program.serve:serve", "run the relay, the MCP endpoint and the health checks", HOME
    ),
    "bootstrap": Command(
        "e2a_mcp.program.bootstrap:bootstrap", "make or find an account and print a new API key for it", HOME
    ),
    "account": Command("e2a_mcp.program.account:account", "give an account another address", HOME),
    "demo": Command(
        "e2a_mcp.program.demo.command:demo", "show the whole round trip in a temporary home", HOME
    ),
    "listen": Command(
        "e2a_mcp.program.listen.command:listen",
        "show mail of an inbox as it comes, or hand it to a program",
        MAIL,
    ),
    "doctor": Command(
        "e2a_mcp.program.doctor.command:doctor",
        "say what is wrong with a deployment, and what to do about it",
        HOME,
    ),
    "install": Command(
        "e2a_mcp.program.install:install_command", "set up MCP hosts on this machine, or undo that", HOME
    ),
}


class Failed(Exception):
    """The command did not do what was asked; the exit status says why."""

    def __init__(self, message: str, status: int = FAILED, *, code: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.status = status
        self.code = code


def main(argv: Sequence[str] | None = None) -> int:
    """Runs one command and returns the exit status.

    0 is done, 1 refused or failed, 2 wrong usage or settings, 130 interrupted; `acting.status_of` has those of the
    commands that act on a deployment.
    """
    arguments = sys.argv[1:] if argv is None else list(argv)
    if arguments == ["--version"]:
        # The framework would load what it draws help with.
        sys.stdout.write(f"{_version()}\n")
        return 0
    from cyclopts import CycloptsError

    try:
        return int(application()(arguments, exit_on_error=False, print_error=False) or 0)
    except CycloptsError as problem:
        return _fail(str(problem), MISUSED, USAGE)
    except Failed as problem:
        return _fail(problem.message, problem.status, problem.code)
    except SettingsError as problem:
        return _fail(str(problem), MISUSED, USAGE)
    except E2AError as problem:
        return _fail(problem.message, FAILED, problem.code)
    except KeyboardInterrupt:
        return INTERRUPTED


def application() -> App:
    """The whole command line; the modules of its commands are not imported yet."""
    from cyclopts import App, Group, Parameter

    app = App(
        name="e2a",
        help="Authenticated email for AI agents.",
        help_format="plaintext",
        version=_version,
        version_format="plaintext",
        result_action="return_value",
        # `--no-json` and the like would double every list of options.
        default_parameter=Parameter(negative=()),
        suppress_keyboard_interrupt=False,
    )
    headings = {command.heading: None for command in COMMANDS.values()}
    groups = {heading: Group(heading, sort_key=place) for place, heading in enumerate(headings)}
    for name, command in COMMANDS.items():
        app.command(command.target, name=name, help=_sentence(command.summary), group=groups[command.heading])
    return app


def _version() -> str:
    from importlib.metadata import version

    return f"e2a {version('e2a-mcp')}"


def _sentence(summary: str) -> str:
    return f"{summary[0].upper()}{summary[1:]}."


def _fail(message: str, status: int, code: str) -> int:
    from e2a_core.visible import one_line

    sys.stderr.write(f"e2a: {one_line(message)}{f' [{code}]' if code else ''}\n")
    return status


if __name__ == "__main__":
    sys.exit(main())
