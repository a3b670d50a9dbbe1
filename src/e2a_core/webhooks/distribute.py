"""Which webhooks an event is for."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence

from e2a_core.clock import to_micros
from e2a_core.core import Core
from e2a_core.store.events import EventRecord
from e2a_core.store.statement import Statement
from e2a_core.webhooks import delivery_queries as queries
from e2a_core.webhooks.bells import Bells
from e2a_core.webhooks.rows import WebhookRow

__all__ = ["WebhookDistributor", "matches"]


class WebhookDistributor:
    """`push.fanout.Distributor`: writes a delivery for each event and each enabled webhook that wants it."""

    def __init__(self, core: Core, bells: Bells) -> None:
        self._core = core
        self._bells = bells
        self._woken: Collection[str] = ()

    async def statements(self, events: Sequence[EventRecord]) -> list[Statement]:
        self._woken = ()
        rows = await self._core.db.read(queries.enabled_of({event.account_id for event in events}))
        if not rows:
            return []
        webhooks = defaultdict(list)
        for row in rows:
            webhooks[row["account_id"]].append(WebhookRow.from_store(row))
        labels = await self._labels(events, rows=[item for found in webhooks.values() for item in found])
        statements: list[Statement] = []
        woken: dict[str, None] = {}
        for event in events:
            for webhook in webhooks[event.account_id]:
                if matches(webhook, event, labels.get(event.message_id or "", ())):
                    statements.append(self._delivery(webhook, event))
                    woken[webhook.id] = None
        now = self._core.clock.now()
        self._woken = woken
        return statements + [queries.wake(id, ids=self._core.ids, now=now) for id in woken]

    def written(self) -> None:
        self._bells.ring(self._woken)

    def _delivery(self, webhook: WebhookRow, event: EventRecord) -> Statement:
        return queries.insert(
            self._core.ids.delivery(),
            webhook.id,
            kind="first",
            type=event.type,
            now=to_micros(self._core.clock.now()),
            event_id=event.id,
            conversation_id=event.conversation_id or event.data.get("thread_id"),
        )

    async def _labels(
        self, events: Sequence[EventRecord], *, rows: Sequence[WebhookRow]
    ) -> Mapping[str, Collection[str]]:
        """The labels of the events' messages and threads, if any webhook asks for labels."""
        found: dict[str, set[str]] = defaultdict(set)
        ids = {event.message_id for event in events if event.message_id}
        if ids and any("labels" in webhook.filters for webhook in rows):
            for row in await self._core.db.read(queries.labels_of(ids)):
                found[row["message_id"]].add(row["label"])
        return found


def matches(webhook: WebhookRow, event: EventRecord, labels: Collection[str]) -> bool:
    """Whether the webhook wants the event: its type, and one value of each kind of filter that it has.

    An event without the attribute that a filter is about does not match. Events from before the webhook do not either.
    """
    if event.type not in webhook.events or to_micros(event.created_at) < webhook.created_at:
        return False
    values: Mapping[str, Collection[str | None]] = {
        "agent_emails": (event.agent_email,),
        "conversation_ids": (event.conversation_id,),
        "labels": labels,
    }
    return all(not wanted.isdisjoint(values[name]) for name, wanted in webhook.filters.items())
