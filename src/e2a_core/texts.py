"""Text that callers give: what no database can hold is refused here, alike on each."""

from __future__ import annotations

from e2a_core.errors import InvalidRequest

__all__ = ["is_storable", "require_storable"]


def is_storable(text: str) -> bool:
    """Whether `text` is free of NUL, which PostgreSQL refuses, and of lone surrogates, which are no characters."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return "\x00" not in text


def require_storable(text: str, location: str) -> str:
    """`text` itself. Raises `InvalidRequest` for the value at `location` unless it can be stored."""
    if not is_storable(text):
        raise InvalidRequest("must not contain NUL or lone surrogates", location=location)
    return text
