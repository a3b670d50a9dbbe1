"""Which subscriptions an event is for."""

from __future__ import annotations

from collections.abc import Sequence

from e2a_core.core import Core
from e2a_core.push.catalogue import DESCRIPTIONS, matches
from e2a_core.store.events import EventRecord
from e2a_core.store.statement import Statement
from e2a_core.subscriptions import queries
from e2a_core.subscriptions.rows import SubscriptionRow

__all__ = ["SubscriptionDistributor"]


class SubscriptionDistributor:
    """`push.fanout.Distributor`: asks for the work on each subscription that wants an event.

    The work itself reads the log from where the subscription is, so there is nothing to store for an event.
    """

    def __init__(self, core: Core) -> None:
        self._core = core

    async def statements(self, events: Sequence[EventRecord]) -> list[Statement]:
        now = self._core.clock.now()
        told = [event for event in events if event.type in DESCRIPTIONS]
        if not told:
            return []
        rows = await self._core.db.read(queries.active_of({event.account_id for event in told}, now))
        subscriptions = [SubscriptionRow.from_store(row) for row in rows]
        return [
            queries.wake(subscription.id, ids=self._core.ids, now=now)
            for subscription in subscriptions
            if any(_wants(subscription, event) for event in told)
        ]

    def written(self) -> None:
        """The job that was asked for is all that is needed."""


def _wants(subscription: SubscriptionRow, event: EventRecord) -> bool:
    return subscription.account_id == event.account_id and matches(event, subscription.filters)
