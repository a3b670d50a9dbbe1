"""When to retry a submission, as a pure function of its result and of when the message was accepted."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from e2a_core.submission.outcome import FailureKind, SubmissionResult

__all__ = ["MAX_ATTEMPTS", "Done", "GiveUp", "NextStep", "RetryAt", "next_step"]

_DELAYS = (
    timedelta(seconds=30),
    timedelta(minutes=2),
    timedelta(minutes=10),
    timedelta(hours=1),
    timedelta(hours=4),
)
"""The wait after each attempt but the last: short at first for greylisting, then longer."""
MAX_ATTEMPTS = len(_DELAYS) + 1

_OUTAGE_DELAY = timedelta(minutes=5)
PATIENCE = timedelta(hours=72)
"""Long enough for an outage over a weekend, short enough that recipients do not get outdated mail."""


@dataclass(frozen=True, slots=True)
class Done:
    """The outcome of every recipient is final."""


@dataclass(frozen=True, slots=True)
class RetryAt:
    """Submit again at `at`, to `recipients` only, as attempt number `attempt`."""

    at: datetime
    recipients: tuple[str, ...]
    attempt: int


@dataclass(frozen=True, slots=True)
class GiveUp:
    """The failures of `recipients` are now final; `reason` says which limit was reached."""

    recipients: tuple[str, ...]
    reason: str


NextStep = Done | RetryAt | GiveUp


def next_step(attempt: int, result: SubmissionResult, accepted_at: datetime, now: datetime) -> NextStep:
    """Returns what follows attempt number `attempt` (from 1) of a message accepted at `accepted_at`.

    An outage does not use up the attempt: the retry has the same number. Unknown outcomes are final.
    """
    if attempt < 1:
        raise ValueError("attempts are counted from 1")
    pending = result.to_retry
    if not pending:
        return Done()
    recipients = tuple(item.address for item in pending)
    if all(item.kind is FailureKind.OUTAGE for item in pending):
        delay, following = _OUTAGE_DELAY, attempt
    elif attempt >= MAX_ATTEMPTS:
        return GiveUp(recipients, f"not accepted in {MAX_ATTEMPTS} attempts")
    else:
        delay, following = _DELAYS[attempt - 1], attempt + 1
    if now + delay > accepted_at + PATIENCE:
        return GiveUp(recipients, f"not accepted within {PATIENCE // timedelta(hours=1)} hours")
    return RetryAt(now + delay, recipients, following)
