"""The hosts: where each keeps its servers, and the form in which it wants one.

Sources are the hosts' own documentation and programs; `docs/hosts.md` says what was tried and what was only read.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from e2a_mcp.program.hosts.edit import Format, json_format, strict_json_format, toml_format, yaml_format
from e2a_mcp.program.hosts.entry import API_KEY, DESCRIPTION, NAME, Entry, bridge_entry
from e2a_mcp.program.hosts.places import Item, Place, find

__all__ = ["HOSTS", "Host", "Setting", "Spot", "members"]

Member = dict[str, Any]
Setting = tuple[Place, Any]
"""A value and where it goes."""
VSCODE_INPUT = "e2a-key"


@dataclass(frozen=True, slots=True)
class Spot:
    """A file that a host may read; it is the one if `mark` exists, or if it is the last spot named."""

    file: str
    mark: str = ""


@dataclass(frozen=True, slots=True)
class Host:
    """One host. Paths may start with `{home}`, `{config}`, `{xdg}` and the like; see `locate`."""

    key: str
    title: str
    form: Callable[[], Format]
    spots: Mapping[str, tuple[Spot, ...]]
    """By platform as `sys.platform` names it; `""` is every other one."""
    signs: tuple[str, ...]
    """Folders that are there once the host was started."""
    container: Place
    stdio: Callable[[Host, Entry], Member]
    http: Callable[[Host, Entry], Member] | None
    reference: str | None
    """How the host's file refers to the variable with the key; None if it cannot, and then the key is in a file."""
    project: str | None = None
    programs: tuple[str, ...] = ()
    then: str = "Restart it."
    more: Callable[[Host, Entry], list[Setting]] = field(default=lambda host, entry: [])


def members(host: Host, entry: Entry, document: Any) -> list[Setting]:
    """Returns what to set in the host's document for the server, in this order. Raises `HostProblem`."""
    if entry.keyed and host.reference is None:
        entry = bridge_entry(entry)
    member = host.http(host, entry) if entry.url is not None and host.http else host.stdio(host, entry)
    container = host.container
    if host.key == "opencode" and _is_second_layout(document):
        container = (*container, "servers")
    return [*host.more(host, entry), ((*container, NAME), member)]


def _is_second_layout(document: Any) -> bool:
    """OpenCode 2 has the servers one level deeper; a server of the name `servers` would have a type."""
    there, servers = find(document, ("mcp", "servers"))
    return there and isinstance(servers, dict) and not isinstance(servers.get("type"), str)


def _env(host: Host, entry: Entry) -> dict[str, str]:
    return {**entry.env, **({API_KEY: host.reference} if entry.keyed and host.reference else {})}


def _with_env(host: Host, entry: Entry, name: str = "env") -> Member:
    env = _env(host, entry)
    return {name: env} if env else {}


def _headers(host: Host) -> dict[str, str]:
    return {"Authorization": f"Bearer {host.reference}"}


def _plain_stdio(host: Host, entry: Entry) -> Member:
    return {"command": entry.command, "args": list(entry.args), **_with_env(host, entry)}


def _typed_stdio(host: Host, entry: Entry) -> Member:
    return {"type": "stdio", **_plain_stdio(host, entry)}


def _zed_stdio(host: Host, entry: Entry) -> Member:
    return {"source": "custom", **_plain_stdio(host, entry)}


def _codex_stdio(host: Host, entry: Entry) -> Member:
    member = {"command": entry.command, "args": list(entry.args)}
    if entry.env:
        member["env"] = dict(entry.env)  # type: ignore[assignment]
    if entry.keyed:
        member["env_vars"] = [API_KEY]
    return member


def _goose_stdio(host: Host, entry: Entry) -> Member:
    run = {"type": "stdio", "cmd": entry.command, "args": list(entry.args), "envs": dict(entry.env)}
    return {**_goose(entry), **run}


def _opencode_stdio(host: Host, entry: Entry) -> Member:
    run = {"type": "local", "command": [entry.command, *entry.args]}
    return {**run, **_with_env(host, entry, "environment")}


def _plain_http(host: Host, entry: Entry) -> Member:
    return {"url": entry.url, "headers": _headers(host)}


def _typed_http(host: Host, entry: Entry) -> Member:
    return {"type": "http", **_plain_http(host, entry)}


def _windsurf_http(host: Host, entry: Entry) -> Member:
    # It takes 100 tools of all servers together, and an account's key would bring most of them.
    return {"serverUrl": f"{entry.url}?profile=inbox", "headers": _headers(host)}


def _codex_http(host: Host, entry: Entry) -> Member:
    # A `bearer_token` in the file keeps the whole configuration from loading.
    return {"url": entry.url, "bearer_token_env_var": API_KEY}


def _goose_http(host: Host, entry: Entry) -> Member:
    return {**_goose(entry), "type": "streamable_http", "uri": entry.url, "headers": _headers(host)}


def _opencode_http(host: Host, entry: Entry) -> Member:
    # With a key in place, asking the server for a sign-in would only get in the way.
    return {"type": "remote", "url": entry.url, "headers": _headers(host), "oauth": False}


def _goose(entry: Entry) -> Member:
    keys = [API_KEY] if entry.keyed else []
    return {"name": NAME, "description": DESCRIPTION, "enabled": True, "timeout": 300, "env_keys": keys}


