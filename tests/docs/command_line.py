"""The commands of `e2a` and their options, as their parser has them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from cyclopts import App, Argument

from e2a_mcp.program.commands.acting import AGENT_HELP, Where
from e2a_mcp.program.e2a import COMMANDS, application

__all__ = ["Documented", "commands", "of_deployments"]

EVERYWHERE = frozenset({"--remote", "--local", "--json"})
"""Options of all commands that act on a deployment, which the documentation describes once."""
DEPLOYMENTS = "e2a_mcp.program.commands."


@dataclass(frozen=True)
class Documented:
    """A command: its words, what it does, and the names and meanings of its arguments and options."""

    words: str
    summary: str
    options: tuple[tuple[str, str], ...]
    acts: bool


def commands() -> Iterator[Documented]:
    app = application()
    for name in COMMANDS:
        yield from _below(app[name], f"e2a {name}")


def of_deployments() -> Iterator[Documented]:
    """Those whose documentation is made from their code."""
    app = application()
    for name, command in COMMANDS.items():
        if command.target.startswith(DEPLOYMENTS):
            yield from _below(app[name], f"e2a {name}")


def _is_everywhere(argument: Argument) -> bool:
    if argument.name == "--agent":
        return argument.parameter.help == AGENT_HELP
    return argument.name in EVERYWHERE


def _below(app: App, words: str) -> Iterator[Documented]:
    if app.default_command is None:
        for name in app:
            if not name.startswith("-"):
                yield from _below(app[name], f"{words} {name}")
        return
    arguments = app.assemble_argument_collection(parse_docstring=True)
    acts = any(argument.hint is Where for argument in arguments)
    shown = [argument for argument in arguments if argument.show]
    yield Documented(
        words,
        app.help.partition("\n\n")[0].replace("\n", " "),
        tuple(
            (argument.name, argument.parameter.help or "")
            for argument in shown
            if not (acts and _is_everywhere(argument))
        ),
        acts,
    )
