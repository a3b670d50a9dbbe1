"""`e2a`: imports the module of the command given, runs it, and reports an error as one line and an exit status.

A command is a function whose signature is its command line, or an `App` with commands of its own (cyclopts). Its module
is imported only when it is used, so that a short command does not wait for the import of the whole relay.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

from e2a_core.errors import E2AError, SettingsError
from e2a_mcp.program.failed import Failed
from e2a_mcp.program.statuses import FAILED, INTERRUPTED, MISUSED, USAGE

if TYPE_CHECKING:
    from cyclopts import App

__all__ = ["COMMANDS", "USAGE", "Command", "application", "main"]


class Command(NamedTuple):
    """Where a command is, as `module:attribute`, its help text, and the heading it is listed under."""

    target: str
    summary: str
    heading: str


MAIL = "Mail"
CONTROL = "Control"
HOME = "The home"
_HERE = "e2a_mcp.program.commands"
COMMANDS = {
    "send": Command(f"{_HERE}.mail:send", "send a new message", MAIL),
    "reply": Command(f"{_HERE}.mail:reply", "answer a message in its thread", MAIL),
    "forward": Command(f"{_HERE}.mail:forward", "forward a message with its attachments", MAIL),
    "messages": Command(f"{_HERE}.messages:messages", "find, read and keep the mail of an inbox", MAIL),
    "conversations": Command(f"{_HERE}.messages:conversations", "threads of an inbox", MAIL),
    "labels": Command(f"{_HERE}.messages:labels", "put labels on mail, or take them off", MAIL),
    "reviews": Command(f"{_HERE}.reviews:reviews", "decide about mail that is held for you", CONTROL),
    "protection": Command(f"{_HERE}.protection:protection", "what is held for you, or blocked", CONTROL),
    "pause": Command(f"{_HERE}.pausing:pause", "stop all sending at once", CONTROL),
    "resume": Command(f"{_HERE}.pausing:resume", "let it go on", CONTROL),
    "status": Command(f"{_HERE}.person:status", "say what runs and what waits", CONTROL),
    "whoami": Command(f"{_HERE}.person:whoami", "say which account commands act as", CONTROL),
    "open": Command(f"{_HERE}.opening:open_", "open the dashboard", CONTROL),
    "audit": Command(f"{_HERE}.audit:audit", "who did what, and whether that record is whole", CONTROL),
    "export": Command(f"{_HERE}.exporting:export", "write everything the account holds", CONTROL),
    "agents": Command(f"{_HERE}.agents:agents", "inboxes of the account", CONTROL),
    "keys": Command(f"{_HERE}.keys:keys", "API keys, shown once", CONTROL),
    "domains": Command(f"{_HERE}.domains:domains", "domains and the records to publish for them", CONTROL),
    "webhooks": Command(f"{_HERE}.webhooks:webhooks", "where events are posted", CONTROL),
    "events": Command(f"{_HERE}.webhooks:events", "the log of events", CONTROL),
    "templates": Command(f"{_HERE}.templates:templates", "words that are sent again and again", CONTROL),
    "contacts": Command(f"{_HERE}.contacts:contacts", "whom the account writes to", CONTROL),
    "outreach": Command(f"{_HERE}.contacts:outreach", "what an inbox wants of its contacts", CONTROL),
    "suppressions": Command(f"{_HERE}.contacts:suppressions", "who must not be written to", CONTROL),
    "delegations": Command(f"{_HERE}.agents:delegations", "people whose word an inbox takes", CONTROL),
    "login": Command(f"{_HERE}.login:login", "sign in to a deployment elsewhere", CONTROL),
    "logout": Command(f"{_HERE}.login:logout", "forget its key", CONTROL),
    "config": Command(f"{_HERE}.config:config", "what is kept for the next command", CONTROL),
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
    "backup": Command("e2a_mcp.program.backup:backup", "copy a home while it runs", HOME),
    "restore": Command("e2a_mcp.program.backup:restore", "make a home of a copy", HOME),
    "doctor": Command(
        "e2a_mcp.program.doctor.command:doctor",
        "say what is wrong with a deployment, and what to do about it",
        HOME,
    ),
    "completion": Command("e2a_mcp.program.completion:completion", "what a shell completes", HOME),
    "install": Command(
        "e2a_mcp.program.install:install_command", "set up MCP hosts on this machine, or undo that", HOME
    ),
}


def main(argv: Sequence[str] | None = None) -> int:
    """Runs one command and returns the exit status.

    0 is done, 1 refused or failed, 2 wrong usage or settings, 130 interrupted; `statuses` has those of the
    commands that act on a deployment.
    """
    arguments = sys.argv[1:] if argv is None else list(argv)
    if arguments == ["--version"]:
        # The framework would load what it draws help with.
        sys.stdout.write(f"{_version()}\n")
        return 0
    if arguments[:1] == ["help"]:
        arguments = [*arguments[1:], "--help"]
    from cyclopts import CycloptsError, UnusedCliTokensError

    try:
        return int(application()(arguments, exit_on_error=False, print_error=False) or 0)
    except UnusedCliTokensError as problem:
        return _fail(f"unexpected argument: {' '.join(problem.unused_tokens or ())}", MISUSED, USAGE)
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
        default_parameter=Parameter(negative=(), show_default=_shown_default),
        suppress_keyboard_interrupt=False,
    )
    headings = {command.heading: None for command in COMMANDS.values()}
    groups = {heading: Group(heading, sort_key=place) for place, heading in enumerate(headings)}
    for name, command in COMMANDS.items():
        app.command(command.target, name=name, help=_sentence(command.summary), group=groups[command.heading])
    return app


def _shown_default(value: object) -> str | None:
    """A flag that is not given is off, and a value that is not given is none: neither need be said."""
    return str(value) if value or (isinstance(value, int) and value is not False) else None


def _version() -> str:
    from importlib.metadata import version

    return f"e2a {version('e2a-mcp')}"


def _sentence(summary: str) -> str:
    return f"{summary[0].upper()}{summary[1:]}."


def _fail(message: str, status: int, code: str) -> int:
    from e2a_core.visible import one_line

    sys.stderr.write(f"e2a: {one_line(message + (f' [{code}]' if code else ''))}\n")
    return status


if __name__ == "__main__":
    sys.exit(main())
