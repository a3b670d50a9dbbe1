"""Multiplies the messages of a seeded inbox inside the database, far faster than they could be sent to it.

Each copy is a message of its own: ids, thread, conversation, Message-ID, content and time go on from those before it.
"""

from __future__ import annotations

from collections.abc import Sequence

from e2a_core.messages.rows import COLUMNS
from e2a_core.messages.terms import BUCKET
from e2a_core.store.statement import Statement

__all__ = ["ADVANCE_SEQUENCE", "CONVERSATIONS", "INDEXES", "copy_of"]

INDEXES = Statement(
    "SELECT name, sql FROM sqlite_master WHERE type = 'index' AND sql IS NOT NULL AND tbl_name IN "
    "('messages', 'message_refs', 'message_labels')",
    {},
    "SELECT indexname AS name, indexdef AS sql FROM pg_indexes WHERE schemaname = 'public' AND tablename IN "
    "('messages', 'message_refs', 'message_labels', 'message_search') AND indexname NOT IN "
    "(SELECT conname FROM pg_constraint)",
)
"""Those that are dropped for the time of the copying: building one anew takes less than adding to it row by row."""

ADVANCE_SEQUENCE = "SELECT setval(pg_get_serial_sequence('messages', 'seq'), (SELECT max(seq) FROM messages))"
"""PostgreSQL's own does not notice numbers that were given."""

CONVERSATIONS = """
    INSERT INTO conversations (agent_email, id, message_count, inbound_count, unread_count, first_at, last_at)
    SELECT agent_email, COALESCE(NULLIF(conversation_id, ''), thread_id), count(*),
        sum(CASE WHEN direction = 'inbound' THEN 1 ELSE 0 END),
        sum(CASE WHEN direction = 'inbound' AND read_at IS NULL THEN 1 ELSE 0 END), min(created_at), max(created_at)
    FROM messages WHERE deleted_at IS NULL AND hidden = 0
    GROUP BY agent_email, COALESCE(NULLIF(conversation_id, ''), thread_id)
"""
"""The rows that PostgreSQL's trigger keeps, made at once."""

_BASE = "m.seq >= :first AND m.seq < :first + :period"
_NUMBER = "(m.seq - :first + :shift)"


def copy_of(first: int, period: int, shift: int, step_micros: int) -> Sequence[Statement]:
    """The statements that copy the `period` messages from seq `first` on, `shift` places further."""
    params = {"first": first, "period": period, "shift": shift}
    content = _both(
        "INSERT INTO raw_messages (content_hash, data, created_at) SELECT {hash}, {data}, r.created_at "
        f"FROM messages m JOIN raw_messages r ON r.content_hash = m.content_hash WHERE {_BASE}",
        params,
    )
    messages = _both(
        f"INSERT INTO messages (seq, {', '.join(COLUMNS)}) "
        f"SELECT m.seq + :shift, {', '.join(_CHANGED.get(name, f'm.{name}') for name in COLUMNS)} "
        f"FROM messages m WHERE {_BASE} ORDER BY m.seq",
        {**params, "later": shift * step_micros},
    )
    refs = _both(
        "INSERT INTO message_refs (agent_email, ref, message_id) "
        f"SELECT m.agent_email, {_CHANGED['email_message_id']}, {_CHANGED['id']} FROM messages m WHERE {_BASE}",
        params,
    )
    labels = _both(
        f"INSERT INTO message_labels (message_id, label) SELECT {_CHANGED['id']}, l.label "
        f"FROM messages m JOIN message_labels l ON l.message_id = m.id WHERE {_BASE}",
        params,
    )
    terms = Statement(
        "INSERT INTO message_search (rowid, head, body, labels, files) SELECT m.rowid + :shift, head, body, labels, "
        "files FROM message_search m WHERE m.rowid >= :first AND m.rowid < :first + :period",
        params,
        f"INSERT INTO message_search (seq, terms, head) SELECT m.seq + :shift, {_moved('terms')}, {_moved('head')} "
        f"FROM message_search m WHERE {_BASE}",
    )
    return content, messages, refs, labels, terms


def _moved(column: str) -> str:
    """A vector whose term for the bucket of `seq` is that of the copy."""
    return (
        f"ts_delete(m.{column}, '_b' || (m.seq / {BUCKET})) "
        f"|| array_to_tsvector(ARRAY['_b' || ((m.seq + :shift) / {BUCKET})])"
    )


_THIRD = f"({_NUMBER} / 3)"
_CHANGED = {
    "id": "'msg_' || {id}",
    "thread_id": "'thr_' || {third}",
    "conversation_id": "CASE WHEN m.conversation_id = '' THEN '' ELSE 'conv_' || {third} END",
    "email_message_id": f"'<' || {_NUMBER} || substr(m.email_message_id, {{at}})",
    "content_hash": "{hash}",
    "created_at": "m.created_at + :later",
    "read_at": "m.read_at + :later",
}
_SQLITE = {
    "id": f"printf('%024x', {_NUMBER})",
    "third": f"printf('%024x', {_THIRD})",
    "hash": f"printf('%016x', {_NUMBER}) || substr(m.content_hash, 17)",
    "at": "instr(m.email_message_id, '@')",
    "data": f"CAST(r.data || {_NUMBER} AS BLOB)",
}
_POSTGRESQL = {
    "id": f"lpad(to_hex({_NUMBER}), 24, '0')",
    "third": f"lpad(to_hex({_THIRD}), 24, '0')",
    "hash": f"lpad(to_hex({_NUMBER}), 16, '0') || substr(m.content_hash, 17)",
    "at": "position('@' in m.email_message_id)",
    "data": f"r.data || convert_to({_NUMBER}::text, 'UTF8')",
}


def _both(text: str, params: dict[str, int]) -> Statement:
    return Statement(text.format_map(_SQLITE), params, text.format_map(_POSTGRESQL))
