"""Bounds what a JSON text makes and what is said of it: in memory, `[[],[],...` takes a hundred times its octets."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

__all__ = ["MAX_JSON_VALUES", "MAX_PROBLEMS", "crowded_member", "holds_too_many_values"]

MAX_JSON_VALUES = 100_000
"""Values in one text. An import of 1,000 contacts with 50 members of metadata each has 53,000. The 13 million that fit
the largest body take half a minute and gigabytes."""
MAX_PROBLEMS = 200
"""Invalid values that are told one by one; a person reads fewer, and each takes as long as reading dozens."""


def holds_too_many_values(text: bytes) -> bool:
    """Returns True for JSON that holds more than `MAX_JSON_VALUES`. The text of strings does not count.

    A comma separates any two values, so a text with few commas, such as a file in base64, is not looked at further.
    """
    if text.count(b",") < MAX_JSON_VALUES:
        return False
    unescaped = text.replace(b"\\\\", b"").replace(b'\\"', b"")
    # A member has two strings of two quotes, its name and its value.
    pieces = unescaped.split(b'"', 4 * MAX_JSON_VALUES)
    if len(pieces) > 4 * MAX_JSON_VALUES:
        return True
    return sum(piece.count(b",") for piece in pieces[::2]) >= MAX_JSON_VALUES


def crowded_member(given: object) -> str | None:
    """Returns the name of the member of an object that holds most; None if that is the object itself."""
    if not isinstance(given, Mapping):
        return None
    sizes: dict[Any, int] = {
        name: len(value) for name, value in given.items() if isinstance(value, list | Mapping)
    }
    most = max(sizes, key=sizes.__getitem__, default=None)
    return most if most is not None and sizes[most] > len(given) else None
