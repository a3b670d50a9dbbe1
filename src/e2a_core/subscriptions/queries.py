"""SQL over subscriptions."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import datetime
from typing import Any

from e2a_core.clock import to_micros
from e2a_core.ids import Ids
from e2a_core.push.cursors import Place
from e2a_core.store.events import columns_of
from e2a_core.store.jobs import enqueue
from e2a_core.store.statement import Statement, in_list, sql
from e2a_core.subscriptions.rows import SubscriptionRow

__all__ = [
    "SUBSCRIPTION_JOB",
    "active_of",
    "confirmed",
    "counts",
    "delete",
    "delete_expired",
    "insert",
    "lagging",
    "limit_lock",
    "move",
    "one",
    "refresh",
    "require_room",
    "valid_key",
    "wake",
]

SUBSCRIPTION_JOB = "event_subscription"
"""Sends what is due for one subscription; there is one such job for each at most."""

_LIMIT_LOCK = 0x0E2A0003
"""The key of the advisory lock: an arbitrary number, the same in every replica and no other lock's."""


def wake(subscription_id: str, *, ids: Ids, now: datetime) -> Statement:
    """Asks for the work on a subscription."""
    return enqueue(
        SUBSCRIPTION_JOB,
        {"subscription_id": subscription_id},
        run_at=now,
        id=ids.job(),
        now=now,
        dedupe_key=f"event_subscription:{subscription_id}",
        again=True,
    )


def one(subscription_id: str) -> Statement:
    return sql("SELECT * FROM event_subscriptions WHERE id = :id", by_key=True, id=subscription_id)


def active_of(account_ids: Collection[str], now: datetime) -> Statement:
    """The subscriptions of these accounts that are neither suspended nor waiting for another attempt."""
    names, params = in_list("account", account_ids)
    return Statement(
        f"SELECT * FROM event_subscriptions WHERE account_id IN ({names})"
        " AND active = 1 AND due_at <= :now AND expires_at > :now",
        {**params, "now": to_micros(now)},
        by_key=True,
    )


def confirmed(principal: str, url: str, now: datetime) -> Statement:
    """Reads a row if the callback has a subscription of this caller, and so has agreed to be called."""
    return sql(
        "SELECT id FROM event_subscriptions WHERE principal = :principal AND url = :url AND expires_at > :now LIMIT 1",
        by_key=True,
        principal=principal,
        url=url,
        now=to_micros(now),
    )


def counts(principal: str, now: datetime) -> Statement:
    """Reads how many subscriptions there are: `own` of the caller, and `total`."""
    return sql(
        "SELECT COUNT(*) AS total, COUNT(CASE WHEN principal = :principal THEN 1 END) AS own"
        " FROM event_subscriptions WHERE expires_at > :now",
        principal=principal,
        now=to_micros(now),
    )


def insert(values: Mapping[str, Any], place: Place) -> Statement:
    """A new subscription that begins at `place`; nothing if there is one with its id."""
    given = {**values, **_columns(place)}
    names = ", ".join(given)
    marks = ", ".join(f":{name}" for name in given)
    return Statement(
        f"INSERT INTO event_subscriptions ({names}) VALUES ({marks}) ON CONFLICT (id) DO NOTHING",
        given,
        by_key=True,
    )


def limit_lock() -> Statement:
    """Lets one transaction at a time make a subscription; on SQLite the transaction itself suffices."""
    return Statement("SELECT 1", {}, f"SELECT pg_advisory_xact_lock({_LIMIT_LOCK})")


def require_room(subscription_id: str, principal: str, *, own: int, total: int, now: datetime) -> Statement:
    """Fails the write of a new subscription with `StaleWrite` if there are too many with it."""
    counted = "(SELECT COUNT(*) FROM event_subscriptions WHERE expires_at > :now"
    return sql(
        "UPDATE event_subscriptions SET id = :id WHERE id = :id"
        f" AND {counted} AND principal = :principal) <= :own AND {counted}) <= :total",
        expect=1,
        id=subscription_id,
        principal=principal,
        own=own,
        total=total,
        now=to_micros(now),
    )


def refresh(subscription_id: str, values: Mapping[str, Any]) -> Statement:
    """Sets columns and ends a suspension; affects no row if the subscription is gone."""
    changes = ", ".join(f"{name} = :{name}" for name in values)
    return Statement(
        f"UPDATE event_subscriptions SET {changes}, active = 1, attempts = 0, gone = 0, due_at = 0 WHERE id = :id",
        {**values, "id": subscription_id},
        by_key=True,
    )


def move(row: SubscriptionRow, new: Place, values: Mapping[str, Any], *, failed: bool = False) -> Statement:
    """Moves the position from that of `row` to `new` and sets columns.

    `StaleWrite` if the subscription is gone, if another process has moved it, or for a `failed` attempt if it was
    refreshed meanwhile.
    """
    changes = "".join(f", {name} = :{name}" for name in values)
    same = " AND attempts = :old_attempts" if failed else ""
    was = {f"old_{name}": value for name, value in _columns(row.place).items()}
    if failed:
        was["old_attempts"] = row.attempts
    return Statement(
        f"UPDATE event_subscriptions SET xid = :xid, seq = :seq, reached_at = :reached_at{changes} WHERE id = :id"
        f" AND xid = :old_xid AND seq = :old_seq AND reached_at = :old_reached_at{same}",
        {**values, **_columns(new), **was, "id": row.id},
        expect=1,
        by_key=True,
    )


def delete(account_id: str, subscription_id: str) -> Statement:
    return sql(
        "DELETE FROM event_subscriptions WHERE account_id = :account AND id = :id",
        by_key=True,
        account=account_id,
        id=subscription_id,
    )


def delete_expired(now: datetime, subscription_id: str | None = None) -> Statement:
    """Deletes what was not refreshed in time: one subscription, or all."""
    which = "" if subscription_id is None else " AND id = :id"
    params: dict[str, Any] = {"now": to_micros(now)}
    return Statement(
        f"DELETE FROM event_subscriptions WHERE expires_at <= :now{which}",
        params if subscription_id is None else {**params, "id": subscription_id},
    )


def lagging(before: datetime) -> Statement:
    """The active subscriptions that have not moved since `before`."""
    return sql(
        "SELECT id FROM event_subscriptions WHERE active = 1 AND reached_at < :before",
        before=to_micros(before),
    )


def valid_key(key_id: str, now: datetime) -> Statement:
    """Reads the API key unless it was revoked or has expired."""
    return sql(
        "SELECT id FROM api_keys WHERE id = :id AND revoked_at IS NULL"
        " AND (expires_at IS NULL OR expires_at > :now)",
        by_key=True,
        id=key_id,
        now=to_micros(now),
    )


def _columns(place: Place) -> dict[str, int]:
    return {**columns_of(place.position), "reached_at": to_micros(place.at)}