def _vscode_input(host: Host, entry: Entry) -> list[Setting]:
    asked = {"type": "promptString", "id": VSCODE_INPUT, "description": "API key of e2a", "password": True}
    return [(("inputs", Item("id", VSCODE_INPUT)), asked)] if entry.keyed else []


_ALL = (
    Host(
        key="claude-code",
        title="Claude Code",
        form=strict_json_format,
        spots={"": (Spot("{claude}/.claude.json"),)},
        signs=("{home}/.claude",),
        programs=("claude",),
        container=("mcpServers",),
        stdio=_typed_stdio,
        http=_typed_http,
        # Without a default the text itself would arrive when the variable is unset.
        reference="${E2A_API_KEY:-}",
        project=".mcp.json",
        then="Start a new session.",
    ),
    Host(
        key="claude-desktop",
        title="Claude Desktop",
        form=json_format,
        spots={
            # An installation from the Store reads a folder of its own.
            "win32": (
                Spot("{store}/Claude/claude_desktop_config.json", mark="{store}/Claude"),
                Spot("{config}/Claude/claude_desktop_config.json"),
            ),
            "": (Spot("{config}/Claude/claude_desktop_config.json"),),
        },
        signs=("{config}/Claude", "{store}/Claude"),
        container=("mcpServers",),
        stdio=_plain_stdio,
        http=None,
        reference=None,
        then="Quit and start it again.",
    ),
    Host(
        key="cursor",
        title="Cursor",
        form=json_format,
        spots={"": (Spot("{home}/.cursor/mcp.json"),)},
        signs=("{home}/.cursor",),
        programs=("cursor",),
        container=("mcpServers",),
        stdio=_plain_stdio,
        http=_plain_http,
        reference="${env:E2A_API_KEY}",
        project=".cursor/mcp.json",
        then="Switch the server on in Settings, MCP.",
    ),
    Host(
        key="vscode",
        title="VS Code",
        form=json_format,
        spots={"": (Spot("{config}/Code/User/mcp.json"),)},
        signs=("{config}/Code/User",),
        programs=("code",),
        container=("servers",),
        stdio=_typed_stdio,
        http=_typed_http,
        reference=f"${{input:{VSCODE_INPUT}}}",
        project=".vscode/mcp.json",
        then="Start the server from the list of MCP servers.",
        more=_vscode_input,
    ),
    Host(
        key="codex",
        title="Codex",
        form=toml_format,
        spots={"": (Spot("{codex}/config.toml"),)},
        signs=("{codex}",),
        programs=("codex",),
        container=("mcp_servers",),
        stdio=_codex_stdio,
        http=_codex_http,
        reference="",
        project=".codex/config.toml",
        then="Start a new session.",
    ),
    Host(
        key="windsurf",
        title="Windsurf",
        form=json_format,
        spots={"": (Spot("{home}/.codeium/windsurf/mcp_config.json"),)},
        signs=("{home}/.codeium/windsurf",),
        container=("mcpServers",),
        stdio=_plain_stdio,
        http=_windsurf_http,
        reference="${env:E2A_API_KEY}",
        then="Refresh the list of MCP servers.",
    ),
    Host(
        key="gemini",
        title="Gemini CLI",
        form=json_format,
        spots={"": (Spot("{home}/.gemini/settings.json"),)},
        signs=("{home}/.gemini",),
        programs=("gemini",),
        container=("mcpServers",),
        stdio=_plain_stdio,
        http=_typed_http,
        reference="$E2A_API_KEY",
        project=".gemini/settings.json",
        then="Start a new session.",
    ),
    Host(
        key="zed",
        title="Zed",
        form=json_format,
        spots={
            "win32": (Spot("{config}/Zed/settings.json"),),
            "darwin": (
                Spot("{config}/Zed/settings.json", mark="{config}/Zed/settings.json"),
                Spot("{xdg}/zed/settings.json"),
            ),
            "": (Spot("{xdg}/zed/settings.json"),),
        },
        signs=("{xdg}/zed", "{config}/Zed"),
        programs=("zed",),
        container=("context_servers",),
        stdio=_zed_stdio,
        http=_plain_http,
        reference=None,
        project=".zed/settings.json",
        then="It starts the server by itself.",
    ),
    Host(
        key="goose",
        title="Goose",
        form=yaml_format,
        spots={
            "win32": (Spot("{config}/Block/goose/config/config.yaml"),),
            "": (Spot("{xdg}/goose/config.yaml"),),
        },
        signs=("{xdg}/goose", "{config}/Block/goose"),
        programs=("goose",),
        container=("extensions",),
        stdio=_goose_stdio,
        http=_goose_http,
        reference="${E2A_API_KEY}",
        then="Start a new session; it asks for the key if one is needed.",
    ),
    Host(
        key="opencode",
        title="OpenCode",
        form=json_format,
        spots={
            "": (
                Spot("{xdg}/opencode/opencode.jsonc", mark="{xdg}/opencode/opencode.jsonc"),
                Spot("{xdg}/opencode/opencode.json"),
            )
        },
        signs=("{xdg}/opencode",),
        programs=("opencode",),
        container=("mcp",),
        stdio=_opencode_stdio,
        http=_opencode_http,
        reference="{env:E2A_API_KEY}",
        project="opencode.json",
        then="Start a new session.",
    ),
)

HOSTS: Mapping[str, Host] = {host.key: host for host in _ALL}
