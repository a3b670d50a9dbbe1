"""Posts what a subscription wants, one event after the other, from where it is in the log."""

from __future__ import annotations

from collections import deque
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from e2a_core.accounts.sealing import valid_secrets
from e2a_core.agents.lookup import resolve_agent
from e2a_core.clock import from_micros, to_micros
from e2a_core.contract.principal import Principal, Scope
from e2a_core.core import Core
from e2a_core.errors import Forbidden, NotFound
from e2a_core.observer import Observer
from e2a_core.push.catalogue import matches
from e2a_core.push.cursors import Cursors, Place
from e2a_core.push.post import Answer, Endpoint, Poster
from e2a_core.store.event_feed import EventFeed
from e2a_core.store.events import EventFilter, EventRecord, events_after
from e2a_core.store.jobs import Job
from e2a_core.store.statement import StaleWrite, Statement, first
from e2a_core.subscriptions import queries
from e2a_core.subscriptions.rows import SubscriptionRow
from e2a_core.subscriptions.signed import control_body, event_body, gap_id, signed_headers
from e2a_core.subscriptions.verify import POST_SECONDS, category

__all__ = ["SUBSCRIPTIONS", "WAITS", "Deliver"]

SUBSCRIPTIONS = 256
"""Subscriptions worked on at once in a process. Each waits for its own callback only."""
TURN = 100
"""Requests to one callback before others get their turn."""
PAGE = 200
"""Events read at once."""

WAITS = (timedelta(seconds=30), timedelta(minutes=2), timedelta(minutes=10))
"""Before each further attempt; then the subscription is suspended."""
LONGEST_PAUSE = timedelta(hours=1)
"""Of what a callback may ask for by `Retry-After`."""
GONE_IN_A_ROW = 5
"""Events answered with `GONE` before a subscription is suspended."""
GONE = 410
GIVEN_UP = frozenset({GONE, 413})
"""Statuses that end the delivery of an event at once: Gone, and Content Too Large (RFC 9110 section 15.5)."""

IDLE = timedelta(hours=1)
"""A subscription for which nothing happened moves on after this, so that its position is never taken for too old."""

FORBIDDEN = -32024
"""The number of Forbidden in SEP-3415, whose clients alone understand `terminated`."""


@dataclass(frozen=True, slots=True)
class _Item:
    """One body to send, the position once it arrived, and when the event happened that it tells of."""

    webhook_id: str
    body: bytes
    place: Place
    happened_at: datetime | None = None


class Deliver:
    """Handles `queries.SUBSCRIPTION_JOB`: at most one process works on a subscription at a time."""

    def __init__(self, core: Core, feed: EventFeed, observer: Observer) -> None:
        self._core = core
        self._observer = observer
        self._feed = feed
        self._poster = Poster(core, seconds=POST_SECONDS)

    async def __call__(self, job: Job) -> None:
        id = str(job.payload["subscription_id"])
        found = first(await self._core.db.read(queries.one(id)))
        if found is None:
            return
        # The lease was lost, or the subscription was deleted or refreshed: the next run sees what is true then.
        with suppress(StaleWrite):
            async with self._poster.endpoint(found["url"]) as endpoint:
                await _Turn(self._core, self._feed, job, id, endpoint, self._observer).run()


