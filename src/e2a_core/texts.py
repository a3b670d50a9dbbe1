"""Checks text from callers for characters that the databases cannot store."""

from __future__ import annotations

from e2a_core.errors import InvalidRequest

__all__ = ["is_storable", "require_storable"]


def is_storable(text: str) -> bool:
    """Returns True if `text` contains neither NUL, which PostgreSQL refuses, nor lone surrogates."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return "\x00" not in text


def require_storable(text: str, location: str) -> str:
    """Returns `text`. Raises `InvalidRequest` naming `location` if it cannot be stored."""
    if not is_storable(text):
        raise InvalidRequest("must not contain NUL or lone surrogates", location=location)
    return text
