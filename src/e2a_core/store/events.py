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
from e2a_core.json_encoding import compact_json
from e2a_core.store.statement import Row, Statement, in_list, sql

__all__ = [
    "EventFilter",
    "EventRecord",
    "Moment",
    "add_reader",
    "append",
    "columns_of",
    "events_after",
    "move_reader",
    "now",
    "position_of",
    "reader_position",
]

_SEQ_BITS = 63
_SEQ = (1 << _SEQ_BITS) - 1


_NAMES = "seq, id, account_id, type, agent_email, conversation_id, message_id, data, created_at"

_APPEND = (
    "INSERT INTO events (id, account_id, type, agent_email, conversation_id, message_id, data, created_at)"
    " VALUES (:id, :account_id, :type, :agent_email, :conversation_id, :message_id, :data, :created_at)"
    " ON CONFLICT (id) DO NOTHING"
)
# SQLite has one writer, so events become visible in the order of `seq`. Writers of PostgreSQL commit in any order: a
# reader takes only events of transactions older than the oldest that still runs, in the order of transaction and
# `seq`. None can then appear before an event that was taken.
_OLDEST_RUNNING = "CAST(CAST(pg_snapshot_xmin(pg_current_snapshot()) AS TEXT) AS BIGINT)"


@dataclass(frozen=True, slots=True)
class EventRecord:
    """One event as stored. `text` is its data as JSON, which few readers of the log look at.

    `position` is its place in the log: events become visible in this order, whichever process wrote them.
    """

    position: int
    id: str
    account_id: str
    type: str
    agent_email: str | None
    conversation_id: str | None
    message_id: str | None
    text: str
    created_at: datetime

    @property
    def data(self) -> dict[str, Any]:
        """What the event tells, made anew for each caller."""
        found: dict[str, Any] = json.loads(self.text)
        return found

    @classmethod
    def from_row(cls, row: Row) -> EventRecord:
        return cls(
            position=position_of(row),
            id=row["id"],
            account_id=row["account_id"],
            type=row["type"],
            agent_email=row["agent_email"],
            conversation_id=row["conversation_id"],
            message_id=row["message_id"],
            text=row["data"],
            created_at=from_micros(row["created_at"]),
        )


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
    """The statements that append an event; one whose id exists already is left as it is."""
    params = {
        "id": id,
        "account_id": account_id,
        "type": type,
        "agent_email": agent_email,
        "conversation_id": conversation_id,
        "message_id": message_id,
        "data": compact_json(data),
        "created_at": to_micros(created_at),
    }
    return [Statement(_APPEND, params, by_key=True, wakes=True)]


@dataclass(frozen=True, slots=True)
class Moment:
    """A moment of the log: what was committed before it, and what after.

    `position` is before every event committed later. On PostgreSQL some committed earlier come after it too, if an
    older transaction was still running: `follows` tells them apart.
    """

    position: int
    next_xid: int = 0
    running: frozenset[int] = frozenset()

    @classmethod
    def from_row(cls, row: Row) -> Moment:
        """The moment of a read of `now`."""
        if row["snapshot"] is None:
            return cls(int(row["seq"]))
        oldest, following, running = str(row["snapshot"]).split(":")
        return cls(
            (int(oldest) << _SEQ_BITS) - 1,
            int(following),
            frozenset(map(int, filter(None, running.split(",")))),
        )

    def follows(self, event: EventRecord) -> bool:
        """Whether the event was committed after this moment."""
        xid = event.position >> _SEQ_BITS
        return event.position > self.position and (xid >= self.next_xid or xid in self.running)


def now() -> Statement:
    """Reads the present `Moment`, which does not go back when old events are deleted."""
    return Statement(
        "SELECT COALESCE(MAX(seq), 0) AS seq, NULL AS snapshot FROM sqlite_sequence WHERE name = 'events'",
        {},
        "SELECT 0 AS seq, CAST(pg_current_snapshot() AS TEXT) AS snapshot",
        by_key=True,
    )


def reader_position(name: str) -> Statement:
    """Reads how far the reader `name` has come; see `position_of`."""
    return sql("SELECT xid, seq FROM log_readers WHERE name = :name", by_key=True, name=name)


def position_of(row: Row) -> int:
    """The position in a row with `xid` and `seq`."""
    return int(row["xid"]) << _SEQ_BITS | int(row["seq"])


def columns_of(position: int) -> dict[str, int]:
    """The columns `xid` and `seq` of a position; see `position_of`."""
    return {"xid": position >> _SEQ_BITS, "seq": position & _SEQ}


def add_reader(name: str, position: int) -> Statement:
    """Adds a reader at a position; one that exists stays where it is."""
    return sql(
        "INSERT INTO log_readers (name, xid, seq) VALUES (:name, :xid, :seq) ON CONFLICT (name) DO NOTHING",
        by_key=True,
        name=name,
        xid=position >> _SEQ_BITS,
        seq=position & _SEQ,
    )


def move_reader(name: str, old: int, new: int) -> Statement:
    """Moves the reader `name` from `old` to `new`. `StaleWrite` if another process has moved it."""
    return sql(
        "UPDATE log_readers SET xid = :xid, seq = :seq WHERE name = :name AND xid = :old_xid AND seq = :old_seq",
        by_key=True,
        expect=1,
        name=name,
        xid=new >> _SEQ_BITS,
        seq=new & _SEQ,
        old_xid=old >> _SEQ_BITS,
        old_seq=old & _SEQ,
    )


def events_after(position: int, wanted: EventFilter, limit: int, *, by_key: bool = False) -> Statement:
    """Reads at most `limit` events after `position`, oldest first; `by_key` if these are few."""
    conditions, params = _conditions(wanted)
    params |= {"seq": position & _SEQ, "limit": limit}
    sqlite = " AND ".join(["seq > :seq", *conditions])
    postgresql = " AND ".join(["(xid, seq) > (:xid, :seq)", f"xid < {_OLDEST_RUNNING}", *conditions])
    return Statement(
        f"SELECT 0 AS xid, {_NAMES} FROM events WHERE {sqlite} ORDER BY seq LIMIT :limit",
        {**params, "xid": position >> _SEQ_BITS},
        f"SELECT xid, {_NAMES} FROM events WHERE {postgresql} ORDER BY xid, seq LIMIT :limit",
        by_key=by_key,
    )


def _conditions(wanted: EventFilter) -> tuple[list[str], dict[str, Any]]:
    conditions: list[str] = []
    params: dict[str, Any] = {}
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
    return conditions, params
