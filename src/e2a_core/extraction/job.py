"""Reads the attachments of a received message for search, after the message is stored."""

from __future__ import annotations

from e2a_core.clock import from_micros
from e2a_core.core import Core
from e2a_core.documents.document import Outcome, may_hold_text
from e2a_core.extraction.texts import document_text
from e2a_core.messages.content import load_content, stored_attachment
from e2a_core.messages.queries import by_message_id
from e2a_core.messages.rows import MessageRow
from e2a_core.store import jobs
from e2a_core.store.jobs import Job
from e2a_core.store.statement import Statement, first

__all__ = ["EXTRACTION_JOB", "ReadAttachments", "extraction_job"]

EXTRACTION_JOB = "extraction"

MAX_ATTACHMENTS = 20
"""Attachments read for search; any other is read when it is asked for."""


class ReadAttachments:
    """Handles the jobs that `extraction_job` makes."""

    def __init__(self, core: Core) -> None:
        self._core = core

    async def __call__(self, job: Job) -> None:
        found = first(await self._core.db.read(by_message_id(str(job.payload["message_id"]))))
        row = MessageRow.from_store(found) if found else None
        content = await load_content(self._core, row) if row else None
        if row is None or content is None:
            return
        for index in _readable(row):
            read = await document_text(self._core, row, stored_attachment(content, index))
            # A message of bombs takes the time of one.
            if read.outcome is Outcome.TOO_DEMANDING:
                return


def extraction_job(core: Core, row: MessageRow) -> list[Statement]:
    """The job that reads the attachments of a new message; none if nothing in it can be read."""
    if not _readable(row):
        return []
    at = from_micros(row.created_at)
    return [jobs.enqueue(EXTRACTION_JOB, {"message_id": row.id}, run_at=at, id=core.ids.job(), now=at)]


def _readable(row: MessageRow) -> list[int]:
    """The indexes of the attachments that may hold text."""
    found = [
        meta for meta in row.attachments if may_hold_text(meta["content_type"], meta.get("filename", ""))
    ]
    return [meta["index"] for meta in found][:MAX_ATTACHMENTS]
