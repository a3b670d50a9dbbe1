"""Where settings come from: the environment, `config.toml`, and files that hold a secret each."""

from __future__ import annotations

import difflib
import logging
import tomllib
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

from e2a_core import setting_kinds as kinds
from e2a_core.errors import SettingsError

__all__ = ["FILE", "read_config", "usable", "with_secrets"]

FILE = "_FILE"
"""Ends the name of a variable that names the file with a secret, as in the images of databases."""
MAX_OCTETS = 64 * 1024
"""No secret is longer; a device or a log named by mistake is not read to its end."""

_log = logging.getLogger(__name__)


def usable(environment: Mapping[str, str], settings: Mapping[str, bool]) -> dict[str, str]:
    """The variables of `settings`, which says of each whether it is secret, and of the files of the secret ones.

    Leaves out those a host has handed on unexpanded, and warns of that and of variables that are no setting.
    """
    known = {**settings, **{name + FILE: False for name, secret in settings.items() if secret}}
    found = {}
    for name, value in environment.items():
        if not name.startswith("E2A_"):
            continue
        if name not in known:
            near = difflib.get_close_matches(name, known, n=1)
            _log.warning("%s is no setting%s", name, f"; did you mean {near[0]}?" if near else "")
        elif kinds.is_unexpanded(value, secret=known[name]):
            _log.warning(
                "%s is still a placeholder that the host has not replaced, so it counts as unset", name
            )
        else:
            found[name] = value
    return found


def read_config(path: Path, known: Collection[str]) -> dict[str, Any]:
    """The members of the TOML file, empty if there is none. Raises `SettingsError`, also for one not in `known`."""
    try:
        document = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as problem:
        raise SettingsError(f"{path} must be readable TOML: {problem}") from None
    for key in document:
        if key not in known:
            near = difflib.get_close_matches(key, known, n=1)
            hint = f"; did you mean {near[0]}?" if near else ""
            raise SettingsError(f"{path} has an unknown setting {key}{hint}")
    return document


def with_secrets(
    values: Mapping[str, Any], names: Collection[str], *, suffix: str = FILE, where: str = ""
) -> dict[str, Any]:
    """`values` with each of `names` whose file is named, as the file has it.

    Raises `SettingsError` if both are set, and for a file that does not hold one line.
    """
    read = {}
    for name in names:
        if not (file := values.get(name + suffix)):
            continue
        if values.get(name):
            raise SettingsError(f"{name} and {name}{suffix} must not both be set{where}")
        read[name] = _secret(f"{name}{suffix}{where}", str(file))
    return {**values, **read}


def _secret(source: str, file: str) -> str:
    """What the file says, without the newline that editors and `echo` put behind it."""
    try:
        with kinds.path(file).open("rb") as opened:
            content = opened.read(MAX_OCTETS + 1)
        secret = content.decode("utf-8-sig").rstrip("\r\n")
    except OSError as problem:
        raise SettingsError(
            f"{source} must name a file that can be read: {file}: {problem.strerror}"
        ) from None
    except ValueError:
        raise SettingsError(f"{source} must name a file of UTF-8 text: {file}") from None
    if not secret.strip():
        raise SettingsError(f"{source} must name a file that holds the secret: {file} is empty")
    if len(content) > MAX_OCTETS or any(char in secret for char in "\r\n\0"):
        raise SettingsError(f"{source} must name a file of one line, the secret alone: {file}")
    return secret
