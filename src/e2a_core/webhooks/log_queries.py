"""SQL over the event log as the API shows it, with what came of each event."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from e2a_core.paging import Position, newest_first
from e2a_core.store.statement import Statement, in_list

__all__ = ["event", "events", "matched", "outcomes", "waiting"]

_COLUMNS = "id, type, agent_email, conversation_id, message_id, data, created_at"
_FILTERS = {
    "type": "type = :type",
    "agent_email": "agent_email = :agent_email",
    "conversation_id": "conversation_id = :conversation_id",
    "message_id": "message_id = :message_id",
    "event_id": "id = :event_id",
    "since": "created_at >= :since",
    "until": "created_at < :until",
}


def events(
    account_id: str, filters: Mapping[str, Any], hidden: Sequence[str], after: Position | None, count: int
) -> Statement:
    """The account's events, newest first; `since` and `until` are microseconds. Types in `hidden` are left out."""
    given = {name: value for name, value in filters.items() if value is not None}
    names, params = in_list("hidden", hidden)
    where = "".join(f" AND {_FILTERS[name]}" for name in given)
    text = f"SELECT {_COLUMNS} FROM events WHERE account_id = :account AND type NOT IN ({names}){where}"
    return newest_first(text, {"account": account_id, **given, **params}, after, count)


def event(account_id: str, event_id: str, hidden: Sequence[str]) -> Statement:
    names, params = in_list("hidden", hidden)
    return Statement(
        f"SELECT {_COLUMNS} FROM events WHERE account_id = :account AND id = :id AND type NOT IN ({names})",
        {"account": account_id, "id": event_id, **params},
        by_key=True,
    )


def outcomes(event_ids: Sequence[str]) -> Statement:
    """One row for each event and status of its deliveries, and how many webhooks it matched."""
    names, params = in_list("event", event_ids)
    return Statement(
        "SELECT event_id, status, COUNT(*) AS deliveries, COUNT(CASE WHEN kind = 'first' THEN 1 END) AS matched"
        f" FROM webhook_deliveries WHERE event_id IN ({names}) GROUP BY event_id, status",
        params,
        by_key=True,
    )


def matched(event_id: str) -> Statement:
    """The webhooks that the event matched and that still exist, in the order of the first deliveries."""
    return Statement(
        "SELECT w.id, w.enabled FROM webhook_deliveries d JOIN webhooks w ON w.id = d.webhook_id"
        " WHERE d.event_id = :event AND d.kind = 'first' ORDER BY d.seq",
        {"event": event_id},
        by_key=True,
    )


def waiting(event_id: str, webhook_id: str) -> Statement:
    """The redelivery of the event to the webhook that has not arrived, if any."""
    return Statement(
        "SELECT id FROM webhook_deliveries WHERE event_id = :event AND webhook_id = :webhook"
        " AND kind = 'redelivery' AND status = 'pending'",
        {"event": event_id, "webhook": webhook_id},
        by_key=True,
    )
