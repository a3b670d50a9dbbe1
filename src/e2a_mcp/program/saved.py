"""`config.json` in the home: what `e2a login` and `e2a config` keep for the next command, for its owner alone.

The key is in the file, or in the keyring of the system, and then the file has the name of its entry there.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from e2a_core.errors import SettingsError
from e2a_core.local.files import replace_private
from e2a_core.settings import Settings, load_settings
from e2a_core.store.private import FILE_MODE, FOLDER_MODE, make_private
from e2a_mcp.program.system_keyring import delete_key, key_of, store_key

__all__ = [
    "IN_KEYRING",
    "MEMBERS",
    "read_saved",
    "same_deployment",
    "settings_here",
    "write_key",
    "write_saved",
]

MEMBERS = {"api_key": "E2A_API_KEY", "api_url": "E2A_API_URL", "agent_email": "E2A_AGENT_EMAIL"}
"""What the file may set, and the environment variable that goes before it."""
IN_KEYRING = "key_in_keyring"
"""The member with the name of the key's entry."""
_NAME = "config.json"


def read_saved(home: Path, *, mend: bool = True) -> dict[str, Any]:
    """The members of the file, empty if there is none. Raises `SettingsError` for a file that is no JSON object.

    With `mend` a file that is open to others is closed to them.
    """
    path = home / _NAME
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, RecursionError):
        raise SettingsError(f"{path} must be a readable JSON object") from None
    if not isinstance(content, dict):
        raise SettingsError(f"{path} must be a readable JSON object")
    if mend:
        make_private(path, FILE_MODE)
    return content


def write_saved(home: Path, changes: Mapping[str, Any]) -> None:
    """Changes members of the file; None removes one. What it does not know stays. Raises `SettingsError`."""
    content = {**read_saved(home), **changes}
    try:
        home.mkdir(mode=FOLDER_MODE, parents=True, exist_ok=True)
        replace_private(
            home / _NAME, json.dumps({k: v for k, v in content.items() if v is not None}, indent=2) + "\n"
        )
    except OSError as problem:
        raise SettingsError(f"{home / _NAME} cannot be written: {problem.strerror}") from None


def write_key(home: Path, key: str | None, *, in_keyring: bool = False, **changes: Any) -> None:
    """Keeps `key` in place of the one before, wherever that is; None forgets it. Raises `SettingsError`."""
    before = read_saved(home)
    url = changes.get("api_url") or before.get("api_url") or ""
    entry = store_key(key, str(url)) if key and in_keyring else None
    write_saved(home, {**changes, "api_key": None if entry else key, IN_KEYRING: entry})
    if old := before.get(IN_KEYRING):
        try:
            delete_key(str(old))
        except SettingsError as problem:
            raise SettingsError(f"the key before is still in the keyring, as {old!r}: {problem}") from None


def settings_here(
    *,
    remote: str | None = None,
    local: bool = False,
    environ: Mapping[str, str] | None = None,
    mend: bool = True,
) -> Settings:
    """The settings of a command: its options, else the environment, else the file, else `config.toml`.

    A saved key goes to the deployment it was saved for and to no other. `environ` stands for the environment of the
    process, and without `mend` nothing is changed. Raises `SettingsError`.
    """
    given = {"E2A_API_URL": remote} if remote else {}
    files: list[dict[str, Any]] = []

    def saved(home: Path, environment: Mapping[str, str]) -> dict[str, str]:
        files.append(read_saved(home, mend=mend))
        kept = {
            variable: value
            for name, variable in MEMBERS.items()
            if isinstance(value := files[0].get(name), str) and value
        }
        entry = files[0].get(IN_KEYRING)
        if entry and not local and not {**environment, **kept}.get("E2A_API_KEY"):
            kept["E2A_API_KEY"] = key_of(str(entry))
        return kept

    settings = load_settings(environ, saved=saved, given=given)
    if local:
        return replace(settings, api_key="")
    if settings.api_key and not same_deployment(settings.api_url, files[0].get("api_url")):
        own = load_settings(environ, given=given)
        if settings.api_key != own.api_key:
            raise SettingsError(
                f"the saved key is of another deployment than {settings.api_url}: set E2A_API_KEY, "
                f"or run `e2a login {settings.api_url}`"
            )
    return settings


def same_deployment(url: str, saved: object) -> bool:
    """Whether two URLs have one origin (RFC 6454 section 4); nothing saved stands for the default."""
    return _origin(url) == _origin(str(saved or Settings(home=Path()).api_url))


def _origin(url: str) -> tuple[str, str | None, int | None]:
    parts = urlsplit(url)
    return parts.scheme, parts.hostname, parts.port or {"https": 443, "http": 80}.get(parts.scheme)
