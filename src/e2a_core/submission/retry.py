"""When to try a submission again: a pure function of what happened and when the message was accepted."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from e2a_core.submission.outcome import FailureKind, SubmissionResult

__all__ = ["MAX_ATTEMPTS", "Done", "GiveUp", "NextStep", "RetryAt", "next_step"]

# The wait after each attempt but the last: quick for greylisting, then patient.
_DELAYS = (
    timedelta(seconds=30),
    timedelta(minutes=2),
    timedelta(minutes=10),
    timedelta(hours=1),
    timedelta(hours=4),
)
MAX_ATTEMPTS = len(_DELAYS) + 1

_OUTAGE_DELAY = timedelta(minutes=5)
# Long enough to sit out a weekend, short enough that nobody is surprised by old mail.
PATIENCE = timedelta(hours=72)


@dataclass(frozen=True, slots=True)
class Done:
    """Nothing is left to try: every recipient's outcome is final."""


@dataclass(frozen=True, slots=True)
class RetryAt:
    """Submit again at `at`, to `recipients` only; that will be attempt `attempt`."""

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
    """What follows attempt number `attempt` (from 1) of a message accepted at `accepted_at`.

    An outage does not consume the attempt: the retry carries the same number. Unknown outcomes are final.
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
