"""Links that a host opens to add the server: for a page, a mail or a terminal. None carries a key."""

from __future__ import annotations

import base64
import json
from urllib.parse import quote, urlencode

from e2a_mcp.program.hosts.entry import API_KEY, DESCRIPTION, NAME, Entry
from e2a_mcp.program.hosts.problems import HostProblem
from e2a_mcp.program.hosts.table import HOSTS, Host, members

__all__ = ["LINKED", "cursor_link", "deeplink", "goose_link", "vscode_link"]

GOOSE_PROGRAMS = {"cmd", "docker", "goosed", "jbang", "npx", "uvx"}
"""What Goose runs from a link; another command it refuses."""


def cursor_link(entry: Entry) -> str:
    """Returns the link that has Cursor ask whether to install the server."""
    [(_, member)] = members(HOSTS["cursor"], entry, {})
    config = base64.b64encode(_json(member).encode()).decode()
    return "cursor://anysphere.cursor-deeplink/mcp/install?" + urlencode({"name": NAME, "config": config})


def vscode_link(entry: Entry, *, insiders: bool = False) -> str:
    """Returns the link for VS Code, or its Insiders edition; it asks for the key if one is needed."""
    *inputs, (_, member) = members(HOSTS["vscode"], entry, {})
    asked = {"inputs": [value for _, value in inputs]} if inputs else {}
    return f"vscode{'-insiders' * insiders}:mcp/install?" + quote(
        _json({"name": NAME, **member, **asked}), safe=""
    )


def goose_link(entry: Entry) -> str:
    """Returns the link for Goose. Raises `HostProblem` for a command that it does not run from a link."""
    words: list[tuple[str, str]]
    if entry.url is not None:
        words = [("type", "streamable_http"), ("url", entry.url)]
    elif entry.command.replace("\\", "/").rpartition("/")[2].removesuffix(".exe") in GOOSE_PROGRAMS:
        # By name: it does not take a path.
        program = entry.command.replace("\\", "/").rpartition("/")[2].removesuffix(".exe")
        words = [("cmd", program), *(("arg", word) for word in entry.args)]
    else:
        raise HostProblem(f"Goose runs no {entry.command} from a link; e2a install goose writes its file")
    words += [("id", NAME), ("name", NAME), ("description", DESCRIPTION), ("timeout", "300")]
    env = entry.env if entry.url is None else {}
    words += [("env", f"{name}={value}") for name, value in env.items()]
    if entry.keyed:
        words.append(
            ("header", f"Authorization=Bearer ${{{API_KEY}}}") if entry.url else ("env", f"{API_KEY}=")
        )
    return "goose://extension?" + urlencode(words, quote_via=quote)


LINKED = {"cursor": cursor_link, "vscode": vscode_link, "goose": goose_link}


def deeplink(host: Host, entry: Entry) -> str:
    """Returns the link of a host. Raises `HostProblem` if it has none."""
    if host.key not in LINKED:
        raise HostProblem(f"{host.title} has no link to install from; only {', '.join(LINKED)} have")
    return LINKED[host.key](entry)


def _json(value: object) -> str:
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False)
