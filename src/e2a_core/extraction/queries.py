"""SQL over the texts of attachments."""

from __future__ import annotations

from collections.abc import Sequence

from e2a_core.documents.document import DocumentText, Outcome
from e2a_core.store.statement import Row, Statement, containing, in_list, like, sql

__all__ = ["document_from", "files_with", "forget_documents", "insert_document", "known_document"]


def known_document(content_hash: str) -> Statement:
    """What was read from a file with this content, in any message."""
    return sql(
        "SELECT * FROM attachment_texts WHERE content_hash = :hash LIMIT 1", by_key=True, hash=content_hash
    )


def files_with(message_ids: Sequence[str], terms: Sequence[str]) -> Statement:
    """The files of these messages in which a term begins with one of `terms`, in their order."""
    names, params = in_list("id", message_ids)
    found = " OR ".join(like("terms", f":term{place}") for place in range(len(terms)))
    params |= {f"term{place}": containing(f" {term}") for place, term in enumerate(terms)}
    return Statement(
        f"SELECT message_id, filename FROM attachment_texts WHERE message_id IN ({names}) AND ({found}) "
        "ORDER BY message_id, attachment_index",
        params,
    )


def insert_document(
    message_id: str, index: int, filename: str, content_hash: str, found: DocumentText, terms: Sequence[str]
) -> Statement:
    """Keeps what was read. Does nothing if the message is gone or the text is kept already."""
    return sql(
        "INSERT INTO attachment_texts "
        "(message_id, attachment_index, filename, content_hash, outcome, text, terms, truncated, pages) "
        "SELECT id, :index, :filename, :hash, :outcome, :text, :terms, :truncated, :pages FROM messages WHERE id = :id "
        "ON CONFLICT (message_id, attachment_index) DO NOTHING",
        by_key=True,
        id=message_id,
        index=index,
        filename=filename,
        hash=content_hash,
        outcome=found.outcome.value,
        text=found.text,
        terms=f" {' '.join(terms)} " if terms else "",
        truncated=int(found.truncated),
        pages=found.pages,
    )


def forget_documents(message_id: str) -> Statement:
    """Forgets what was read from the files of a message, so that they are read again."""
    return sql("DELETE FROM attachment_texts WHERE message_id = :id", id=message_id)


def document_from(row: Row) -> DocumentText:
    return DocumentText(Outcome(row["outcome"]), row["text"], bool(row["truncated"]), row["pages"])
