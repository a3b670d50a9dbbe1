"""A key in the keyring of the system: `config.json` has the name of the entry instead of the key.

The package `keyring` finds the keyring: the keychain of macOS, the credential manager of Windows, the Secret Service of
a Linux desktop, or the one that PYTHON_KEYRING_BACKEND names.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from typing import TYPE_CHECKING

from e2a_core.errors import SettingsError

if TYPE_CHECKING:
    from keyring.backend import KeyringBackend

__all__ = ["SERVICE", "delete_key", "key_of", "require_keyring", "store_key"]

SERVICE = "e2a"
"""What the entries are of, as the keyring shows them."""
_NAME_OCTETS = 4
"""Tells the entries of several homes with one deployment apart."""


def require_keyring() -> None:
    """Raises `SettingsError` unless a key could be stored."""
    key_of("none", missing="")


def store_key(key: str, url: str) -> str:
    """Stores the key of a deployment, and returns the name of the entry. Raises `SettingsError`."""
    name = f"{url} {secrets.token_hex(_NAME_OCTETS)}"
    with _keyring() as keyring:
        keyring.set_password(SERVICE, name, key)
    if key_of(name, missing="") != key:
        # The backend `null` takes everything and keeps nothing.
        raise SettingsError(f"the system's keyring did not keep the key. {_INSTEAD}")
    return name


def key_of(name: str, *, missing: str | None = None) -> str:
    """The key of an entry, or `missing` if there is none. Raises `SettingsError`, also if neither is there."""
    with _keyring() as keyring:
        key = keyring.get_password(SERVICE, name)
    if key is None and missing is None:
        raise SettingsError(f"the system's keyring no longer has {name!r} of {SERVICE}: run `e2a login`")
    return key or missing or ""


def delete_key(name: str) -> None:
    """Deletes an entry, unless it is gone already. Raises `SettingsError`."""
    with _keyring() as keyring:
        if keyring.get_password(SERVICE, name) is not None:
            keyring.delete_password(SERVICE, name)


_INSTEAD = "Without --keyring, `e2a login` keeps the key in a file that you alone can read"


@contextmanager
def _keyring() -> Iterator[KeyringBackend]:
    """Turns what the package and the keyring itself raise into one line that says what to do."""
    if find_spec("keyring") is None:
        raise SettingsError(
            f"the system's keyring needs a package: pip install 'e2a-mcp[keyring]'. {_INSTEAD}"
        )
    import keyring
    from keyring.errors import KeyringError, NoKeyringError

    try:
        backend = keyring.get_keyring()
    except (ImportError, AttributeError, ValueError) as problem:
        raise SettingsError(
            f"the keyring that PYTHON_KEYRING_BACKEND names does not load: {problem}"
        ) from None
    try:
        yield backend
    except NoKeyringError:
        raise SettingsError(f"this machine has no keyring that e2a could use. {_INSTEAD}") from None
    except (KeyringError, OSError) as problem:
        said = str(problem) or type(problem).__name__
        raise SettingsError(f"the system's keyring refused: {said}. {_INSTEAD}") from None
