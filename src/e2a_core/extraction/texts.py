"""Reads the text of an attachment, once for each distinct content."""

from __future__ import annotations

import hashlib

from e2a_core.contract.message_views import AttachmentContent
from e2a_core.core import Core
from e2a_core.documents.document import DocumentText, Outcome
from e2a_core.extraction import queries
from e2a_core.messages.rows import MessageRow
from e2a_core.store.statement import first

__all__ = ["document_text"]


async def document_text(core: Core, row: MessageRow, attachment: AttachmentContent) -> DocumentText:
    """The text of an attachment, kept with its message so that it is read once and found by search.

    What took too long is not kept: the machine may have been busy.
    """
    meta, data = attachment.meta, attachment.data
    content_hash = hashlib.sha256(data).hexdigest()
    known = first(await core.db.read(queries.known_document(content_hash)))
    if known is not None and known["message_id"] == row.id:
        return queries.document_from(known)
    found = (
        queries.document_from(known)
        if known
        else await core.documents.text(data, meta.content_type or "", meta.filename or "")
    )
    if found.outcome is not Outcome.TOO_DEMANDING:
        kept = queries.insert_document(row.id, meta.index, meta.filename or "", content_hash, found)
        await core.db.write([kept])
    return found
