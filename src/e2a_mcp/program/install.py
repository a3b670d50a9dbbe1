"""`e2a install`: sets up MCP hosts on this machine, and undoes it."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Annotated, Literal

from cyclopts import Parameter

from e2a_mcp.program.arguments import Address
from e2a_mcp.program.failed import Failed
from e2a_mcp.program.hosts.deeplinks import LINKED, deeplink
from e2a_mcp.program.hosts.entry import Entry, local_entry, remote_entry, shared_entry
from e2a_mcp.program.hosts.install import Outcome, install
from e2a_mcp.program.hosts.install import undo as take_out
from e2a_mcp.program.hosts.journal import Journal, journal_home
from e2a_mcp.program.hosts.locate import Machine, is_present, project_file, user_file
from e2a_mcp.program.hosts.problems import HostProblem
from e2a_mcp.program.hosts.table import HOSTS, Host
from e2a_mcp.program.output import note, result
from e2a_mcp.program.statuses import FAILED, MISUSED, USAGE

__all__ = ["HostName", "install_command"]

HostName = Literal[
    "claude-code",
    "claude-desktop",
    "cursor",
    "vscode",
    "codex",
    "windsurf",
    "gemini",
    "zed",
    "goose",
    "opencode",
]


def install_command(
    host: Annotated[HostName | None, Parameter(help="The host to set up.", show_default=False)] = None,
    /,
    *,
    all: Annotated[bool, Parameter(help="Every host found on this machine.")] = False,
    http: Annotated[str, Parameter(help="Use this deployment's /mcp URL.", show_default=False)] = "",
    agent: Annotated[Address | None, Parameter(help="Act as this inbox.", show_default=False)] = None,
    project: Annotated[bool, Parameter(help="Write the file of the project in this folder.")] = False,
    undo: Annotated[bool, Parameter(help="Restore the file as it was.")] = False,
    dry_run: Annotated[bool, Parameter(help="Show what would change and write nothing.")] = False,
    force: Annotated[bool, Parameter(help="Replace an entry that e2a did not write.")] = False,
    link: Annotated[bool, Parameter(help="Print the link that installs it.")] = False,
) -> int:
    """Set up MCP hosts on this machine, or undo that."""
    if (host is None) != all:
        raise Failed("name one host, or give --all", MISUSED, code=USAGE)
    entry = _entry(http, agent, project=project)
    if link:
        return _each([HOSTS[key] for key in LINKED] if host is None else [HOSTS[host]], _linked(entry))
    machine = Machine(Path.home(), sys.platform, os.environ)
    hosts = list(_found(machine, project=project)) if host is None else [HOSTS[host]]
    if not hosts:
        raise Failed("found no host that e2a knows; name one to set it up anyway")
    journal = Journal(journal_home(os.environ))

    def act(each: Host) -> None:
        path = project_file(each, Path.cwd()) if project else user_file(each, machine)
        if undo:
            _show(take_out(each, path, journal, dry=dry_run))
        else:
            _show(install(each, path, entry, journal, project=project, dry=dry_run, force=force))
            if entry.keyed and each.reference is None and not Path(entry.key_file).exists():
                note(f"{each.title}: put the key into {entry.key_file}, a file that you alone can read")

    return _each(hosts, act)


def _entry(http: str, agent: str | None, *, project: bool) -> Entry:
    command = shared_entry(agent) if project else local_entry(os.environ, agent)
    try:
        return remote_entry(http, command) if http else command
    except HostProblem as problem:
        raise Failed(str(problem), MISUSED, code=USAGE) from None


def _found(machine: Machine, *, project: bool) -> Iterator[Host]:
    for host in HOSTS.values():
        if is_present(host, machine) and (host.project is not None or not project):
            yield host


def _linked(entry: Entry) -> Callable[[Host], None]:
    return lambda host: result(deeplink(host, entry))


def _each(hosts: list[Host], act: Callable[[Host], None]) -> int:
    """Does it for each host, whatever becomes of the others, and returns the exit status."""
    failed = 0
    for host in hosts:
        try:
            act(host)
        except HostProblem as problem:
            failed = FAILED
            note(f"{host.title}: {problem}")
            if problem.snippet:
                sys.stderr.write(f"{problem.snippet}\n")
    return failed


def _show(outcome: Outcome) -> None:
    if outcome.diff:
        result(outcome.diff)
    result(f"{outcome.host.title}: {outcome.state}  {outcome.path}")
    if outcome.state == "installed":
        note(f"{outcome.host.then} `e2a install {outcome.host.key} --undo` restores the file")
