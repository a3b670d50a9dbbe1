"""SQL over messages, their contents, labels, references and search index."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from e2a_core.contract.states import Delivery, Direction, Review
from e2a_core.messages.rows import COLUMNS, SUMMARY_COLUMNS, MessageRow
from e2a_core.roles import beside_notices
from e2a_core.store.statement import Statement, containing, in_list, like, sql

__all__ = [
    "CONVERSATION",
    "SUMMARY",
    "adopt_into_conversation",
    "conversation_beside",
    "by_dedupe_key",
    "by_id",
    "by_id_in_account",
    "by_message_id",
    "content",
    "count_sends",
    "delivery_state",
    "fewer_replies",
    "fewer_sends",
    "find_threads",
    "insert",
    "insert_content",
    "insert_labels",
    "insert_refs",
    "label_rows",
    "mark_deleted",
    "mark_answered",
    "mark_read",
    "mark_unread",
    "recipients",
    "remove_labels",
    "restore",
    "sent_with_message_id",
    "stored_after",
]

_INSERT = f"INSERT INTO messages ({', '.join(COLUMNS)}) VALUES ({', '.join(':' + name for name in COLUMNS)})"

_MADE = f"SELECT created_at FROM messages WHERE agent_email = :agent AND direction = '{Direction.OUTBOUND}'"
_SENDS = (
    f"{_MADE} AND deleted_at IS NULL AND hidden = 0 AND created_at >= :since UNION ALL "
    f"{_MADE} AND deleted_at IS NOT NULL AND created_at >= :since"
)
"""Two reads, because the partial indexes for live and for trashed mail are separate."""

SUMMARY = ", ".join(f"m.{name}" for name in SUMMARY_COLUMNS)
CONVERSATION = "COALESCE(NULLIF(m.conversation_id, ''), m.thread_id)"
"""The conversation of a message `m`, as in the index `messages_conversation`: its thread unless it has another."""


def by_id(agent_email: str, message_id: str) -> Statement:
    return sql(
        "SELECT * FROM messages WHERE id = :id AND agent_email = :agent",
        by_key=True,
        id=message_id,
        agent=agent_email,
    )


def by_message_id(message_id: str) -> Statement:
    return sql("SELECT * FROM messages WHERE id = :id", by_key=True, id=message_id)


def by_id_in_account(account_id: str, message_id: str) -> Statement:
    """A message of any live agent of the account."""
    return sql(
        "SELECT m.* FROM messages m JOIN agents a ON a.email = m.agent_email "
        f"WHERE m.id = :id AND m.account_id = :account AND a.deleted_at IS NULL AND {beside_notices('a.email')}",
        by_key=True,
        id=message_id,
        account=account_id,
    )


def hidden_recipients(agent_email: str, ids: Sequence[str]) -> Statement:
    """`id` and `bcc` of some messages of an inbox."""
    placeholders, params = in_list("id", ids)
    return Statement(
        f"SELECT id, bcc FROM messages WHERE agent_email = :agent AND id IN ({placeholders})",
        {"agent": agent_email, **params},
        by_key=True,
    )


def by_dedupe_key(dedupe_key: str, agents: Sequence[str]) -> Statement:
    """Those of `agents` that already have the message with this key."""
    names, params = in_list("agent", agents)
    return Statement(
        f"SELECT agent_email, id FROM messages WHERE dedupe_key = :key AND agent_email IN ({names})",
        {"key": dedupe_key, **params},
        by_key=True,
    )


def insert(row: MessageRow) -> Statement:
    return Statement(_INSERT, row.to_store(), by_key=True)


def insert_content(content_hash: str, data: bytes, now: int) -> Statement:
    """Stores the bytes once per distinct content.

    The update locks the row, so that a concurrent purge cannot delete it.
    """
    return sql(
        "INSERT INTO raw_messages (content_hash, data, created_at) VALUES (:hash, :data, :now) "
        "ON CONFLICT (content_hash) DO UPDATE SET created_at = excluded.created_at",
        by_key=True,
        hash=content_hash,
        data=data,
        now=now,
    )


def content(content_hash: str) -> Statement:
    return sql("SELECT data FROM raw_messages WHERE content_hash = :hash", hash=content_hash)


def insert_refs(agent_email: str, message_id: str, refs: Iterable[str]) -> list[Statement]:
    """Stores the Message-IDs by which later mail may refer to this message."""
    return [
        sql(
            "INSERT INTO message_refs (agent_email, ref, message_id) VALUES (:agent, :ref, :id) "
            "ON CONFLICT (agent_email, ref, message_id) DO NOTHING",
            by_key=True,
            agent=agent_email,
            ref=ref,
            id=message_id,
        )
        for ref in dict.fromkeys(refs)
        if ref
    ]


def find_threads(agent_email: str, refs: Sequence[str]) -> Statement:
    """The threads and conversations of this inbox's messages with one of the Message-IDs `refs`, newest first."""
    names, params = in_list("ref", refs)
    return Statement(
        "SELECT r.ref, m.thread_id, m.conversation_id FROM message_refs r "
        "JOIN messages m ON m.id = r.message_id "
        f"WHERE r.agent_email = :agent AND r.ref IN ({names}) ORDER BY m.created_at DESC",
        {"agent": agent_email, **params},
        by_key=True,
    )


