"""The event log, the one source of every push: webhooks, WebSocket, MCP subscriptions and waiters.

`append` adds an event to the write that changes the state it tells of. `EventFeed` tails the table: one reader per
process looks after each commit and wakes the subscribers. A subscriber pulls at its own pace, from the newest
events in memory while it keeps up and from the table when it does not, so a slow one costs no memory.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from e2a_core.clock import from_micros, to_micros
from e2a_core.store.statement import Row, Statement, in_list, sql

__all__ = ["EventFilter", "EventRecord", "append", "events_after", "latest"]

_LOCK_KEY = 0x0E2A0002  # any number; the same in every replica

_COLUMNS = "seq, id, account_id, type, agent_email, conversation_id, message_id, data, created_at"

_APPEND = (
    "INSERT INTO events (id, account_id, type, agent_email, conversation_id, message_id, data, created_at)"
    " VALUES (:id, :account_id, :type, :agent_email, :conversation_id, :message_id, :data, :created_at)"
    " ON CONFLICT (id) DO NOTHING"
)
# Whoever appends takes turns until its commit: otherwise a lower seq could become visible after a higher one, and a
# feed that has passed the higher would never see it. SQLite has one writer anyway.
_APPEND_POSTGRESQL = f"""
    WITH turn AS MATERIALIZED (SELECT pg_advisory_xact_lock({_LOCK_KEY}))
    INSERT INTO events (id, account_id, type, agent_email, conversation_id, message_id, data, created_at)
    SELECT :id, :account_id, :type, :agent_email, :conversation_id, :message_id, :data, CAST(:created_at AS BIGINT)
    FROM turn
    ON CONFLICT (id) DO NOTHING
    RETURNING seq, pg_notify('e2a_events', '')
"""


@dataclass(frozen=True, slots=True)
class EventRecord:
    """One event as stored. `seq` ascends in the order of commits; subscribers share `data` and must not change it."""

    seq: int
    id: str
    account_id: str
    type: str
    agent_email: str | None
    conversation_id: str | None
    message_id: str | None
    data: Mapping[str, Any]
    created_at: datetime

    @classmethod
    def from_row(cls, row: Row) -> EventRecord:
        return cls(**{**row, "data": json.loads(row["data"]), "created_at": from_micros(row["created_at"])})


@dataclass(frozen=True, slots=True)
class EventFilter:
    """Which events are wanted; None means any."""

    account_id: str | None = None
    agent_email: str | None = None
    types: frozenset[str] | None = None

    def matches(self, event: EventRecord) -> bool:
        return (
            (self.account_id is None or event.account_id == self.account_id)
            and (self.agent_email is None or event.agent_email == self.agent_email)
            and (self.types is None or event.type in self.types)
        )


def append(
    *,
    id: str,
    account_id: str,
    type: str,
    data: Mapping[str, Any],
    created_at: datetime,
    agent_email: str | None = None,
    conversation_id: str | None = None,
    message_id: str | None = None,
) -> list[Statement]:
    """The statements that append an event; one whose id exists already is left as it is.

    Put them last in their write: on PostgreSQL other appending writes wait from here to the commit.
    """
    params = {
        "id": id,
        "account_id": account_id,
        "type": type,
        "agent_email": agent_email,
        "conversation_id": conversation_id,
        "message_id": message_id,
        "data": json.dumps(data, ensure_ascii=False, separators=(",", ":")),
        "created_at": to_micros(created_at),
    }
    return [Statement(_APPEND, params, _APPEND_POSTGRESQL, by_key=True)]


def latest() -> Statement:
    """Reads the newest `seq`, 0 for an empty log."""
    return sql("SELECT COALESCE(MAX(seq), 0) AS seq FROM events", by_key=True)


def events_after(position: int, wanted: EventFilter, limit: int) -> Statement:
    """Reads at most `limit` events after `position`, oldest first."""
    conditions = ["seq > :position"]
    params: dict[str, Any] = {"position": position, "limit": limit}
    if wanted.account_id is not None:
        conditions.append("account_id = :account_id")
        params["account_id"] = wanted.account_id
    if wanted.agent_email is not None:
        conditions.append("agent_email = :agent_email")
        params["agent_email"] = wanted.agent_email
    if wanted.types is not None:
        names, types = in_list("type", sorted(wanted.types))
        conditions.append(f"type IN ({names})")
        params |= types
    where = " AND ".join(conditions)
    return Statement(f"SELECT {_COLUMNS} FROM events WHERE {where} ORDER BY seq LIMIT :limit", params)
