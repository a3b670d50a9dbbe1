"""SQL over held messages."""

from __future__ import annotations

from e2a_core.contract.principal import PERSON
from e2a_core.contract.states import Review
from e2a_core.messages.queries import CONVERSATION
from e2a_core.messages.rows import MessageRow
from e2a_core.messages.state import REVIEW, any_before
from e2a_core.paging import Position, newest_first
from e2a_core.roles import beside_notices
from e2a_core.store.statement import Statement, sql

__all__ = [
    "SHOWN",
    "all_untold",
    "held",
    "held_answers",
    "insert_told",
    "message",
    "pace",
    "page",
    "protection",
    "release_inbound",
    "release_outbound",
    "store_pace",
    "turn_down",
    "untold",
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
    "from_name",
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
    text = (
        f"SELECT {_SHOWN} FROM messages m {_LIVE} WHERE m.account_id = :account AND m.status = '{Review.PENDING}' "
        f"AND m.deleted_at IS NULL AND {beside_notices('a.email')}"
    )
    return newest_first(text, {"account": account_id}, after, limit, at="m.created_at", key="m.id")


def message(message_id: str) -> Statement:
    """A message of any live agent. Only for callers with a signed link, and for the deployment itself."""
    return sql(f"SELECT m.* FROM messages m {_LIVE} WHERE m.id = :id", id=message_id)


def held_answers(agent_email: str, conversation_id: str, thread_id: str) -> Statement:
    """The held drafts of a conversation or thread that answer somebody in it; what a person wrote is not among them."""
    return sql(
        "SELECT m.* FROM messages m WHERE m.agent_email = :agent AND m.direction = 'outbound' "
        f"AND ({CONVERSATION} = :conversation OR m.thread_id = :thread) AND m.status = '{Review.PENDING}' "
        "AND m.deleted_at IS NULL AND m.type <> 'forward' AND COALESCE(m.credential_id, '') NOT LIKE :person "
        "ORDER BY m.created_at, m.id",
        agent=agent_email,
        conversation=conversation_id,
        thread=thread_id,
        person=f"{PERSON}%",
    )


def held(message_id: str) -> Statement:
    return sql(
        f"SELECT * FROM messages WHERE id = :id AND status = '{Review.PENDING}'", by_key=True, id=message_id
    )


_UNTOLD = (
    f"m.status = '{Review.PENDING}' AND m.deleted_at IS NULL AND m.approval_expires_at > :now "
    "AND NOT EXISTS (SELECT 1 FROM hold_notices n WHERE n.message_id = m.id)"
)


def untold(message_id: str, now: int) -> Statement:
    """The account of a held message that its owner was not told of."""
    return sql(
        f"SELECT m.account_id FROM messages m {_LIVE} WHERE m.id = :id AND {_UNTOLD}",
        by_key=True,
        id=message_id,
        now=now,
    )


def all_untold(account_id: str, now: int) -> Statement:
    """The held messages that the account's owner was not told of, oldest first, with their agents' protection and
    pause."""
    return sql(
        f"SELECT {_SHOWN}, m.cc, m.bcc, m.reply_to, m.names, m.attachments, m.preview, a.protection, "
        "COALESCE(c.paused_at, a.paused_at) AS sending_paused_at "
        f"FROM messages m {_LIVE} JOIN accounts c ON c.id = m.account_id "
        f"WHERE m.account_id = :account AND {_UNTOLD} ORDER BY m.created_at, m.id",
        account=account_id,
        now=now,
    )


def insert_told(message_id: str, now: int) -> Statement:
    """Affects no row if the message was deleted."""
    return sql(
        "INSERT INTO hold_notices (message_id, told_at) SELECT id, :now FROM messages WHERE id = :id "
        "ON CONFLICT (message_id) DO NOTHING",
        by_key=True,
        id=message_id,
        now=now,
    )


def pace(account_id: str) -> Statement:
    return sql(
        "SELECT sent_at, streak FROM notice_pace WHERE account_id = :account", by_key=True, account=account_id
    )


def store_pace(account_id: str, now: int, streak: int) -> Statement:
    return sql(
        "INSERT INTO notice_pace (account_id, sent_at, streak) VALUES (:account, :now, :streak) "
        "ON CONFLICT (account_id) DO UPDATE SET sent_at = excluded.sent_at, streak = excluded.streak",
        by_key=True,
        account=account_id,
        now=now,
        streak=streak,
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
    size_bytes: int,
) -> Statement:
    return sql(
        "UPDATE messages SET status = :status, rejection_reason = :reason, hidden = :hidden, draft = :draft, "
        f"size_bytes = :size, reviewed_at = :now, reviewed_by = :reviewer WHERE id = :id AND {_may_become(status)}",
        by_key=True,
        expect=1,
        id=message_id,
        status=status,
        reason=reason,
        hidden=hidden,
        draft=draft,
        size=size_bytes,
        now=now,
        reviewer=reviewer,
    )


def _may_become(status: Review) -> str:
    """The condition that the review may change to `status`, i.e. is still pending."""
    return f"status IN {any_before(REVIEW, status)}"
