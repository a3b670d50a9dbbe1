"""SQL of permanent deletion."""

from __future__ import annotations

from collections.abc import Sequence

from e2a_core.contract.states import Delivery, Review
from e2a_core.messages.state import UNDER_WAY, any_of
from e2a_core.store.statement import Statement, in_list, sql

__all__ = [
    "trashed_before",
    "lock",
    "message_being_sent",
    "messages_of",
    "unindex",
    "delete_messages",
    "delete_unreferenced_content",
    "delete_agent",
    "put_aside",
    "agents_under",
    "delete_trashed",
    "aged_content",
    "drop_attachment_texts",
    "drop_content",
    "expired_events",
    "old_deliveries",
    "orphaned_content",
    "trashed_messages",
    "unindex_bodies",
]


def trashed_messages(before: int, count: int) -> Statement:
    """Messages that have been in the trash since `before`, locked until the transaction ends."""
    text = "SELECT id, seq, content_hash FROM messages WHERE deleted_at <= :before ORDER BY deleted_at LIMIT :count"
    return Statement(text, {"before": before, "count": count}, f"{text} FOR UPDATE")


def expired_events(before: int, count: int) -> Statement:
    """Deletes the oldest events. Events are ordered by time, so this needs no index on time."""
    return sql(
        "DELETE FROM events WHERE seq IN (SELECT seq FROM "
        "(SELECT seq, created_at FROM events ORDER BY seq LIMIT :count) oldest WHERE created_at <= :before)",
        before=before,
        count=count,
    )


def old_deliveries(before: int, count: int) -> Statement:
    """Deletes deliveries to webhooks that have settled, made until `before`."""
    return sql(
        "DELETE FROM webhook_deliveries WHERE seq IN (SELECT seq FROM "
        "(SELECT seq, status, created_at FROM webhook_deliveries ORDER BY seq LIMIT :count) oldest"
        " WHERE created_at <= :before AND status <> 'pending')",
        before=before,
        count=count,
    )


def aged_content(before: int, count: int) -> Statement:
    """Messages created until `before` that have content, except held ones and those not yet submitted."""
    return sql(
        "SELECT id, seq, content_hash FROM messages WHERE created_at <= :before "
        f"AND (content_hash IS NOT NULL OR draft IS NOT NULL) AND status <> '{Review.PENDING}' "
        f"AND (delivery_status IS NULL OR delivery_status NOT IN {any_of(UNDER_WAY)}) ORDER BY seq LIMIT :count",
        before=before,
        count=count,
    )


def drop_content(ids: Sequence[str]) -> Statement:
    names, params = in_list("id", ids)
    return Statement(
        "UPDATE messages SET content_hash = NULL, draft = NULL, trace = '', preview = '', attachments = '[]', "
        f"size_bytes = 0 WHERE id IN ({names})",
        params,
    )


def drop_attachment_texts(ids: Sequence[str]) -> Statement:
    names, params = in_list("id", ids)
    return Statement(f"DELETE FROM attachment_texts WHERE message_id IN ({names})", params)


def unindex_bodies(sequences: Sequence[int]) -> Statement:
    """Removes the bodies from the full-text index; subject and addresses stay searchable."""
    by_seq, seq_params = in_list("seq", sequences)
    return Statement(
        f"UPDATE message_search SET body = '', files = '' WHERE rowid IN ({by_seq})",
        seq_params,
        f"UPDATE message_search SET terms = head WHERE seq IN ({by_seq})",
    )


def orphaned_content(before: int, count: int) -> Statement:
    """Deletes content stored until `before` that no message refers to."""
    return sql(
        "DELETE FROM raw_messages WHERE content_hash IN (SELECT r.content_hash FROM raw_messages r "
        "WHERE r.created_at <= :before AND NOT EXISTS "
        "(SELECT 1 FROM messages m WHERE m.content_hash = r.content_hash) LIMIT :count)",
        before=before,
        count=count,
    )


def agents_under(registered_domain: str) -> Statement:
    """The addresses of all agents bound to the domain, live or trashed."""
    return sql("SELECT email FROM agents WHERE registered_domain = :domain", domain=registered_domain)


def put_aside(email: str, now: int) -> Statement:
    """Moves the agent to the trash, if it is not there already."""
    return sql(
        "UPDATE agents SET deleted_at = :now WHERE email = :email AND deleted_at IS NULL",
        email=email,
        now=now,
    )


def trashed_before(instant: int, count: int) -> Statement:
    return sql(
        "SELECT email FROM agents WHERE deleted_at <= :instant ORDER BY deleted_at LIMIT :count",
        instant=instant,
        count=count,
    )


def lock(email: str) -> Statement:
    """Locks the agent, so that no new row can refer to it until the transaction ends."""
    return Statement(
        "SELECT account_id FROM agents WHERE email = :email",
        {"email": email},
        "SELECT account_id FROM agents WHERE email = :email FOR UPDATE",
    )


def message_being_sent(email: str, claimed_since: int) -> Statement:
    """A message that a worker is submitting, i.e. claimed after `claimed_since`."""
    return sql(
        "SELECT id FROM messages "
        f"WHERE agent_email = :email AND delivery_status = '{Delivery.SENDING}' AND claimed_at > :since LIMIT 1",
        email=email,
        since=claimed_since,
    )


def messages_of(email: str, count: int) -> Statement:
    return sql(
        "SELECT id, seq, content_hash FROM messages WHERE agent_email = :email LIMIT :count",
        email=email,
        count=count,
    )


def unindex(sequences: Sequence[int]) -> Statement:
    """Removes messages from the full-text index; must precede their deletion."""
    by_seq, seq_params = in_list("seq", sequences)
    return Statement(
        f"DELETE FROM message_search WHERE rowid IN ({by_seq})",
        seq_params,
        f"DELETE FROM message_search WHERE seq IN ({by_seq})",
    )


def delete_messages(ids: Sequence[str]) -> Statement:
    placeholders, params = in_list("id", ids)
    return Statement(f"DELETE FROM messages WHERE id IN ({placeholders})", params)


def delete_unreferenced_content(hashes: Sequence[str]) -> Statement:
    """Deletes those contents that no message of any inbox refers to."""
    placeholders, params = in_list("hash", hashes)
    return Statement(
        f"DELETE FROM raw_messages WHERE content_hash IN ({placeholders}) "
        "AND NOT EXISTS (SELECT 1 FROM messages m WHERE m.content_hash = raw_messages.content_hash)",
        params,
    )


def delete_agent(email: str) -> Statement:
    return sql("DELETE FROM agents WHERE email = :email", email=email)


def delete_trashed(message_id: str) -> Statement:
    """Deletes a message permanently. Affects nothing unless it is in the trash."""
    return sql("DELETE FROM messages WHERE id = :id AND deleted_at IS NOT NULL", expect=1, id=message_id)
