"""The event log of an account, as its owner may read it and have it sent again."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

from e2a_core.agents.lookup import resolve_agent
from e2a_core.clock import from_micros, to_micros
from e2a_core.contract.base import Page
from e2a_core.contract.events import (
    DeliveryStatusJSON,
    EventQuery,
    EventView,
    InboxEventQuery,
    InboxEventView,
    RedeliverDelivery,
    RedeliverEventRequest,
    RedeliverView,
)
from e2a_core.contract.principal import Principal
from e2a_core.core import Core
from e2a_core.errors import Conflict, EventGone, NotFound
from e2a_core.messages.conditions import instant
from e2a_core.paging import paged
from e2a_core.push.catalogue import hidden_from_agents
from e2a_core.push.fanout import INTERNAL_TYPES
from e2a_core.store.statement import Row, Statement, first
from e2a_core.texts import is_storable, require_storable
from e2a_core.webhooks import delivery_queries, log_queries

__all__ = ["Events"]

SETTLED_AFTER = timedelta(seconds=10)
"""An event without deliveries at this age matched no webhook; a younger one may not have been looked at."""

NOT_MATCHED = (
    "the event did not match this webhook, which is decided when it happens: by its types and filters then"
)

_HIDDEN = sorted(INTERNAL_TYPES)
_Outcomes = Mapping[str, DeliveryStatusJSON]


class Events:
    """`engine.Events`; all but the list of an inbox for account credentials alone."""

    def __init__(self, core: Core, principal: Principal) -> None:
        self._core = core
        self._principal = principal

    async def list(self, query: EventQuery) -> Page[EventView]:
        self._principal.require_account()
        filters = self._filters(query, "type", "agent_email", "conversation_id", "message_id")
        found = await self._page(filters, query.cursor, query.limit)
        outcomes = await self._outcomes([row["id"] for row in found.items])
        items = [self._view(row, outcomes) for row in found.items]
        return Page(items=items, next_cursor=found.next_cursor)

    async def of_inbox(self, email: str, query: InboxEventQuery) -> Page[InboxEventView]:
        agent = await resolve_agent(self._core, self._principal, email)
        filters = {**self._filters(query, "type", "event_id"), "agent_email": agent.email}
        bound = self._principal.scope == "agent"
        if bound:
            # An inbox that had the address before is another agent's.
            filters["since"] = max(int(filters["since"] or 0), agent.created_at)
        found = await self._page(filters, query.cursor, query.limit)
        views = map(_inbox_view, found.items)
        items = [view for view in views if not (bound and hidden_from_agents(view))]
        return Page(items=items, next_cursor=found.next_cursor)

    async def get(self, event_id: str) -> EventView:
        row = await self._found(event_id)
        return self._view(row, await self._outcomes([row["id"]]))

    async def redeliver(self, event_id: str, request: RedeliverEventRequest) -> RedeliverView:
        """Sends the event again in the same octets; the answer comes before it arrives."""
        row = await self._found(event_id)
        rows = await self._core.db.read(log_queries.matched(row["id"]))
        matched = {item["id"]: bool(item["enabled"]) for item in rows}
        if not request.webhook_id:
            return await self._to_all(row, matched)
        if request.webhook_id not in matched:
            raise Conflict(NOT_MATCHED)
        delivery_id, statements = await self._again(row, request.webhook_id)
        await self._core.db.write(statements)
        return RedeliverView(
            event_id=row["id"], status="pending", webhook_id=request.webhook_id, delivery_id=delivery_id
        )

    async def _to_all(self, row: Row, matched: Mapping[str, bool]) -> RedeliverView:
        deliveries: list[RedeliverDelivery] = []
        statements: list[Statement] = []
        for webhook_id, enabled in matched.items():
            if not enabled:
                reason = "the webhook is disabled"
                deliveries.append(RedeliverDelivery(webhook_id=webhook_id, status="skipped", reason=reason))
                continue
            delivery_id, again = await self._again(row, webhook_id)
            statements += again
            deliveries.append(
                RedeliverDelivery(webhook_id=webhook_id, status="pending", delivery_id=delivery_id)
            )
        if statements:
            await self._core.db.write(statements)
        return RedeliverView(event_id=row["id"], status="scheduled", deliveries=deliveries)

    async def _again(self, row: Row, webhook_id: str) -> tuple[str, Sequence[Statement]]:
        """The id of a new delivery and what to write for it; that of one which waits already, and only its wake-up."""
        core, now = self._core, self._core.clock.now()
        wake = delivery_queries.wake(webhook_id, ids=core.ids, now=now)
        waiting = first(await core.db.read(log_queries.waiting(row["id"], webhook_id)))
        if waiting is not None:
            return waiting["id"], [wake]
        delivery_id = core.ids.delivery()
        delivery = delivery_queries.insert(
            delivery_id,
            webhook_id,
            kind="redelivery",
            type=row["type"],
            now=to_micros(now),
            event_id=row["id"],
            conversation_id=row["conversation_id"],
        )
        return delivery_id, [delivery, wake]

    async def _page(
        self, filters: Mapping[str, str | int | None], cursor: str | None, limit: int
    ) -> Page[Row]:
        return await paged(
            self._core,
            lambda after, count: log_queries.events(
                self._principal.account_id, filters, _HIDDEN, after, count
            ),
            query={"list": "events", **filters},
            cursor=cursor,
            limit=limit,
            view=lambda row: row,
        )

    def _filters(self, query: EventQuery | InboxEventQuery, *names: str) -> dict[str, str | int | None]:
        now = self._core.clock.now()
        given = {
            name: require_storable(getattr(query, name) or "", f"query.{name}") or None for name in names
        }
        return {
            **given,
            "since": instant(query.since, "query.since", now),
            "until": instant(query.until, "query.until", now),
        }

    async def _found(self, event_id: str) -> Row:
        """Raises `NotFound`, and `EventGone` for an event that is only still there because nobody swept yet."""
        self._principal.require_account()
        found = log_queries.event(self._principal.account_id, event_id, _HIDDEN)
        row = first(await self._core.db.read(found)) if is_storable(event_id) else None
        if row is None:
            raise NotFound("no such event")
        kept = timedelta(days=self._core.settings.event_retention_days)
        if from_micros(row["created_at"]) < self._core.clock.now() - kept:
            raise EventGone("the event is older than events are kept")
        return row

    async def _outcomes(self, event_ids: Sequence[str]) -> _Outcomes:
        counted: dict[str, dict[str, int]] = defaultdict(lambda: defaultdict(int))
        for row in await self._core.db.read(log_queries.outcomes(event_ids)) if event_ids else ():
            counted[row["event_id"]][row["status"]] += row["deliveries"]
            counted[row["event_id"]]["matched"] += row["matched"]
        return {
            id: DeliveryStatusJSON(
                matched_webhooks=found["matched"],
                delivered=found["delivered"],
                pending=found["pending"],
                failed=found["failed"],
            )
            for id, found in counted.items()
        }

    def _view(self, row: Row, outcomes: _Outcomes) -> EventView:
        outcome = outcomes.get(row["id"])
        created = from_micros(row["created_at"])
        return EventView(
            type=row["type"],
            id=row["id"],
            created_at=created,
            data=json.loads(row["data"]),
            status="processed" if outcome else self._unmatched(created),
            agent_email=row["agent_email"],
            conversation_id=row["conversation_id"],
            message_id=row["message_id"],
            delivery_status=outcome
            or DeliveryStatusJSON(matched_webhooks=0, delivered=0, pending=0, failed=0),
        )

    def _unmatched(self, created: datetime) -> str:
        return "no_match" if created < self._core.clock.now() - SETTLED_AFTER else "pending"


def _inbox_view(row: Row) -> InboxEventView:
    return InboxEventView(
        type=row["type"],
        id=row["id"],
        created_at=from_micros(row["created_at"]),
        data=json.loads(row["data"]),
        agent_email=row["agent_email"],
        conversation_id=row["conversation_id"],
        message_id=row["message_id"],
    )
