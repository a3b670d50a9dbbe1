"""A command during which the user presses Ctrl-C."""

from __future__ import annotations

__all__ = ["wait"]


def wait() -> int:
    raise KeyboardInterrupt
