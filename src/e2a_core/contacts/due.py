"""Telling that an agent wanted to act on a contact now: `contact.due`, once for each instant that was set."""

from __future__ import annotations

from contextlib import suppress
from datetime import datetime, timedelta
from typing import Any

from e2a_core.clock import from_micros, rfc3339, to_micros
from e2a_core.contacts import outreach
from e2a_core.contacts.views import engagement_view
from e2a_core.core import Core
from e2a_core.ids import Ids
from e2a_core.store import events
from e2a_core.store.jobs import Job, enqueue
from e2a_core.store.statement import Row, StaleWrite, Statement, first

__all__ = ["CONTACT_DUE_INTERVAL", "CONTACT_DUE_JOB", "ContactDue", "payload", "wake"]

CONTACT_DUE_JOB = "contact_due"
"""Tells of what is due, in the order of the instants. The whole deployment has one such job, due with the next one."""

CONTACT_DUE_INTERVAL = timedelta(hours=1)
"""Looks at least so often: an inbox that came back from the trash has contacts that nobody asked the job for."""

AT_ONCE = 100
"""Contacts told of before other jobs get their turn."""


def wake(due: datetime, *, ids: Ids, now: datetime) -> Statement:
    """Asks for the job at `due` at the latest; belongs in the write that sets the instant."""
    return enqueue(
        CONTACT_DUE_JOB,
        {},
        run_at=due,
        id=ids.job(),
        now=now,
        dedupe_key=f"every:{CONTACT_DUE_JOB}",
        again=True,
    )


class ContactDue:
    """Handles `CONTACT_DUE_JOB`. Of several processes that see the same contact due, one tells of it."""

    def __init__(self, core: Core) -> None:
        self._core = core

    async def __call__(self, job: Job) -> None:
        core = self._core
        for row in await core.db.read(outreach.due(to_micros(core.clock.now()), AT_ONCE)):
            await self._tell(row)
        found = first(await core.db.read(outreach.next_due()))
        if found is None or found["due_at"] is None:
            return
        again = max(from_micros(found["due_at"]), core.clock.now())
        await core.db.write(
            [job.retry(min(again, core.clock.now() + CONTACT_DUE_INTERVAL), "", count_attempt=False)]
        )

    async def _tell(self, due: Row) -> None:
        core = self._core
        row = first(await core.db.read(outreach.engagement(due["agent_email"], due["address"])))
        if row is None or row["next_action_at"] is None:
            return
        event = events.append(
            id=core.ids.event(),
            account_id=due["account_id"],
            type="contact.due",
            agent_email=due["agent_email"],
            data=payload(row),
            created_at=core.clock.now(),
        )
        # It was told of by another process, put off, or cleared.
        with suppress(StaleWrite):
            told = outreach.told(due["agent_email"], due["address"], row["next_action_at"])
            await core.db.write([told, *event])


def payload(row: Row) -> dict[str, Any]:
    """The `data` of the event; `row` is that of `outreach.engagement`."""
    view = engagement_view(row)
    data: dict[str, Any] = {
        "agent_email": view.agent_email,
        "address": view.address,
        "contact": view.contact.to_wire(),
        "stage": view.stage,
        "next_action_at": rfc3339(from_micros(row["next_action_at"])),
        "outbound_count": view.outbound_count,
        "replied": view.replied,
    }
    if view.last_outbound_at is not None:
        data["last_outbound_at"] = rfc3339(view.last_outbound_at)
    if view.last_conversation_id is not None:
        data["last_conversation_id"] = view.last_conversation_id
    return data
