"""SQL over held messages."""

from __future__ import annotations

from e2a_core.contract.states import Review
from e2a_core.messages.rows import MessageRow
from e2a_core.messages.state import REVIEW, any_before
from e2a_core.paging import Position, beyond
from e2a_core.roles import beside_notices
from e2a_core.store.statement import Statement, sql

__all__ = [
    "SHOWN",
    "held",
    "message",
    "page",
    "protection",
    "release_inbound",
    "release_outbound",
    "turn_down",
]

SHOWN = (
    "id",
    "account_id",
    "agent_email",
    "direction",
    "thread_id",
    "created_at",
    "status",
    "conversation_id",
    "header_from",
    "envelope_from",
    "authentication",
    "to_addresses",
    "subject",
    "flagged",
    "flag_reason",
    "hold_reason",
    "approval_expires_at",
    "scheduled_at",
)
"""The columns that the review queue shows, and those that every `MessageRow` needs."""

_SHOWN = ", ".join(f"m.{name}" for name in SHOWN)
_LIVE = "JOIN agents a ON a.email = m.agent_email AND a.deleted_at IS NULL"


def page(account_id: str, after: Position | None, limit: int) -> Statement:
    """Held messages of the account's live agents, newest first."""
    condition, params = beyond(after, "m.created_at", "m.id")
    return Statement(
        f"SELECT {_SHOWN} FROM messages m {_LIVE} WHERE m.account_id = :account AND m.status = '{Review.PENDING}' "
        f"AND m.deleted_at IS NULL AND {beside_notices('a.email')}{condition} "
        "ORDER BY m.created_at DESC, m.id DESC LIMIT :limit",
        {"account": account_id, "limit": limit, **params},
    )


def message(message_id: str) -> Statement:
    """A message of any live agent. Only for callers with a signed link, and for the deployment itself."""
    return sql(f"SELECT m.* FROM messages m {_LIVE} WHERE m.id = :id", id=message_id)


def held(message_id: str) -> Statement:
    return sql(
        f"SELECT * FROM messages WHERE id = :id AND status = '{Review.PENDING}'", by_key=True, id=message_id
    )


def protection(message_id: str) -> Statement:
    return sql(
        "SELECT source, reason, action, detector, score, categories FROM protection_events "
        "WHERE message_id = :id ORDER BY created_at, id",
        id=message_id,
    )


def release_inbound(message_id: str, status: Review, now: int, reviewer: str | None) -> Statement:
    return sql(
        "UPDATE messages SET status = :status, hidden = 0, reviewed_at = :now, reviewed_by = :reviewer, "
        f"approval_expires_at = NULL WHERE id = :id AND {_may_become(status)}",
        by_key=True,
        expect=1,
        id=message_id,
        status=status,
        now=now,
        reviewer=reviewer,
    )


def release_outbound(row: MessageRow, seen_draft: str, now: int, reviewer: str | None) -> Statement:
    """Replaces the draft by the composed message. Affects nothing if the draft is no longer `seen_draft`."""
    values = row.to_store()
    columns = [
        "status",
        "to_addresses",
        "cc",
        "bcc",
        "reply_to",
        "subject",
        "preview",
        "attachments",
        "delivered_to",
        "header_from",
        "sender",
        "email_message_id",
        "content_hash",
        "size_bytes",
        "sent_as",
        "delivery_status",
        "method",
        "draft",
        "edited",
    ]
    assignments = ", ".join(f"{name} = :{name}" for name in columns)
    return Statement(
        f"UPDATE messages SET {assignments}, reviewed_at = :now, reviewed_by = :reviewer "
        f"WHERE id = :id AND {_may_become(row.hold.status)} AND draft = :seen",
        {**{name: values[name] for name in columns}, "id": row.id, "now": now, "reviewer": reviewer}
        | {"seen": seen_draft},
        by_key=True,
        expect=1,
    )


def turn_down(
    message_id: str,
    status: Review,
    reason: str | None,
    now: int,
    reviewer: str | None,
    *,
    hidden: int,
    draft: str | None,
) -> Statement:
    return sql(
        "UPDATE messages SET status = :status, rejection_reason = :reason, hidden = :hidden, draft = :draft, "
        f"reviewed_at = :now, reviewed_by = :reviewer WHERE id = :id AND {_may_become(status)}",
        by_key=True,
        expect=1,
        id=message_id,
        status=status,
        reason=reason,
        hidden=hidden,
        draft=draft,
        now=now,
        reviewer=reviewer,
    )


def _may_become(status: Review) -> str:
    """The condition that the review may change to `status`, i.e. is still pending."""
    return f"status IN {any_before(REVIEW, status)}"
