"""Asks the person at the terminal before something is done that cannot be taken back at once."""

from __future__ import annotations

import sys

from e2a_core.errors import SettingsError
from e2a_core.visible import one_line

__all__ = ["confirmed"]


def confirmed(what: str, *, yes: bool, word: str = "yes") -> None:
    """Says what will happen and waits for `word`, unless `yes`.

    Raises `SettingsError` for another word, and where nobody can be asked.
    """
    if yes:
        return
    if not sys.stdin.isatty():
        raise SettingsError("--yes is needed where nobody can be asked")
    sys.stderr.write(f"{one_line(what)}\nType {one_line(word)} to go on: ")
    sys.stderr.flush()
    if sys.stdin.readline().strip() != word:
        raise SettingsError("nothing was changed")
