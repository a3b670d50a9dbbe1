"""The bytes of a message as it is handed on, and what a list shows of its text."""

from __future__ import annotations

from e2a_core.core import Core
from e2a_core.messages import queries
from e2a_core.messages.rows import MessageRow
from e2a_core.store.statement import first

__all__ = ["load_content", "preview"]

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