class _Turn:
    """Some requests to one callback."""

    def __init__(
        self, core: Core, feed: EventFeed, job: Job, id: str, endpoint: Endpoint, observer: Observer
    ) -> None:
        self._core = core
        self._feed = feed
        self._job = job
        self._id = id
        self._endpoint = endpoint
        self._observer = observer
        self._ahead: deque[EventRecord] = deque()
        self._place: Place | None = None  # `ahead` is what follows it

    async def run(self) -> None:
        for _ in range(TURN):
            row = await self._sendable()
            if row is None or (item := await self._next(row)) is None:
                return
            answer = await self._post(row, item.webhook_id, item.body)
            now = self._core.clock.now()
            if answer.ok and item.happened_at is not None:
                self._observer.arrival("subscription", (now - item.happened_at).total_seconds())
            await self._core.db.write([*self._recorded(row, item, answer, now), self._job.confirm()])
        await self._core.db.write([self._job.retry(self._core.clock.now(), "", count_attempt=False)])

    async def _sendable(self) -> SubscriptionRow | None:
        """The subscription as it is now, if it may be sent something now. One that has lost its right is ended."""
        now = self._core.clock.now()
        found = first(await self._core.db.read(queries.one(self._id)))
        row = None if found is None else SubscriptionRow.from_store(found)
        if row is None or not row.active:
            return None
        if row.expired(now):
            await self._core.db.write([queries.delete_expired(now, row.id)])
            return None
        if not await self._permitted(row, now):
            await self._end(row)
            return None
        if (due := from_micros(row.due_at)) > now:
            await self._core.db.write([self._job.retry(due, "", count_attempt=False)])
            return None
        return row

    async def _permitted(self, row: SubscriptionRow, now: datetime) -> bool:
        """Whether the credential is still valid and may still read the inbox."""
        if row.key_id and not await self._core.db.read(queries.valid_key(row.key_id, now)):
            return False
        scope: Scope = "agent" if row.scope == "agent" else "account"
        bound = row.filters.agent_email if scope == "agent" else None
        principal = Principal(row.account_id, "", scope, bound, row.key_id or "")
        try:
            await resolve_agent(self._core, principal, row.filters.agent_email)
        except (Forbidden, NotFound):
            return False
        return True

    async def _end(self, row: SubscriptionRow) -> None:
        if row.controls:
            error = {"code": FORBIDDEN, "message": "Forbidden", "data": {"reason": "the access was revoked"}}
            webhook_id = self._core.ids.new("msg_terminated")
            await self._post(row, webhook_id, control_body("terminated", error=error))
        await self._core.db.write([queries.delete(row.account_id, row.id)])

    async def _next(self, row: SubscriptionRow) -> _Item | None:
        """What is to be sent after the row's position; None at the end of the log."""
        cursors = Cursors(self._core, row.account_id)
        if cursors.gone(row.place):
            # What follows is there for some time yet. What was before is not, whether it mattered or not.
            kept = timedelta(days=self._core.settings.event_retention_days)
            place = Place(row.place.position, self._core.clock.now() - kept + IDLE)
            if row.controls:
                return _Item(gap_id(row), control_body("gap", cursor=cursors.text(place)), place)
            await self._core.db.write([queries.move(row, place, {}), self._job.confirm()])
            row = replace(row, place=place)
        if row.place != self._place:
            self._ahead.clear()
        if not self._ahead and not await self._read_on(row):
            return None
        event = self._ahead.popleft()
        self._place = Place(event.position, event.created_at)
        return _Item(event.id, event_body(event, cursors.text(self._place)), self._place, event.created_at)

    async def _read_on(self, row: SubscriptionRow) -> bool:
        """Reads on to the next wanted events; False at the end of the log."""
        wanted, place, rows = row.filters, row.place, PAGE
        stored = EventFilter(row.account_id, wanted.agent_email, frozenset({wanted.name}))
        while rows == PAGE:
            present = Place((await self._feed.now()).position, self._core.clock.now())
            found = await self._core.db.read(events_after(place.position, stored, PAGE))
            events = [EventRecord.from_row(item) for item in found]
            self._ahead += [event for event in events if _wants(row, event)]
            if self._ahead:
                return True
            rows = len(events)
            last = Place(events[-1].position, events[-1].created_at) if events else place
            place = last if rows == PAGE else Place(max(last.position, present.position), present.at)
        if place.at - row.place.at >= IDLE:
            await self._core.db.write([queries.move(row, place, {}), self._job.confirm()])
        return False

    async def _post(self, row: SubscriptionRow, webhook_id: str, body: bytes) -> Answer:
        now = self._core.clock.now()
        secrets = valid_secrets(row, self._core.secrets, now)
        started = self._core.clock.monotonic()
        answer = await self._endpoint.post(body, signed_headers(row.id, webhook_id, body, secrets, now))
        self._observer.callback("subscription", answer.outcome, self._core.clock.monotonic() - started)
        return answer

    def _recorded(self, row: SubscriptionRow, item: _Item, answer: Answer, now: datetime) -> list[Statement]:
        at = to_micros(now)
        if answer.ok:
            told = {
                "attempts": 0,
                "gone": 0,
                "last_delivery_at": at,
                "last_error": None,
                "failed_since": None,
            }
            return [queries.move(row, item.place, told)]
        failed: dict[str, Any] = {"last_error": category(answer), "failed_since": row.failed_since or at}
        if answer.status in GIVEN_UP:
            gone = row.gone + 1 if answer.status == GONE else row.gone
            failed |= {"attempts": 0, "gone": gone, "active": int(gone < GONE_IN_A_ROW)}
            return [queries.move(row, item.place, failed, failed=True)]
        failed["attempts"] = row.attempts + 1
        if row.attempts < len(WAITS):
            asked = min(answer.retry_after or timedelta(), LONGEST_PAUSE)
            failed["due_at"] = to_micros(now + max(WAITS[row.attempts], asked))
        else:
            failed["active"] = 0
        return [queries.move(row, row.place, failed, failed=True)]


def _wants(row: SubscriptionRow, event: EventRecord) -> bool:
    recent = row.since is None or to_micros(event.created_at) >= row.since
    return recent and matches(event, row.filters)