def sent_with_message_id(agent_email: str, refs: Sequence[str]) -> Statement:
    """Messages with one of the Message-IDs `refs` that any inbox of the agent's account sent."""
    names, params = in_list("ref", refs)
    return Statement(
        "SELECT m.* FROM message_refs r JOIN messages m ON m.id = r.message_id "
        "WHERE r.agent_email IN (SELECT a.email FROM agents a WHERE a.account_id = "
        "(SELECT o.account_id FROM agents o WHERE o.email = :agent)) "
        f"AND r.ref IN ({names}) AND m.direction = '{Direction.OUTBOUND}'",
        {"agent": agent_email, **params},
    )


def stored_after(seq: int, limit: int) -> Statement:
    """The next messages that have content, in the order in which they were stored."""
    return sql(
        "SELECT * FROM messages WHERE seq > :seq AND content_hash IS NOT NULL ORDER BY seq LIMIT :limit",
        seq=seq,
        limit=limit,
    )


def stored_between(seq: int, until: int, limit: int) -> Statement:
    """The ids of the next messages up to the one stored at `until`, in the order in which they were stored."""
    return sql(
        "SELECT id, seq FROM messages WHERE seq > :seq AND seq <= :until ORDER BY seq LIMIT :limit",
        seq=seq,
        until=until,
        limit=limit,
    )


def insert_labels(message_id: str, labels: Iterable[str]) -> list[Statement]:
    return [
        sql(
            "INSERT INTO message_labels (message_id, label) VALUES (:id, :label) "
            "ON CONFLICT (message_id, label) DO NOTHING",
            by_key=True,
            id=message_id,
            label=label,
        )
        for label in labels
    ]


def remove_labels(message_id: str, labels: Sequence[str]) -> list[Statement]:
    return [
        sql(
            "DELETE FROM message_labels WHERE message_id = :id AND label = :label",
            by_key=True,
            id=message_id,
            label=label,
        )
        for label in labels
    ]


def label_rows(message_id: str) -> Statement:
    return sql("SELECT label FROM message_labels WHERE message_id = :id", by_key=True, id=message_id)


def mark_read(message_id: str, now: int) -> Statement:
    return sql(
        "UPDATE messages SET read_at = :now WHERE id = :id AND read_at IS NULL",
        by_key=True,
        id=message_id,
        now=now,
    )


def mark_answered(message_id: str, now: int) -> Statement:
    return sql(
        f"UPDATE messages SET answered_at = :now WHERE id = :id AND direction = '{Direction.INBOUND}'",
        by_key=True,
        id=message_id,
        now=now,
    )


def mark_unread(message_id: str) -> Statement:
    return sql("UPDATE messages SET read_at = NULL WHERE id = :id", by_key=True, id=message_id)


