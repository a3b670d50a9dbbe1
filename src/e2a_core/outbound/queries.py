"""SQL over the submission of outbound messages."""

from __future__ import annotations

from typing import Any

from e2a_core.store.contract import Statement, sql

__all__ = [
    "claim",
    "insert_recipient",
    "message",
    "set_delivery",
    "set_recipient",
]


def message(message_id: str) -> Statement:
    return sql("SELECT * FROM messages WHERE id = :id AND direction = 'outbound'", id=message_id)


def insert_recipient(message_id: str, address: str, now: int) -> Statement:
    return sql(
        "INSERT INTO message_recipients (message_id, address, outcome, status, updated_at) "
        "VALUES (:id, :address, 'pending', 'accepted', :now) ON CONFLICT (message_id, address) DO NOTHING",
        id=message_id,
        address=address,
        now=now,
    )


def claim(message_id: str, now: int) -> Statement:
    """Take the message for a submission; affects nothing once it is settled or in the trash."""
    return sql(
        "UPDATE messages SET delivery_status = 'sending', claimed_at = :now "
        "WHERE id = :id AND delivery_status IN ('accepted', 'sending') AND deleted_at IS NULL",
        expect=1,
        id=message_id,
        now=now,
    )


def set_recipient(
    message_id: str,
    address: str,
    *,
    outcome: str,
    status: str,
    now: int,
    code: int | None = None,
    enhanced: str | None = None,
    detail: str | None = None,
) -> Statement:
    return sql(
        "UPDATE message_recipients SET outcome = :outcome, status = :status, code = :code, enhanced = :enhanced, "
        "detail = :detail, updated_at = :now WHERE message_id = :id AND address = :address",
        id=message_id,
        address=address,
        outcome=outcome,
        status=status,
        code=code,
        enhanced=enhanced,
        detail=detail,
        now=now,
    )


def set_delivery(message_id: str, **values: Any) -> Statement:
    """Update of the columns named by `values`, which are this module's callers' own words."""
    assignments = ", ".join(f"{name} = :{name}" for name in values)
    return Statement(f"UPDATE messages SET {assignments} WHERE id = :id", {"id": message_id, **values})
