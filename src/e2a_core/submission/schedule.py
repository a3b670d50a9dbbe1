"""Mail that is to leave later: what may be asked for, and when its submission is due."""

from __future__ import annotations

from datetime import datetime, timedelta

from e2a_core.clock import to_micros
from e2a_core.errors import InvalidRequest
from e2a_core.submission.draft import Draft

__all__ = ["due_at", "schedule"]

MAX_AHEAD = timedelta(days=90)
"""What is planned for later than that belongs in a calendar, not in a mail queue."""


def schedule(draft: Draft, send_at: datetime | None, now: datetime, *, self_send: bool) -> None:
    """Have the draft wait until `send_at`, or not at all when that is None or has passed.

    Raises `InvalidRequest` for an instant too far away, and for mail from an agent to itself, which is delivered
    rather than submitted.
    """
    if send_at is None or send_at <= now:
        return
    if send_at - now > MAX_AHEAD:
        raise InvalidRequest(f"must lie at most {MAX_AHEAD.days} days ahead", location="body.send_at")
    if self_send:
        raise InvalidRequest("mail to the agent itself cannot be scheduled", location="body.send_at")
    draft.send_at = to_micros(send_at)


def due_at(draft: Draft, now: int) -> int:
    """When the message may be submitted: `now`, unless its instant is still to come."""
    return max(now, draft.send_at or now)