def mark_deleted(message_id: str, now: int, oldest_claim: int) -> Statement:
    """Affects nothing while the message is held, or while a submission claimed after `oldest_claim` is sending it."""
    return sql(
        "UPDATE messages SET deleted_at = :now "
        f"WHERE id = :id AND deleted_at IS NULL AND status <> '{Review.PENDING}' AND NOT "
        f"(COALESCE(delivery_status, '') = '{Delivery.SENDING}' AND COALESCE(claimed_at, 0) > :oldest)",
        by_key=True,
        expect=1,
        id=message_id,
        now=now,
        oldest=oldest_claim,
    )


def restore(message_id: str) -> Statement:
    return sql(
        "UPDATE messages SET deleted_at = NULL WHERE id = :id AND deleted_at IS NOT NULL",
        by_key=True,
        expect=1,
        id=message_id,
    )


def conversation_beside(agent_email: str, conversation_id: str, agent: str) -> Statement:
    """Reads a message of this inbox's conversation that `agent` neither wrote nor was sent, if there is one."""
    return sql(
        "SELECT m.id FROM messages m WHERE m.agent_email = :inbox AND m.conversation_id = :conversation "
        "AND m.conversation_id <> '' AND COALESCE(m.author_agent, '') <> :agent AND NOT EXISTS (SELECT 1 FROM "
        f"message_recipients r WHERE r.message_id = m.id AND m.direction = '{Direction.OUTBOUND}' "
        "AND r.address = :agent) LIMIT 1",
        by_key=True,
        inbox=agent_email,
        conversation=conversation_id,
        agent=agent,
    )


def adopt_into_conversation(agent_email: str, thread_id: str, conversation_id: str) -> Statement:
    """Sets the conversation of those messages in the thread that have none."""
    return sql(
        "UPDATE messages SET conversation_id = :conversation "
        "WHERE agent_email = :agent AND thread_id = :thread AND conversation_id = ''",
        by_key=True,
        agent=agent_email,
        thread=thread_id,
        conversation=conversation_id,
    )


def delivery_state(message_id: str) -> Statement:
    return sql(
        "SELECT status, approval_expires_at, delivery_status, sent_as, method, provider_message_id FROM messages "
        "WHERE id = :id",
        by_key=True,
        id=message_id,
    )


def recipients(message_id: str) -> Statement:
    return sql(
        "SELECT * FROM message_recipients WHERE message_id = :id ORDER BY address", by_key=True, id=message_id
    )


def count_sends(agent_email: str, since: int) -> Statement:
    """The number of messages the agent sent since `since`, trashed ones included, and the time of the first."""
    return sql(
        f"SELECT count(*) AS n, min(created_at) AS first FROM ({_SENDS}) sends",
        by_key=True,
        agent=agent_email,
        since=since,
    )


def fewer_sends(agent_email: str, since: int, limit: int) -> Statement:
    """A write condition: the agent sent fewer than `limit` messages since `since`, counted as in `count_sends`."""
    return sql(
        f"SELECT email FROM agents WHERE email = :agent AND (SELECT count(*) FROM ({_SENDS}) sends) < :limit",
        by_key=True,
        expect=1,
        agent=agent_email,
        since=since,
        limit=limit,
    )


def fewer_replies(agent_email: str, thread_id: str, counterpart: str, since: int, limit: int) -> Statement:
    """A write condition: the agent sent `counterpart` fewer than `limit` messages in the thread since `since`."""
    return sql(
        "SELECT email FROM agents WHERE email = :agent AND (SELECT count(*) FROM messages "
        "WHERE agent_email = :agent AND thread_id = :thread "
        f"AND direction = '{Direction.OUTBOUND}' AND status <> '{Review.REJECTED}' AND created_at >= :since "
        f"AND {like('lower(to_addresses)', ':counterpart')}) < :limit",
        by_key=True,
        expect=1,
        agent=agent_email,
        thread=thread_id,
        since=since,
        limit=limit,
        counterpart=containing(f'"{counterpart.lower()}"'),
    )
