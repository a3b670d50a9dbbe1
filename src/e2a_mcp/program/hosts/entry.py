"""What is set up: one description of the server, which each host writes in its own form."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from e2a_mcp.program.hosts.problems import HostProblem
from e2a_mcp.version import VERSION

__all__ = ["API_KEY", "NAME", "Entry", "local_entry", "remote_entry", "shared_entry"]

NAME = "e2a"
API_KEY = "E2A_API_KEY"
"""The variable that holds the key; its value is never written to a host's file."""
DESCRIPTION = "The agent's mailbox: verified senders, threads, approval"

_LOOPBACK = {"127.0.0.1", "::1", "localhost"}


@dataclass(frozen=True, slots=True)
class Entry:
    """The server as a command, or as the `url` of a deployment; with `keyed` it needs the key in `E2A_API_KEY`."""

    command: str = ""
    args: tuple[str, ...] = ()
    env: Mapping[str, str] = field(default_factory=dict)
    url: str | None = None
    keyed: bool = False


def local_entry(environ: Mapping[str, str], agent: str | None = None) -> Entry:
    """Returns the command of this installation, with what the host would not hand on of the environment.

    A host that is started from a desktop has a short PATH, so the program of a virtual environment is named in full.
    """
    env = {"E2A_HOME": str(Path(environ["E2A_HOME"]).absolute())} if environ.get("E2A_HOME") else {}
    if agent or environ.get("E2A_AGENT_EMAIL"):
        env["E2A_AGENT_EMAIL"] = agent or environ["E2A_AGENT_EMAIL"]
    keyed = bool(environ.get(API_KEY))
    if keyed and environ.get("E2A_API_URL"):
        env["E2A_API_URL"] = environ["E2A_API_URL"]
    program = _installed_program()
    if program is not None:
        return Entry(str(program), (), env, keyed=keyed)
    return Entry(shutil.which("uvx") or "uvx", (f"e2a-mcp=={VERSION}",), env, keyed=keyed)


def shared_entry(agent: str | None = None) -> Entry:
    """Returns the command for a project's file, which others check out: no path of this machine is in it."""
    return Entry("uvx", (f"e2a-mcp=={VERSION}",), {"E2A_AGENT_EMAIL": agent} if agent else {})


def remote_entry(url: str) -> Entry:
    """Returns the entry of a deployment; a URL without a path gets `/mcp`. Raises `HostProblem`."""
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
    return Entry(
        url=parts._replace(path=parts.path if parts.path.strip("/") else "/mcp").geturl(), keyed=True
    )


def _installed_program() -> Path | None:
    """The `e2a-mcp` beside this Python, unless uv made the environment for one run."""
    suffix = ".exe" if sys.platform == "win32" else ""
    program = Path(sys.prefix) / ("Scripts" if suffix else "bin") / f"e2a-mcp{suffix}"
    passing = {"archive-v0", "environments-v2", "builds-v0"}
    return program if program.is_file() and not passing & set(program.parts) else None
