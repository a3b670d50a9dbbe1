"""SQL over the search index of messages."""

from __future__ import annotations

from collections.abc import Sequence

from e2a_core.messages.rows import MessageRow, dump_json
from e2a_core.messages.terms import ATTACHMENT, BUCKET, author_parts, inbox_term, label_term, parts, words_of
from e2a_core.store.statement import Statement, sql

__all__ = ["index_again", "index_attachment_text", "index_text", "set_attachments", "set_label_cache"]

MAX_VECTOR_BYTES = 512 * 1024
"""PostgreSQL refuses a vector over 1 MiB; a text adds at most `MAX_TERMS` terms."""

MAX_TERMS_BYTES = 1024 * 1024
"""What PostgreSQL takes in one vector."""

_BUCKET_TERM = f"array_to_tsvector(ARRAY['_b' || (seq / {BUCKET})])"


def _vector(terms: str) -> str:
    return f"array_to_tsvector(array_remove(string_to_array({terms}, ' '), ''))"


_INDEX_SQLITE = (
    "INSERT OR REPLACE INTO message_search (rowid, head, body, labels, files) "
    "SELECT seq, :head, :body, :labels, '' FROM messages WHERE id = :id"
)
_INDEX_POSTGRESQL = (
    "INSERT INTO message_search (seq, terms, head) SELECT seq, "
    f"{_vector(':head')} || {_vector(':body')} || {_vector(':labels')} || {_BUCKET_TERM}, "
    f"{_vector(':head')} || {_vector(':labels')} || {_BUCKET_TERM} FROM messages WHERE id = :id "
    "ON CONFLICT (seq) DO UPDATE SET terms = excluded.terms, head = excluded.head"
)


def index_text(row: MessageRow, body: Sequence[str]) -> Statement:
    """Makes the message searchable, as it is now. Must follow its insert.

    `body` holds the terms (`words_of`) of what a reader of the message may read.
    """
    params = {
        "id": row.id,
        "head": " ".join(_head_terms(row)),
        "body": " ".join(body),
        "labels": " ".join(map(label_term, row.labels)),
    }
    return Statement(_INDEX_SQLITE, params, _INDEX_POSTGRESQL, by_key=True)


def index_again(row: MessageRow, body: Sequence[str]) -> list[Statement]:
    """Makes the terms of head and body those of this version; none if they are ASCII, whose terms have not changed.

    Labels and attachments keep theirs.
    """
    head, words = " ".join(_head_terms(row)), " ".join(body)
    if head.isascii() and words.isascii():
        return []
    size = "octet_length(CAST(terms AS TEXT)) + octet_length(CAST(:head AS TEXT)) + octet_length(CAST(:body AS TEXT))"
    return [
        Statement(
            "UPDATE message_search SET head = :head, body = :body "
            "WHERE rowid = (SELECT seq FROM messages WHERE id = :id)",
            {"id": row.id, "head": head, "body": words},
            f"UPDATE message_search SET head = head || {_vector(':head')}, "
            f"terms = terms || {_vector(':head')} || {_vector(':body')} "
            f"WHERE seq = (SELECT seq FROM messages WHERE id = :id) AND {size} < {MAX_TERMS_BYTES}",
        )
    ]


def index_attachment_text(message_id: str, terms: Sequence[str]) -> Statement:
    """Makes the terms of an attachment (`words_of`) find the message. Must follow `index_text`."""
    return Statement(
        "UPDATE message_search SET files = files || ' ' || :terms "
        "WHERE rowid = (SELECT seq FROM messages WHERE id = :id)",
        {"id": message_id, "terms": " ".join(terms)},
        f"UPDATE message_search SET terms = terms || {_vector(':terms')} "
        "WHERE seq = (SELECT seq FROM messages WHERE id = :id) "
        f"AND pg_column_size(terms) < {MAX_VECTOR_BYTES}",
    )


def set_attachments(row: MessageRow) -> list[Statement]:
    """Keeps the list of attachments that `row` has now, and makes their names find the message."""
    return [
        sql(
            "UPDATE messages SET attachments = :attachments WHERE id = :id",
            by_key=True,
            id=row.id,
            attachments=dump_json(row.attachments),
        ),
        Statement(
            "UPDATE message_search SET head = :head, files = '' "
            "WHERE rowid = (SELECT seq FROM messages WHERE id = :id)",
            {"id": row.id, "head": " ".join(_head_terms(row))},
            f"UPDATE message_search SET head = head || {_vector(':head')}, terms = terms || {_vector(':head')} "
            "WHERE seq = (SELECT seq FROM messages WHERE id = :id)",
        ),
    ]


def set_label_cache(message_id: str, before: Sequence[str], labels: Sequence[str]) -> list[Statement]:
    """Updates the copies of the labels that views and the text index read."""
    texts = {name: " ".join(map(label_term, items)) for name, items in (("old", before), ("new", labels))}
    vectors = ", ".join(
        f"{column} = ts_delete({column}, string_to_array(:old, ' ')) || {_vector(':new')}"
        for column in ("terms", "head")
    )
    return [
        sql(
            "UPDATE messages SET labels = :labels WHERE id = :id",
            by_key=True,
            id=message_id,
            labels=dump_json(list(labels)),
        ),
        Statement(
            "UPDATE message_search SET labels = :new WHERE rowid = (SELECT seq FROM messages WHERE id = :id)",
            {"id": message_id, **texts},
            f"UPDATE message_search SET {vectors} WHERE seq = (SELECT seq FROM messages WHERE id = :id)",
        ),
    ]


def _head_terms(row: MessageRow) -> list[str]:
    people = [
        row.from_name,
        row.header_from or "",
        row.sender,
        *row.to_addresses,
        *row.cc,
        *row.bcc,
        *row.reply_to,
    ]
    files = [str(item.get("filename") or "") for item in row.attachments]
    marks = [inbox_term(row.agent_email), ATTACHMENT] if row.attachments else [inbox_term(row.agent_email)]
    words = words_of(" ".join([row.subject, *people, *files]))
    author = author_parts(row.sender, row.agent_email)
    shown = dict.fromkeys([*author, *parts(row.from_name), *parts(row.subject)])
    return [*marks, *words, *shown]
