"""What is set up: one description of the server, which each host writes in its own form."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from urllib.parse import urlsplit

from e2a_core.setting_kinds import path as path_setting
from e2a_mcp.program.hosts.journal import journal_home
from e2a_mcp.program.hosts.problems import HostProblem
from e2a_mcp.version import VERSION

__all__ = ["API_KEY", "NAME", "Entry", "bridge_entry", "local_entry", "remote_entry", "shared_entry"]

NAME = "e2a"
API_KEY = "E2A_API_KEY"
"""The variable that holds the key; its value is never written to a host's file."""
KEY_FILE = "E2A_API_KEY_FILE"
DESCRIPTION = "The agent's mailbox: verified senders, threads, approval"

_LOOPBACK = {"127.0.0.1", "::1", "localhost"}


@dataclass(frozen=True, slots=True)
class Entry:
    """The server as a command, or as the `url` of a deployment; with `keyed` it needs the key in `E2A_API_KEY`.

    A host that cannot refer to a variable gets the key from `key_file`, by a command. Without one it cannot be set up.
    """

    command: str = ""
    args: tuple[str, ...] = ()
    env: Mapping[str, str] = field(default_factory=dict)
    url: str | None = None
    keyed: bool = False
    key_file: str = ""


def local_entry(environ: Mapping[str, str], agent: str | None = None) -> Entry:
    """Returns the command of this installation, with what the host would not hand on of the environment.

    A host that is started from a desktop has a short PATH, so the program of a virtual environment is named in full.
    """
    env = {"E2A_HOME": str(Path(environ["E2A_HOME"]).absolute())} if environ.get("E2A_HOME") else {}
    if agent or environ.get("E2A_AGENT_EMAIL"):
        env["E2A_AGENT_EMAIL"] = agent or environ["E2A_AGENT_EMAIL"]
    named = environ.get(KEY_FILE)
    keyed = bool(environ.get(API_KEY))
    if named:
        env[KEY_FILE] = str(path_setting(named).absolute())
    if (keyed or named) and environ.get("E2A_API_URL"):
        env["E2A_API_URL"] = environ["E2A_API_URL"]
    key_file = env.get(KEY_FILE) or str(journal_home(environ) / "hosts" / "api-key")
    program = _installed_program()
    command = str(program) if program else shutil.which("uvx") or "uvx"
    return Entry(command, () if program else (f"e2a-mcp=={VERSION}",), env, keyed=keyed, key_file=key_file)


def shared_entry(agent: str | None = None) -> Entry:
    """Returns the command for a project's file, which others check out: no path of this machine is in it."""
    return Entry("uvx", (f"e2a-mcp=={VERSION}",), {"E2A_AGENT_EMAIL": agent} if agent else {})


def bridge_entry(entry: Entry) -> Entry:
    """Returns a command that acts at the deployment of `entry` with the key in its file. Raises `HostProblem`."""
    if not entry.key_file:
        raise HostProblem("takes no key in a file that others share: set it up without --project")
    env = {**entry.env, KEY_FILE: entry.key_file}
    if entry.url is not None:
        base, mcp, rest = entry.url.rpartition("/mcp")
        if not mcp or rest.strip("/"):
            raise HostProblem("reaches only a deployment of e2a, whose URL ends in /mcp")
        env["E2A_API_URL"] = base
    return replace(entry, env=env, url=None, keyed=False)


def remote_entry(url: str, command: Entry | None = None) -> Entry:
    """Returns the entry of a deployment; a URL without a path gets `/mcp`. Raises `HostProblem`.

    `command` is for hosts that can only start one.
    """
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError:
        raise HostProblem(f"{url!r} is no URL") from None
    if parts.scheme not in ("http", "https") or not host or any(c.isspace() or ord(c) < 32 for c in url):
        raise HostProblem(f"{url!r} must be https://HOST/mcp")
    if "@" in parts.netloc or parts.query or parts.fragment:
        raise HostProblem(
            "the URL must have no user, no query and no fragment: the key goes into E2A_API_KEY"
        )
    if parts.scheme == "http" and host not in _LOOPBACK:
        raise HostProblem("a key goes over https only, except on this machine")
    path = parts.path if parts.path.strip("/") else "/mcp"
    return replace(command or Entry(), url=parts._replace(path=path).geturl(), keyed=True)


def _installed_program() -> Path | None:
    """The `e2a-mcp` beside this Python, unless uv made the environment for one run."""
    suffix = ".exe" if sys.platform == "win32" else ""
    program = Path(sys.prefix) / ("Scripts" if suffix else "bin") / f"e2a-mcp{suffix}"
    passing = {"archive-v0", "environments-v2", "builds-v0"}
    return program if program.is_file() and not passing & set(program.parts) else None
