"""The log of another deployment, read from an instant on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from e2a_core.clock import rfc3339
from e2a_core.contract.events import EventQuery, Events, InboxEventQuery, InboxEventView
from e2a_core.contract.rows import operations_of
from e2a_core.errors import EventGone, NotFound, NotImplementedHere
from e2a_core.remote.client import ApiClient
from e2a_core.remote.operations import perform
from e2a_core.remote.watching import Pace

__all__ = ["EventLog", "Stretch"]

PAGE = 100
PAGES = 3
"""Read at once. The API lists the newest first, so of more than that the first part is looked for."""
EVERY_PAGE = 1_000
KEPT = timedelta(days=31)
"""Longer than events are kept; from there on the first of many are looked for."""
SMALLEST = timedelta(milliseconds=1)
"""Deployments tell instants no finer than that; what happened within one is read whole."""


@dataclass(frozen=True, slots=True)
class Stretch:
    """Events of the log, oldest first; `more` says that there are later ones."""

    events: Sequence[InboxEventView]
    more: bool = False


class EventLog:
    """The events of inboxes, as a credential may read them: of each inbox, or all of the account.

    `account` may read the account's log; None if the credential is an agent's, which only newer deployments tell.
    """

    def __init__(self, api: ApiClient, account: ApiClient | None, pace: Pace) -> None:
        self._api = api
        self._account = account
        self._pace = pace
        self._rows = {row.name: row for row in operations_of(Events, "events")}

    async def offered(self) -> bool:
        return self._account is not None or await self._tells_inboxes()

    async def require(self) -> None:
        """Raises `NotImplementedHere` unless it is offered."""
        if not await self.offered():
            raise _lacking()

    async def newest(self, email: str, *, type: str | None, pages: int = 1) -> Sequence[InboxEventView]:
        """The newest events, newest first."""
        events, _ = await self._read(email, pages, type=type)
        return events

    async def since(self, email: str, type: str, instant: datetime | None) -> Stretch:
        """The first events from `instant` on: all, or a page at least."""
        events, whole = await self._read(email, PAGES, type=type, since=instant)
        if whole:
            return Stretch(events[::-1])
        few = instant or events[0].created_at - KEPT
        many = events[0].created_at
        while many - few > SMALLEST:
            middle = few + (many - few) / 2
            events, whole = await self._read(email, PAGES, type=type, since=instant, until=middle)
            if whole and len(events) >= PAGE:
                return Stretch(events[::-1], more=True)
            few, many = (middle, many) if whole else (few, middle)
        events, _ = await self._read(email, EVERY_PAGE, type=type, since=instant, until=many + SMALLEST)
        return Stretch(events[::-1], more=True)

    async def one(self, email: str, event_id: str) -> Sequence[InboxEventView]:
        """The event with this id, if the inbox has it."""
        if self._account is None or await self._tells_inboxes():
            return (await self._read(email, 1, event_id=event_id))[0]
        try:
            found: InboxEventView = await perform(self._account, self._rows["get"], {"event_id": event_id})
        except (EventGone, NotFound):
            return ()
        return [found] if found.agent_email == email else ()

    async def _read(
        self,
        email: str,
        pages: int,
        *,
        since: datetime | None = None,
        until: datetime | None = None,
        **given: str | None,
    ) -> tuple[list[InboxEventView], bool]:
        """Events, newest first, and whether that is all."""
        given["since"] = None if since is None else rfc3339(since)
        given["until"] = None if until is None else rfc3339(until)
        found: list[InboxEventView] = []
        for _ in range(pages):
            await self._pace.turn()
            page = await self._page(email, {**given, "limit": PAGE})
            found += page.items
            if not page.next_cursor:
                return found, True
            given["cursor"] = page.next_cursor
        return found, False

    async def _page(self, email: str, given: dict[str, Any]) -> Any:
        if await self._tells_inboxes():
            asked = {"email": email, "query": InboxEventQuery.model_validate(given)}
            return await perform(self._api, self._rows["of_inbox"], asked)
        if self._account is None:
            raise _lacking()
        query = EventQuery.model_validate({**given, "agent_email": email})
        return await perform(self._account, self._rows["list"], {"query": query})

    async def _tells_inboxes(self) -> bool:
        row = self._rows["of_inbox"]
        return await self._api.taken(row.method, row.template) is not None


def _lacking() -> NotImplementedHere:
    return NotImplementedHere(
        "this deployment has no log of events for the key of an agent; wait_for_message tells of new mail"
    )
