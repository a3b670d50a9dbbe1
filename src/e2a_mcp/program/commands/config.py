"""`e2a config`: what `config.json` in the home keeps for the next command."""

from __future__ import annotations

import sys
from getpass import getpass
from typing import Annotated, Any, Literal

from cyclopts import App, Parameter

from e2a_core import setting_kinds as kinds
from e2a_core.errors import SettingsError
from e2a_core.settings import load_settings
from e2a_mcp.program.commands.acting import HERE, Where
from e2a_mcp.program.commands.show import Output
from e2a_mcp.program.failed import Failed
from e2a_mcp.program.saved import IN_KEYRING, read_saved, same_deployment, write_key, write_saved
from e2a_mcp.program.statuses import PERMANENT

__all__ = ["config", "masked"]

SHOWN_OF_KEY = 12
"""The kind of the key and a few digits: enough to tell keys apart."""
_OPEN = {"key_scope", IN_KEYRING}
"""What is said of a key, and is none."""
_PARSE = {"api_key": kinds.text, "api_url": kinds.url, "agent_email": kinds.optional_email}

Name = Annotated[Literal["api_key", "api_url", "agent_email"], Parameter(help="What is kept.")]

config = App(name="config")


@config.command(name="list")
def list_(*, where: Where = HERE) -> int:
    """Show what is kept, with the key shortened."""
    kept = {name: _shown(name, value) for name, value in read_saved(load_settings().home).items()}
    output = Output(as_json=where.json or not sys.stdout.isatty())
    if output.as_json:
        output.json(kept)
    for name, value in () if output.as_json else kept.items():
        output.line(f"{name}  {value}")
    return 0


@config.command
def get(name: Name, /, *, where: Where = HERE) -> int:
    """Show one member, a key shortened."""
    kept = read_saved(load_settings().home)
    shown = _shown(name, kept.get(name))
    if name == "api_key" and kept.get(IN_KEYRING):
        shown = f"in the keyring, as {kept[IN_KEYRING]}"
    if shown is None:
        raise Failed(f"{name} is not kept", PERMANENT, code="not_found")
    Output(as_json=False).line(str(shown))
    return 0


@config.command(name="set")
def set_(
    name: Name,
    value: Annotated[
        str | None,
        Parameter(
            help="What to keep; a key is better left out, and then asked for or read from standard input.",
            allow_leading_hyphen=True,
        ),
    ] = None,
    /,
    *,
    where: Where = HERE,
) -> int:
    """Keep a member. A key is kept for the deployment of `api_url`, and forgotten when that becomes another."""
    home = load_settings().home
    given = value if value not in (None, "-") else _asked(name)
    try:
        text = _PARSE[name](given)
    except ValueError as problem:
        raise SettingsError(f"{name} must be {problem}") from None
    if not text:
        raise SettingsError(f"{name} must not be empty; `e2a config unset {name}` forgets it")
    if name == "api_key" and not text.startswith("e2a_"):
        raise SettingsError("api_key must be a key, which begins with e2a_")
    before = read_saved(home)
    keyed = before.get("api_key") or before.get(IN_KEYRING)
    if name == "api_key":
        write_key(home, text)
    elif name == "api_url" and keyed and not same_deployment(text, before.get("api_url")):
        write_key(home, None, api_url=text)
        sys.stderr.write("e2a: the key of the deployment before was forgotten\n")
    else:
        write_saved(home, {name: text})
    return 0


@config.command
def unset(name: Name, /, *, where: Where = HERE) -> int:
    """Forget a member."""
    home = load_settings().home
    if name == "api_key":
        write_key(home, None)
    else:
        write_saved(home, {name: None})
    return 0


def masked(key: str) -> str:
    return f"{key[:SHOWN_OF_KEY]}..."


def _shown(name: str, value: Any) -> Any:
    return masked(value) if isinstance(value, str) and "key" in name and name not in _OPEN else value


def _asked(name: str) -> str:
    """The value from standard input, not shown while it is typed."""
    if sys.stdin.isatty():
        return getpass(f"{name}: ").strip()
    return sys.stdin.readline().strip()
