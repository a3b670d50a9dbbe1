"""Modes of the files that hold mail or secrets: nobody but their owner may read them.

Windows has no such modes: there, access is that of the folder the file lies in.
"""

from __future__ import annotations

import os
import stat
from pathlib import Path

from e2a_core.errors import SettingsError

__all__ = ["FILE_MODE", "FOLDER_MODE", "create_private_file", "is_open_to_others", "make_private"]

FILE_MODE = 0o600
FOLDER_MODE = 0o700
_OTHERS = 0o077


def create_private_file(path: Path) -> None:
    """Creates an empty file that only its owner can read, unless one exists. Raises OSError."""
    os.close(os.open(path, os.O_RDWR | os.O_CREAT | getattr(os, "O_CLOEXEC", 0), FILE_MODE))


def is_open_to_others(path: Path) -> bool:
    """Returns True if the group or others may do something with `path`; False if it does not exist."""
    try:
        return os.name != "nt" and bool(path.stat().st_mode & _OTHERS)
    except FileNotFoundError:
        return False


def make_private(path: Path, mode: int) -> list[str]:
    """Takes from others what they may do with `path`, if it exists, and returns a sentence if that was something.

    Raises `SettingsError` if the mode cannot be changed, because the file is another user's.
    """
    if not is_open_to_others(path):
        return []
    found = stat.S_IMODE(path.stat().st_mode)
    try:
        path.chmod(mode)
    except OSError as problem:
        raise SettingsError(f"{path} has mode {found:04o}, must have {mode:04o}: {problem}") from None
    return [f"{path} had mode {found:04o} and now has {mode:04o}: other users may have read it"]
