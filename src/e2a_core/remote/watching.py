"""New mail of another deployment, found by looking: at once when its bell rings, and else from time to time."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator, AsyncIterator, Collection, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from e2a_core.clock import Clock, rfc3339
from e2a_core.contract.events import EventEnvelope
from e2a_core.contract.message_views import MessageSummaryView
from e2a_core.contract.messages import MessageQuery, Messages
from e2a_core.errors import E2AError, NotFound
from e2a_core.remote.doorbell import Bell

__all__ = ["Pace", "Watch", "occasions"]

_log = logging.getLogger(__name__)

POLL_SECONDS = 1.0
"""How soon one inbox is looked at again: who waits for a code should not wait much longer than it took to come."""

HEARD_SECONDS = 30.0
"""Between looks at inboxes whose bell would ring, in case it did not."""

LOOK_SECONDS = 0.5
"""Between two looks with one credential, whatever it watches: half of the 240 reads a minute a deployment grants."""

ROWS = 100


class Pace:
    """Turns for all the watches of one credential: each gets as many, and together they stay within its reads."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self.next_turn = float("-inf")

    async def turn(self) -> None:
        now = self._clock.monotonic()
        at = max(now, self.next_turn)
        self.next_turn = at + LOOK_SECONDS
        await asyncio.sleep(at - now)


async def occasions(bell: Bell, pace: Pace) -> AsyncGenerator[None]:
    """Yields when it is time to look for what the bell is for, each time in its turn."""
    while True:
        await bell.wait(HEARD_SECONDS if bell.reliable else POLL_SECONDS)
        await pace.turn()
        # What rings from here on may come after the look.
        bell.rung.clear()
        yield


@dataclass(eq=False)
class _Inbox:
    """How far an inbox has been seen, by the deployment's own clock."""

    email: str
    since: datetime | None = None
    seen: set[str] = field(default_factory=set)

    def unseen(self, rows: Sequence[MessageSummaryView]) -> list[MessageSummaryView]:
        """The rows that are new; `rows` begin at `since`, oldest first."""
        new = [row for row in rows if row.id not in self.seen]
        if rows:
            self.since = rows[-1].created_at
            self.seen = {row.id for row in rows if row.created_at == self.since}
        return new


class Watch:
    """The arrivals in some inboxes from `begin` on; held mail that is let in later arrived before, and is not told.

    An inbox that is gone is watched no longer; with the last of them the watch ends.
    """

    def __init__(self, messages: Messages, inboxes: Collection[str], pace: Pace, bell: Bell) -> None:
        self._messages = messages
        self._inboxes = [_Inbox(email) for email in inboxes]
        self._pace = pace
        self._bell = bell

    async def begin(self) -> None:
        """Remember what is there already. Raises `NotFound` when no inbox is there, and what the deployment refuses."""
        for inbox in list(self._inboxes):
            try:
                rows = await self._rows(inbox, sort="desc")
            except NotFound as problem:
                self._drop(inbox, problem)
            else:
                inbox.unseen(rows[::-1])

    async def arrivals(self) -> AsyncIterator[EventEnvelope]:
        """`email.received` of each new message. What passes is waited out; what does not is raised."""
        while True:
            # What rings from here on may come after the look.
            self._bell.rung.clear()
            wait = HEARD_SECONDS if self._bell.reliable else POLL_SECONDS
            for inbox in list(self._inboxes):
                await self._pace.turn()
                try:
                    rows = inbox.unseen(await self._rows(inbox, sort="asc"))
                except NotFound as problem:
                    self._drop(inbox, problem)
                    continue
                except E2AError as problem:
                    if not problem.retryable:
                        raise
                    await asyncio.sleep(max(POLL_SECONDS, problem.retry_after_seconds or 0))
                    self._bell.rung.set()
                    break
                for row in rows:
                    yield _received(inbox.email, row)
            await self._bell.wait(wait)

    def _drop(self, inbox: _Inbox, problem: NotFound) -> None:
        _log.warning("%s is watched no longer: %s", inbox.email, problem)
        self._inboxes.remove(inbox)
        if not self._inboxes:
            raise problem

    async def _rows(self, inbox: _Inbox, *, sort: str) -> list[MessageSummaryView]:
        query = MessageQuery.model_validate(
            {
                "direction": "inbound",
                "read_status": "all",
                "since": None if inbox.since is None else rfc3339(inbox.since),
                "sort": sort,
                "limit": ROWS,
            }
        )
        return (await self._messages.list(inbox.email, query)).items


def _received(email: str, row: MessageSummaryView) -> EventEnvelope:
    data = {"message_id": row.id, "agent_email": email, "direction": "inbound", "subject": row.subject}
    if row.conversation_id:
        data["conversation_id"] = row.conversation_id
    return EventEnvelope(type="email.received", id=f"seen_{row.id}", created_at=row.created_at, data=data)
