"""Exit statuses, as the command line of the public clients has them."""

from __future__ import annotations

from e2a_core.errors import E2AError

__all__ = [
    "CREDENTIALS",
    "EXPIRED",
    "FAILED",
    "HELD",
    "INTERRUPTED",
    "MISUSED",
    "PERMANENT",
    "UNKNOWN",
    "USAGE",
    "status_of",
]

FAILED = 1
"""What may pass: asking again can help."""
MISUSED = 2
"""The command line or a setting is wrong."""
HELD = 3
"""The message waits for a person."""
CREDENTIALS = 4
PERMANENT = 5
EXPIRED = 6
"""A wait ended without what was waited for."""
UNKNOWN = 7
"""The message was stored, and it failed or nobody knows what became of it: sending it again may send it twice."""
INTERRUPTED = 130
"""128 plus the number of SIGINT, as shells report it."""

USAGE = "usage"
"""Stands for the code of an error of the command line itself."""


def status_of(problem: E2AError) -> int:
    """The exit status for an error of the deployment."""
    if problem.code in {"unauthorized", "forbidden"}:
        return CREDENTIALS
    return FAILED if problem.retryable else PERMANENT
