"""SQL over the submission of outbound messages."""

from __future__ import annotations

from typing import Any

from e2a_core.contract.states import SENDING_PAUSED, Delivery, Direction, Review
from e2a_core.messages.rows import MessageRow
from e2a_core.messages.state import DELIVERY, RECIPIENT, REVIEW, any_before
from e2a_core.store.statement import Statement, sql

__all__ = [
    "claim",
    "fail_pending",
    "forget_pending",
    "hold_waiting",
    "insert_recipient",
    "message",
    "move_delivery",
    "sender_of_relayed",
    "set_delivery",
    "set_recipient",
    "wake_paused",
]

_NOT_PAUSED = "COALESCE(a.paused_at, c.paused_at) IS NULL"


def wake_paused(account_id: str, agent_email: str | None, job_kind: str, now: int) -> Statement:
    """Makes the jobs due of all messages of the account, or of one agent, that waited while sending was paused."""
    return sql(
        "UPDATE jobs SET run_at = :now, due_at = :now WHERE kind = :kind AND lease IS NULL AND run_at > :now "
        "AND payload IN (SELECT '{\"message_id\":\"' || id || '\"}' FROM messages WHERE account_id = :account "
        "AND agent_email = COALESCE(:agent, agent_email) AND delivery_detail = :detail)",
        now=now,
        kind=job_kind,
        account=account_id,
        agent=agent_email,
        detail=SENDING_PAUSED,
    )


def message(message_id: str) -> Statement:
    """An outbound message; `agent_deleted_at` is when its inbox was moved to the trash, if it was, and
    `sending_paused_at` since when its inbox or account is paused, if it is."""
    return sql(
        "SELECT m.*, a.deleted_at AS agent_deleted_at, COALESCE(a.paused_at, c.paused_at) AS sending_paused_at "
        "FROM messages m JOIN agents a ON a.email = m.agent_email JOIN accounts c ON c.id = m.account_id "
        f"WHERE m.id = :id AND m.direction = '{Direction.OUTBOUND}'",
        by_key=True,
        id=message_id,
    )


def sender_of_relayed(ref: str) -> Statement:
    """The inbox that sent mail with this Message-ID, ours or the relay's, under the relay's identity."""
    return sql(
        "SELECT agent_email FROM messages WHERE email_message_id = :ref AND sent_as = 'relay' UNION "
        "SELECT agent_email FROM messages WHERE provider_message_id = :ref AND sent_as = 'relay'",
        ref=ref,
    )


def insert_recipient(message_id: str, address: str, now: int) -> Statement:
    return sql(
        "INSERT INTO message_recipients (message_id, address, outcome, status, updated_at) "
        f"VALUES (:id, :address, 'pending', '{Delivery.ACCEPTED}', :now) ON CONFLICT (message_id, address) DO NOTHING",
        by_key=True,
        id=message_id,
        address=address,
        now=now,
    )


def claim(message_id: str, now: int) -> Statement:
    """Claims the message for a submission.

    Affects nothing once it is settled, if it or its inbox is trashed, or if its inbox or account is paused.
    """
    return sql(
        f"UPDATE messages SET delivery_status = '{Delivery.SENDING}', claimed_at = :now "
        f"WHERE id = :id AND delivery_status IN {any_before(DELIVERY, Delivery.SENDING)} AND deleted_at IS NULL "
        "AND EXISTS (SELECT 1 FROM agents a JOIN accounts c ON c.id = a.account_id "
        f"WHERE a.email = messages.agent_email AND a.deleted_at IS NULL AND (messages.type = 'test' OR {_NOT_PAUSED}))",
        by_key=True,
        expect=1,
        id=message_id,
        now=now,
    )


def hold_waiting(row: MessageRow) -> Statement:
    """Stores `row` as a held draft. Affects nothing unless a worker has claimed it and it was never held."""
    values = row.to_store()
    columns = [
        "status",
        "hold_reason",
        "approval_expires_at",
        "draft",
        "to_addresses",
        "cc",
        "bcc",
        "delivered_to",
        "header_from",
        "email_message_id",
        "content_hash",
        "trace",
        "size_bytes",
        "sent_as",
        "method",
        "delivery_status",
        "delivery_detail",
        "claimed_at",
    ]
    return Statement(
        f"UPDATE messages SET {', '.join(f'{name} = :{name}' for name in columns)} "
        f"WHERE id = :id AND status IN {any_before(REVIEW, Review.PENDING)} AND reviewed_at IS NULL "
        f"AND delivery_status = '{Delivery.SENDING}'",
        {**{name: values[name] for name in columns}, "id": row.id},
        by_key=True,
        expect=1,
    )


def forget_pending(message_id: str) -> Statement:
    """Deletes the recipients that were not reached before the message was held; its reviewer may have changed them."""
    return sql(
        "DELETE FROM message_recipients WHERE message_id = :id AND outcome = 'pending'",
        by_key=True,
        id=message_id,
    )


def set_recipient(
    message_id: str,
    address: str,
    *,
    outcome: str,
    status: Delivery,
    now: int,
    code: int | None = None,
    enhanced: str | None = None,
    detail: str | None = None,
) -> Statement:
    """Stores the outcome for a recipient. Affects nothing once a later state is stored, such as one from a report."""
    return sql(
        "UPDATE message_recipients SET outcome = :outcome, status = :status, code = :code, enhanced = :enhanced, "
        "detail = :detail, updated_at = :now WHERE message_id = :id AND address = :address "
        f"AND status IN {any_before(RECIPIENT, status)}",
        by_key=True,
        id=message_id,
        address=address,
        outcome=outcome,
        status=status,
        code=code,
        enhanced=enhanced,
        detail=detail,
        now=now,
    )


def fail_pending(message_id: str, detail: str, now: int) -> Statement:
    """Marks all pending recipients failed because of `detail`."""
    return sql(
        f"UPDATE message_recipients SET outcome = 'failed', status = '{Delivery.FAILED}', detail = :detail, "
        "updated_at = :now WHERE message_id = :id AND outcome = 'pending'",
        by_key=True,
        id=message_id,
        detail=detail,
        now=now,
    )


def move_delivery(message_id: str, after: Delivery, **values: Any) -> Statement:
    """`set_delivery` with a new status. Affects nothing if the message may no longer change to it."""
    assignments = "".join(f", {name} = :{name}" for name in values)
    return Statement(
        f"UPDATE messages SET delivery_status = :after{assignments} "
        f"WHERE id = :id AND delivery_status IN {any_before(DELIVERY, after)}",
        {"id": message_id, "after": after, **values},
    )


def set_delivery(message_id: str, **values: Any) -> Statement:
    """Updates the columns named by the keys of `values`, which must be literals, never input."""
    assignments = ", ".join(f"{name} = :{name}" for name in values)
    return Statement(
        f"UPDATE messages SET {assignments} WHERE id = :id", {"id": message_id, **values}, by_key=True
    )
