"""SQL of the audit log."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from e2a_core.audit.chain import CHAINED, Head
from e2a_core.audit.entry import Entry
from e2a_core.json_encoding import compact_json
from e2a_core.paging import Position
from e2a_core.store.statement import Statement, sql

__all__ = [
    "accounts_before",
    "close",
    "delete_to",
    "first_number",
    "head",
    "heads",
    "insert",
    "insert_head",
    "last_before",
    "last_number",
    "left_open",
    "move_head",
    "open_entry",
    "page",
    "rows",
]

_ROW = (*CHAINED, "hash")
_HEAD = "account_id, anchor, anchor_hash, number, hash, mac"


def head(account_id: str) -> Statement:
    return sql(
        f"SELECT {_HEAD} FROM audit_heads WHERE account_id = :account", by_key=True, account=account_id
    )


def heads(after: str, limit: int) -> Statement:
    """The heads of all accounts, in the order of their ids, after the id `after`."""
    return sql(
        f"SELECT {_HEAD} FROM audit_heads WHERE account_id > :after ORDER BY account_id LIMIT :limit",
        after=after,
        limit=limit,
    )


def last_number(account_id: str) -> Statement:
    """The number of the last row, whatever the head says; null if there is none."""
    return sql(
        "SELECT MAX(number) AS number FROM audit_log WHERE account_id = :account",
        by_key=True,
        account=account_id,
    )


def first_number(account_id: str) -> Statement:
    """The number of the first row, wherever the chain begins; null if there is none."""
    return sql(
        "SELECT MIN(number) AS number FROM audit_log WHERE account_id = :account",
        by_key=True,
        account=account_id,
    )


def insert_head(head: Head) -> Statement:
    """Fails with `UniqueViolation` if the account has a head."""
    return Statement(
        f"INSERT INTO audit_heads ({_HEAD}) VALUES (:account_id, :anchor, :anchor_hash, :number, :hash, :mac)",
        _values(head),
        by_key=True,
    )


def move_head(before: Head, after: Head) -> Statement:
    """`StaleWrite` if another process has moved it: the row lock of PostgreSQL, the write lock of SQLite."""
    return Statement(
        "UPDATE audit_heads SET anchor = :anchor, anchor_hash = :anchor_hash, number = :number, hash = :hash, "
        "mac = :mac WHERE account_id = :account_id AND number = :old_number AND anchor = :old_anchor "
        "AND mac = :old_mac",
        {**_values(after), "old_number": before.number, "old_anchor": before.anchor, "old_mac": before.mac},
        by_key=True,
        expect=1,
    )


def _values(head: Head) -> dict[str, Any]:
    return {name: getattr(head, name) for name in Head.__slots__}


def insert(values: Mapping[str, Any]) -> Statement:
    places = ", ".join(f":{name}" for name in _ROW)
    return Statement(f"INSERT INTO audit_log ({', '.join(_ROW)}) VALUES ({places})", values, by_key=True)


def rows(account_id: str, after: int, limit: int) -> Statement:
    """Rows after the number `after`, oldest first."""
    return sql(
        f"SELECT {', '.join(_ROW)} FROM audit_log WHERE account_id = :account AND number > :after "
        "ORDER BY number LIMIT :limit",
        account=account_id,
        after=after,
        limit=limit,
    )


def page(
    account_id: str, filters: Mapping[str, str | int | None], after: Position | None, limit: int
) -> Statement:
    """Rows that match, newest first. `filters` has `actor`, `operation`, `since` and `until`.

    An actor with an `@` is the address of a person.
    """
    actor = filters["actor"]
    column = "person" if "@" in str(actor or "") else "actor"
    conditions = {
        "actor": (f"{column} = :actor", actor or None),
        "operation": ("operation = :operation", filters["operation"] or None),
        "since": ("at >= :since", filters["since"]),
        "until": ("at < :until", filters["until"]),
        "after": ("number < :after", after.at if after else None),
    }
    given = {name: item for name, item in conditions.items() if item[1] is not None}
    wanted = "".join(f" AND {text}" for text, _ in given.values())
    return Statement(
        f"SELECT {', '.join(_ROW)} FROM audit_log WHERE account_id = :account{wanted} "
        "ORDER BY number DESC LIMIT :limit",
        {"account": account_id, "limit": limit, **{name: value for name, (_, value) in given.items()}},
    )


def open_entry(id: str, entry: Entry, now: int) -> Statement:
    return sql(
        "INSERT INTO audit_open (id, account_id, at, actor, actor_kind, person, door, operation, subjects) "
        "VALUES (:id, :account, :at, :actor, :kind, :person, :door, :operation, :subjects)",
        by_key=True,
        id=id,
        account=entry.account_id,
        at=now,
        actor=entry.actor,
        kind=entry.actor_kind,
        person=entry.person,
        door=entry.door,
        operation=entry.operation,
        subjects=compact_json(dict(entry.subjects)),
    )


def close(id: str) -> Statement:
    return sql("DELETE FROM audit_open WHERE id = :id", by_key=True, id=id)


def left_open(before: int, limit: int) -> Statement:
    return sql(
        "SELECT * FROM audit_open WHERE at < :before ORDER BY at, id LIMIT :limit", before=before, limit=limit
    )


def accounts_before(before: int) -> Statement:
    """The accounts that have rows older than `before`."""
    return sql(
        "SELECT DISTINCT account_id FROM audit_log WHERE at < :before ORDER BY account_id", before=before
    )


def last_before(account_id: str, before: int) -> Statement:
    """The last of the rows that are followed by no row older than `before`: none in between is kept."""
    return sql(
        "SELECT MAX(number) AS number FROM audit_log WHERE account_id = :account AND number < COALESCE("
        "(SELECT MIN(number) FROM audit_log WHERE account_id = :account AND at >= :before), 9223372036854775807)",
        account=account_id,
        before=before,
    )


def delete_to(account_id: str, number: int) -> Statement:
    return sql(
        "DELETE FROM audit_log WHERE account_id = :account AND number <= :number",
        account=account_id,
        number=number,
    )
