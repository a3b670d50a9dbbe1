"""SQL over the texts of attachments."""

from __future__ import annotations

from e2a_core.documents.document import DocumentText, Outcome
from e2a_core.store.statement import Row, Statement, sql

__all__ = ["document_from", "documents_of", "insert_document", "known_document"]


def known_document(content_hash: str) -> Statement:
    """What was read from a file with this content, in any message."""
    return sql(
        "SELECT * FROM attachment_texts WHERE content_hash = :hash LIMIT 1", by_key=True, hash=content_hash
    )


def documents_of(message_id: str) -> Statement:
    return sql(
        "SELECT * FROM attachment_texts WHERE message_id = :id ORDER BY attachment_index",
        by_key=True,
        id=message_id,
    )


def insert_document(
    message_id: str, index: int, filename: str, content_hash: str, found: DocumentText
) -> Statement:
    """Keeps what was read. Does nothing if the message is gone or the text is kept already."""
    return sql(
        "INSERT INTO attachment_texts "
        "(message_id, attachment_index, filename, content_hash, outcome, text, truncated, pages) "
        "SELECT id, :index, :filename, :hash, :outcome, :text, :truncated, :pages FROM messages WHERE id = :id "
        "ON CONFLICT (message_id, attachment_index) DO NOTHING",
        by_key=True,
        id=message_id,
        index=index,
        filename=filename,
        hash=content_hash,
        outcome=found.outcome.value,
        text=found.text,
        truncated=int(found.truncated),
        pages=found.pages,
    )


def document_from(row: Row) -> DocumentText:
    return DocumentText(Outcome(row["outcome"]), row["text"], bool(row["truncated"]), row["pages"])
