"""SQL over webhooks and what each was sent."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from e2a_core.paging import Position, newest_first
from e2a_core.store.statement import Statement, sql

__all__ = ["columns_of", "deliveries", "delete", "insert", "of_account", "one", "rotate", "update"]


def of_account(account_id: str, after: Position | None, count: int) -> Statement:
    """The account's webhooks, newest first."""
    text = "SELECT * FROM webhooks WHERE account_id = :account"
    return newest_first(text, {"account": account_id}, after, count, by_key=True)


def one(account_id: str, webhook_id: str) -> Statement:
    return sql(
        "SELECT * FROM webhooks WHERE account_id = :account AND id = :id",
        by_key=True,
        account=account_id,
        id=webhook_id,
    )


def insert(values: Mapping[str, Any], most: int) -> list[Statement]:
    """A new webhook; `values` are its columns. `StaleWrite` if the account has `most` of them.

    Those who make webhooks of one account take turns, so that they count right.
    """
    names = ", ".join(values)
    marks = ", ".join(
        f"CAST(:{name} AS {'BIGINT' if isinstance(value, int) else 'TEXT'})" for name, value in values.items()
    )
    text = (
        f"INSERT INTO webhooks ({names}) SELECT {marks}"
        " WHERE (SELECT COUNT(*) FROM webhooks WHERE account_id = :account_id) < :most"
    )
    return [
        sql(
            "UPDATE accounts SET email = email WHERE id = :account", by_key=True, account=values["account_id"]
        ),
        Statement(text, {**values, "most": most}, expect=1),
    ]


def update(account_id: str, webhook_id: str, values: Mapping[str, Any]) -> Statement:
    """Sets columns; affects no row if the webhook is gone."""
    changes = ", ".join(f"{name} = :{name}" for name in values)
    return Statement(
        f"UPDATE webhooks SET {changes} WHERE account_id = :account AND id = :id",
        {**values, "account": account_id, "id": webhook_id},
        by_key=True,
    )


def rotate(webhook_id: str, old: str, new: str, expires_at: int) -> Statement:
    """Makes `new` the secret, and `old` the previous one; `StaleWrite` if it is not the current one any more."""
    return sql(
        "UPDATE webhooks SET previous_secret = secret, secret = :new, previous_expires_at = :expires_at"
        " WHERE id = :id AND secret = :old",
        by_key=True,
        expect=1,
        new=new,
        expires_at=expires_at,
        id=webhook_id,
        old=old,
    )


def delete(account_id: str, webhook_id: str) -> Statement:
    """Deletes a webhook and its deliveries."""
    return sql(
        "DELETE FROM webhooks WHERE account_id = :account AND id = :id", account=account_id, id=webhook_id
    )


def deliveries(webhook_id: str, status: str | None, after: Position | None, count: int) -> Statement:
    """What a webhook was sent, newest first."""
    given = {"status": status} if status else {}
    text = (
        "SELECT id, type, event_id, status, attempts, due_at, last_attempt_at, last_status_code, last_error, created_at"
        f" FROM webhook_deliveries WHERE webhook_id = :webhook{' AND status = :status' if status else ''}"
    )
    return newest_first(text, {"webhook": webhook_id, **given}, after, count)


def columns_of(events: list[str], filters: Mapping[str, list[str]]) -> dict[str, str]:
    """The columns that keep lists."""
    given = {name: values for name, values in filters.items() if values}
    return {"events": json.dumps(events), "filters": json.dumps(given)}
