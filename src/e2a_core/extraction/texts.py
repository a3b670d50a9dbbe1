"""Reads the text of an attachment, once for each distinct content."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence

from e2a_core.contract.message_views import AttachmentContent, AttachmentMetaView
from e2a_core.core import Core
from e2a_core.documents.document import DocumentText, Outcome, kind_of
from e2a_core.extraction import queries
from e2a_core.messages.index_queries import index_attachment_text
from e2a_core.messages.query_words import query_terms
from e2a_core.messages.rows import MessageRow
from e2a_core.messages.terms import words_of
from e2a_core.store.statement import Statement, first

__all__ = ["document_text", "files_found"]


async def document_text(core: Core, row: MessageRow, attachment: AttachmentContent) -> DocumentText:
    """The text of an attachment, kept with its message so that it is read once and found by search.

    What took too long is not kept: the machine may have been busy.
    """
    meta, data = attachment.meta, attachment.data
    content_hash = _hash(attachment)
    known = first(await core.db.read(queries.known_document(content_hash)))
    if known is not None and known["message_id"] == row.id:
        return queries.document_from(known)
    found = (
        queries.document_from(known)
        if known
        else await core.documents.text(data, meta.content_type or "", meta.filename or "", attachment.charset)
    )
    if found.outcome is not Outcome.TOO_DEMANDING:
        terms = await core.offload.run(len(found.text), words_of, found.text)
        await core.db.write(_kept(row.id, meta, content_hash, found, terms))
    return found


def _hash(attachment: AttachmentContent) -> str:
    """Names the octets and how they are read: the same octets are another text as another kind or charset."""
    meta = attachment.meta
    kind = kind_of(attachment.data, meta.content_type or "", meta.filename or "")
    read_as = f"{kind.value}\0{attachment.charset or ''}\0".encode("utf-8", "replace")
    return hashlib.sha256(read_as + attachment.data).hexdigest()


async def files_found(core: Core, query: str, message_ids: Sequence[str]) -> Mapping[str, list[str]]:
    """The names of the files in which words of a full-text query occur, by message."""
    wanted = query_terms(query)
    found: dict[str, list[str]] = {}
    if wanted and message_ids:
        for row in await core.db.read(queries.files_with(message_ids, wanted)):
            found.setdefault(row["message_id"], []).append(row["filename"] or "unnamed")
    return found


def _kept(
    message_id: str, meta: AttachmentMetaView, content_hash: str, found: DocumentText, terms: Sequence[str]
) -> list[Statement]:
    kept = [queries.insert_document(message_id, meta.index, meta.filename or "", content_hash, found, terms)]
    return [*kept, index_attachment_text(message_id, terms)] if terms else kept
