"""SQL over what is sent to webhooks."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime

from e2a_core.clock import to_micros
from e2a_core.ids import Ids
from e2a_core.store.jobs import enqueue
from e2a_core.store.statement import Statement, in_list, sql

__all__ = [
    "WEBHOOK_JOB",
    "arrived",
    "bodies",
    "due",
    "enabled_of",
    "end_waiting",
    "failed",
    "insert",
    "labels_of",
    "next_due",
    "pause",
    "wake",
    "webhook",
]

WEBHOOK_JOB = "webhook"
"""Works off what is due for one webhook; there is one such job for each at most."""

_FIRST = (
    " AND NOT EXISTS (SELECT 1 FROM webhook_deliveries e WHERE e.webhook_id = d.webhook_id"
    " AND e.status = 'pending' AND e.conversation_id = d.conversation_id AND e.seq < d.seq)"
)
"""Of each conversation only the first delivery that has not arrived."""

_DUE = "d.id, d.event_id, d.type, d.body, d.attempts, d.created_at"


def wake(webhook_id: str, *, ids: Ids, now: datetime) -> Statement:
    """Asks for the work on a webhook; belongs in the write of its deliveries."""
    return enqueue(
        WEBHOOK_JOB,
        {"webhook_id": webhook_id},
        run_at=now,
        id=ids.job(),
        now=now,
        dedupe_key=f"webhook:{webhook_id}",
        again=True,
    )


def insert(
    id: str,
    webhook_id: str,
    *,
    kind: str,
    type: str,
    now: int,
    event_id: str | None = None,
    conversation_id: str | None = None,
    body: str | None = None,
) -> Statement:
    """A delivery that is due; nothing if it is the first of its event to the webhook and there is one."""
    return sql(
        "INSERT INTO webhook_deliveries"
        " (id, webhook_id, event_id, kind, type, conversation_id, body, due_at, created_at)"
        " VALUES (:id, :webhook_id, :event_id, :kind, :type, :conversation_id, :body, :now, :now)"
        " ON CONFLICT DO NOTHING",
        by_key=True,
        id=id,
        webhook_id=webhook_id,
        event_id=event_id,
        kind=kind,
        type=type,
        conversation_id=conversation_id,
        body=body,
        now=now,
    )


def webhook(webhook_id: str) -> Statement:
    return sql("SELECT * FROM webhooks WHERE id = :id", by_key=True, id=webhook_id)


def enabled_of(account_ids: Collection[str]) -> Statement:
    """The enabled webhooks of these accounts."""
    names, params = in_list("account", account_ids)
    return Statement(
        f"SELECT * FROM webhooks WHERE account_id IN ({names}) AND enabled = 1 ORDER BY created_at, id",
        params,
        by_key=True,
    )


def labels_of(message_ids: Collection[str]) -> Statement:
    """The labels of each message and of the others in its thread: new mail has none of its own."""
    names, params = in_list("message", message_ids)
    return Statement(
        f"SELECT message_id, label FROM message_labels WHERE message_id IN ({names})"
        " UNION SELECT e.id, l.label FROM messages e"
        " JOIN messages m ON m.agent_email = e.agent_email AND m.thread_id = e.thread_id AND m.deleted_at IS NULL"
        f" JOIN message_labels l ON l.message_id = m.id WHERE e.id IN ({names})",
        params,
        by_key=True,
    )


def due(webhook_id: str, now: int, count: int, *, ordered: bool) -> Statement:
    """The deliveries that are due, oldest first.

    If `ordered`, a delivery waits for the earlier ones of its conversation.
    """
    return sql(
        f"SELECT {_DUE} FROM webhook_deliveries d WHERE d.webhook_id = :webhook AND d.status = 'pending'"
        f" AND d.due_at <= :now{_FIRST if ordered else ''} ORDER BY d.due_at, d.seq LIMIT :count",
        by_key=True,
        webhook=webhook_id,
        now=now,
        count=count,
    )


def next_due(webhook_id: str, *, ordered: bool) -> Statement:
    """Reads when the next delivery is due that waits for no other."""
    return sql(
        "SELECT MIN(d.due_at) AS due_at FROM webhook_deliveries d"
        f" WHERE d.webhook_id = :webhook AND d.status = 'pending'{_FIRST if ordered else ''}",
        by_key=True,
        webhook=webhook_id,
    )


def bodies(event_ids: Sequence[str]) -> Statement:
    """The events to send."""
    names, params = in_list("event", event_ids)
    return Statement(
        f"SELECT id, type, data, created_at FROM events WHERE id IN ({names})", params, by_key=True
    )


def arrived(delivery_id: str, webhook_id: str, *, status_code: int | None, now: datetime) -> list[Statement]:
    at = to_micros(now)
    return [
        sql(
            "UPDATE webhook_deliveries SET status = 'delivered', attempts = attempts + 1, last_attempt_at = :at,"
            " last_status_code = :code, last_error = NULL WHERE id = :id AND status = 'pending'",
            by_key=True,
            at=at,
            code=status_code,
            id=delivery_id,
        ),
        sql(
            "UPDATE webhooks SET last_delivered_at = :at, warned_at = NULL WHERE id = :id",
            by_key=True,
            at=at,
            id=webhook_id,
        ),
    ]


def failed(
    delivery_id: str, *, status_code: int | None, error: str, now: datetime, again: datetime | None
) -> Statement:
    """Records a failed attempt: the next one is at `again`, or this was the last."""
    at = to_micros(now)
    return sql(
        "UPDATE webhook_deliveries SET status = :status, attempts = attempts + 1, last_attempt_at = :at,"
        " last_status_code = :code, last_error = :error, due_at = :due WHERE id = :id AND status = 'pending'",
        by_key=True,
        status="failed" if again is None else "pending",
        at=at,
        code=status_code,
        error=error,
        due=at if again is None else to_micros(again),
        id=delivery_id,
    )


def pause(webhook_id: str, until: datetime) -> Statement:
    """Sends nothing to the webhook before `until`."""
    return sql(
        "UPDATE webhooks SET resumes_at = :until WHERE id = :id",
        by_key=True,
        until=to_micros(until),
        id=webhook_id,
    )


def end_waiting(webhook_id: str, error: str) -> Statement:
    """Ends what waits for a webhook that stays disabled."""
    return sql(
        "UPDATE webhook_deliveries SET status = 'failed', last_error = :error"
        " WHERE webhook_id = :webhook AND status = 'pending'",
        webhook=webhook_id,
        error=error,
    )
