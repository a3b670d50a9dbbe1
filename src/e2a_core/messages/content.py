"""The bytes of a message as it is handed on, and what a list shows of its text."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from e2a_core.contract.message_views import AttachmentContent, AttachmentMetaView
from e2a_core.core import Core
from e2a_core.mail.attachments import AttachmentMeta, attachment_content
from e2a_core.messages import queries
from e2a_core.messages.rows import MessageRow
from e2a_core.store.statement import first

__all__ = ["attachments_json", "load_content", "preview", "stored_attachment"]

PREVIEW_CHARS = 160
"""Two lines of a list."""


def preview(text: str) -> str:
    """The beginning of `text` on one line."""
    return " ".join(text[: PREVIEW_CHARS * 2].split())[:PREVIEW_CHARS]


async def load_content(core: Core, row: MessageRow) -> bytes | None:
    """Returns the stored bytes preceded by the trace header fields, or None for a draft."""
    if row.content_hash is None:
        return None
    found = first(await core.db.read(queries.content(row.content_hash)))
    return None if found is None else row.trace.encode("utf-8") + bytes(found["data"])


def attachments_json(attachments: Sequence[AttachmentMeta]) -> list[dict[str, Any]]:
    """The list of attachments as a row keeps it."""
    return [
        {key: value for key, value in asdict(item).items() if value not in (None, "")} for item in attachments
    ]


def stored_attachment(content: bytes, index: int) -> AttachmentContent:
    """The attachment with this index in a message. Raises AttachmentNotFound if there is none."""
    meta, data, charset = attachment_content(content, index)
    view = AttachmentMetaView(
        index=meta.index,
        filename=meta.filename or None,
        content_type=meta.content_type,
        content_id=meta.content_id,
        size_bytes=meta.size_bytes,
    )
    return AttachmentContent(meta=view, data=data, charset=charset)
