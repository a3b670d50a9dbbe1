"""Profiles: shorter lists of tools for sessions that need only some. They grant nothing; the scope decides that."""

from __future__ import annotations

from collections.abc import Iterable

from e2a_core.errors import InvalidRequest
from e2a_mcp.tools import PROFILES

__all__ = ["asked_profiles", "in_profiles"]


def asked_profiles(values: Iterable[str]) -> frozenset[str]:
    """Returns the profiles in a URL's `profile` parameters, each a comma list.

    Raises `InvalidRequest` if one does not exist.
    """
    names = frozenset(name.strip() for value in values for name in value.split(",") if name.strip())
    if not names <= PROFILES.keys():
        raise InvalidRequest(f"profile must be of {', '.join(PROFILES)}", location="query.profile")
    return names


def in_profiles(name: str, profiles: frozenset[str]) -> bool:
    """Returns True if one of `profiles` has the tool, or if `profiles` is empty."""
    return not profiles or any(name in PROFILES[profile] for profile in profiles)
