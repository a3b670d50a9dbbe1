"""Profiles: smaller lists of tools for a session that needs only some. What a session may do is its scope's matter."""

from __future__ import annotations

from collections.abc import Iterable

from e2a_core.errors import InvalidRequest
from e2a_mcp.tools import PROFILES

__all__ = ["asked_profiles", "in_profiles"]


def asked_profiles(values: Iterable[str]) -> frozenset[str]:
    """The profiles of a URL's `profile` parameters, each a comma list. Raises `InvalidRequest`."""
    names = frozenset(name.strip() for value in values for name in value.split(",") if name.strip())
    if not names <= PROFILES.keys():
        raise InvalidRequest(f"profile must be of {', '.join(PROFILES)}", location="query.profile")
    return names


def in_profiles(name: str, profiles: frozenset[str]) -> bool:
    """Whether the tool of this name is there; without any profile all are."""
    return not profiles or any(name in PROFILES[profile] for profile in profiles)
