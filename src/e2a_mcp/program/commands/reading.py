"""Reads what a command is given in files and on standard input."""

from __future__ import annotations

import sys
from pathlib import Path

from e2a_core.errors import SettingsError

__all__ = ["STANDARD_INPUT", "octets_of", "text_of"]

STANDARD_INPUT = Path("-")
MAX_OCTETS = 64 * 1024 * 1024
"""More than any request holds."""


def text_of(path: Path) -> str:
    """The text of a file in UTF-8, or of standard input for `-`. Raises `SettingsError`."""
    try:
        return octets_of(path).decode("utf-8")
    except UnicodeDecodeError:
        raise SettingsError(f"{path} must be text in UTF-8") from None


def octets_of(path: Path) -> bytes:
    """Raises `SettingsError` for what cannot be read, and for more than any request holds."""
    try:
        if path == STANDARD_INPUT:
            octets = sys.stdin.buffer.read(MAX_OCTETS + 1)
        else:
            with path.open("rb") as file:
                octets = file.read(MAX_OCTETS + 1)
    except OSError as problem:
        raise SettingsError(f"{path} cannot be read: {problem.strerror}") from None
    if len(octets) > MAX_OCTETS:
        raise SettingsError(f"{path} is larger than {MAX_OCTETS} octets")
    return octets
