"""What a plan allows, and from when a month's usage counts."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from ..clock import to_micros

__all__ = ["DEFAULT_LIMITS", "Limits", "month_start"]


@dataclass(frozen=True, slots=True)
class Limits:
    """The caps of one account; a request that would go beyond one is refused with `LimitExceeded`."""

    max_agents: int
    max_domains: int
    max_messages_month: int
    max_storage_bytes: int


DEFAULT_LIMITS = Limits(
    max_agents=1_000_000, max_domains=1_000_000, max_messages_month=1_000_000_000, max_storage_bytes=2**50
)
"""A deployment's owner pays for the machine, so these only bound what a runaway client can do."""


def month_start(now: datetime) -> int:
    """The first instant of the UTC calendar month of `now`, in microseconds."""
    return to_micros(now.replace(day=1, hour=0, minute=0, second=0, microsecond=0))
