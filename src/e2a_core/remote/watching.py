"""New mail of another deployment, found by looking."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from e2a_core.clock import rfc3339
from e2a_core.errors import E2AError
from e2a_core.remote.mail import Messages
from e2a_core.wire.events import EventEnvelope
from e2a_core.wire.messages import MessageQuery, MessageSummaryView

__all__ = ["Watch"]

POLL_SECONDS = 2.0
"""How often one inbox is looked at: well below the reads a deployment allows per minute."""

INBOXES_AT_ONCE = 4
"""With more inboxes each is looked at more rarely, so that the reads stay as few."""

ROWS = 100


@dataclass
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
    """The arrivals in some inboxes from `begin` on; held mail that is let in later arrived before, and is not told."""

    def __init__(self, messages: Messages, inboxes: Sequence[str]) -> None:
        self._messages = messages
        self._inboxes = [_Inbox(email) for email in inboxes]

    async def begin(self) -> None:
        """Remember what is there already."""
        for inbox in self._inboxes:
            rows = await self._rows(inbox, sort="desc")
            inbox.unseen(rows[::-1])

    async def arrivals(self) -> AsyncIterator[EventEnvelope]:
        """`email.received` of each new message. What passes is waited out; what does not is raised."""
        pause = POLL_SECONDS * max(1.0, len(self._inboxes) / INBOXES_AT_ONCE)
        while True:
            wait = pause
            for inbox in self._inboxes:
                try:
                    rows = inbox.unseen(await self._rows(inbox, sort="asc"))
                except E2AError as problem:
                    if not problem.retryable:
                        raise
                    wait = max(wait, problem.retry_after_seconds or 0)
                    break
                for row in rows:
                    yield _received(inbox.email, row)
            await asyncio.sleep(wait)

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
