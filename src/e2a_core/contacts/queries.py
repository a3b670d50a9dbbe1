"""SQL over contacts and imports."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from e2a_core.contract.states import Direction
from e2a_core.paging import Position, newest_first
from e2a_core.store.statement import Statement, in_list, sql

__all__ = [
    "batch",
    "contact",
    "contacts",
    "delete_contact",
    "delete_engagements_of",
    "delete_untouched",
    "existing",
    "insert",
    "insert_batch",
    "left_of_batch",
    "update",
]

_COLUMNS = "address, display_name, metadata, source, import_batch_id, created_at, updated_at"
LATER = "CASE WHEN updated_at < :now THEN :now ELSE updated_at + 1 END"
"""Always increases, even within the clock's resolution, because entity tags are made from `updated_at`."""


def contact(account_id: str, address: str) -> Statement:
    return sql(
        f"SELECT {_COLUMNS} FROM contacts WHERE account_id = :account AND address = :address",
        by_key=True,
        account=account_id,
        address=address,
    )


def contacts(account_id: str, filters: Mapping[str, Any], after: Position | None, count: int) -> Statement:
    """The account's contacts, newest first.

    Keys of `filters`: source, import_batch_id, and in microseconds, exclusive, created_after and created_before.
    """
    conditions = {
        "source": "source = :source",
        "import_batch_id": "import_batch_id = :import_batch_id",
        "created_after": "created_at > :created_after",
        "created_before": "created_at < :created_before",
    }
    given = {name: value for name, value in filters.items() if value is not None}
    where = "".join(f" AND {conditions[name]}" for name in given)
    text = f"SELECT {_COLUMNS} FROM contacts WHERE account_id = :account{where}"
    return newest_first(text, {"account": account_id, **given}, after, count, key="address")


def existing(account_id: str, addresses: Sequence[str]) -> Statement:
    """Those of `addresses` that are contacts."""
    names, params = in_list("address", addresses)
    return Statement(
        f"SELECT address FROM contacts WHERE account_id = :account AND address IN ({names})",
        {"account": account_id, **params},
    )


def insert(
    account_id: str,
    address: str,
    *,
    source: str,
    now: int,
    display_name: str | None = None,
    metadata: str | None = None,
    batch_id: str | None = None,
) -> Statement:
    """Affects no row if the address is a contact."""
    return sql(
        "INSERT INTO contacts (account_id, address, display_name, metadata, source, import_batch_id, created_at, "
        "updated_at) VALUES (:account, :address, :name, :metadata, :source, :batch, :now, :now) "
        "ON CONFLICT (account_id, address) DO NOTHING",
        by_key=True,
        account=account_id,
        address=address,
        name=display_name or "",
        metadata=metadata or "{}",
        source=source,
        batch=batch_id,
        now=now,
    )


def update(
    account_id: str,
    address: str,
    *,
    display_name: str | None,
    metadata: str | None,
    now: int,
    seen: int | None = None,
) -> Statement:
    """Sets the values that are not None and returns the row. With `seen`, only if that is still its `updated_at`."""
    expected = "" if seen is None else " AND updated_at = :seen"
    return Statement(
        "UPDATE contacts SET display_name = COALESCE(:name, display_name), "
        f"metadata = COALESCE(:metadata, metadata), updated_at = {LATER} "
        f"WHERE account_id = :account AND address = :address{expected} RETURNING {_COLUMNS}",
        {
            "account": account_id,
            "address": address,
            "name": display_name,
            "metadata": metadata,
            "now": now,
            **({} if seen is None else {"seen": seen}),
        },
        by_key=True,
    )


def delete_contact(account_id: str, address: str) -> Statement:
    return sql(
        "DELETE FROM contacts WHERE account_id = :account AND address = :address",
        account=account_id,
        address=address,
    )


def delete_engagements_of(account_id: str, address: str) -> Statement:
    """Deletes the engagements of all agents of the account with the contact."""
    return sql(
        "DELETE FROM engagements WHERE account_id = :account AND address = :address",
        account=account_id,
        address=address,
    )


def insert_batch(account_id: str, batch_id: str, agent_email: str | None, now: int) -> Statement:
    return sql(
        "INSERT INTO import_batches (id, account_id, agent_email, created_at) VALUES (:id, :account, :agent, :now)",
        id=batch_id,
        account=account_id,
        agent=agent_email,
        now=now,
    )


def batch(account_id: str, batch_id: str) -> Statement:
    return sql(
        "SELECT id FROM import_batches WHERE id = :id AND account_id = :account",
        id=batch_id,
        account=account_id,
    )


def delete_untouched(account_id: str, batch_id: str) -> Statement:
    """Deletes the contacts of an import that were not edited or enrolled since and exchanged no mail."""
    return sql(
        "DELETE FROM contacts WHERE account_id = :account AND import_batch_id = :batch "
        "AND updated_at = created_at "
        "AND NOT EXISTS (SELECT 1 FROM engagements e WHERE e.account_id = contacts.account_id "
        "AND e.address = contacts.address) "
        "AND NOT EXISTS (SELECT 1 FROM messages m WHERE m.account_id = contacts.account_id "
        f"AND m.sender = contacts.address AND m.direction = '{Direction.INBOUND}' "
        "AND m.created_at >= contacts.created_at) "
        "AND NOT EXISTS (SELECT 1 FROM message_recipients r JOIN messages m ON m.id = r.message_id "
        "WHERE m.account_id = contacts.account_id AND r.address = contacts.address "
        "AND m.created_at >= contacts.created_at)",
        account=account_id,
        batch=batch_id,
    )


def left_of_batch(account_id: str, batch_id: str) -> Statement:
    return sql(
        "SELECT COUNT(*) AS contacts FROM contacts WHERE account_id = :account AND import_batch_id = :batch",
        account=account_id,
        batch=batch_id,
    )
