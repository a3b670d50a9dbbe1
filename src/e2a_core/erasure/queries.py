"""SQL of what has been kept long enough."""

from __future__ import annotations

from collections.abc import Sequence

from e2a_core.contract.states import Review
from e2a_core.messages.state import UNDER_WAY, any_of
from e2a_core.store.statement import Statement, in_list, sql

__all__ = [
    "aged_content",
    "drop_content",
    "expired_events",
    "orphaned_content",
    "trashed_messages",
    "unindex_bodies",
]


def trashed_messages(before: int, count: int) -> Statement:
    """Messages that have been in the trash since `before`, and stay there until the transaction ends."""
    text = "SELECT id, seq, content_hash FROM messages WHERE deleted_at <= :before ORDER BY deleted_at LIMIT :count"
    return Statement(text, {"before": before, "count": count}, f"{text} FOR UPDATE")


def expired_events(before: int, count: int) -> Statement:
    """Deletes the oldest events; the log's order is that of time, so that no index on time is needed."""
    return sql(
        "DELETE FROM events WHERE seq IN (SELECT seq FROM "
        "(SELECT seq, created_at FROM events ORDER BY seq LIMIT :count) oldest WHERE created_at <= :before)",
        before=before,
        count=count,
    )


def aged_content(before: int, count: int) -> Statement:
    """Messages old enough to lose their content; what is still to be decided or sent keeps it."""
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


def unindex_bodies(sequences: Sequence[int], ids: Sequence[str]) -> Statement:
    """The messages are found by subject and correspondents alone from now on."""
    by_seq, seq_params = in_list("seq", sequences)
    by_id, id_params = in_list("id", ids)
    return Statement(
        f"UPDATE message_search SET body = '' WHERE rowid IN ({by_seq})",
        {**seq_params, **id_params},
        f"UPDATE message_search SET document = ts_filter(document, '{{a,b}}') WHERE message_id IN ({by_id})",
    )


def orphaned_content(before: int, count: int) -> Statement:
    """Deletes content stored before `before` that no message has."""
    return sql(
        "DELETE FROM raw_messages WHERE content_hash IN (SELECT r.content_hash FROM raw_messages r "
        "WHERE r.created_at <= :before AND NOT EXISTS "
        "(SELECT 1 FROM messages m WHERE m.content_hash = r.content_hash) LIMIT :count)",
        before=before,
        count=count,
    )
