"""Lists the attachments of stored mail again, after a change of what counts as an attachment.

A message is read when it is shown, and indexes count in what is read then. Lists, filters, searches and events go by
the list that the row keeps, which an older version of the reader may have made. A migration enqueues this job.
"""

from __future__ import annotations

from e2a_core.core import Core
from e2a_core.extraction import queries
from e2a_core.extraction.job import extraction_job
from e2a_core.mail.attachments import attachments_of
from e2a_core.messages.content import attachments_json, load_content
from e2a_core.messages.index_queries import set_attachments
from e2a_core.messages.queries import stored_after
from e2a_core.messages.rows import MessageRow
from e2a_core.store import jobs
from e2a_core.store.jobs import Job

__all__ = ["RELIST_JOB", "Relist"]

RELIST_JOB = "relist"

BATCH = 100
"""Messages read in one job, so that a restart repeats little."""


class Relist:
    """Handles one batch in the order of arrival, and enqueues the next."""

    def __init__(self, core: Core, batch: int = BATCH) -> None:
        self._core = core
        self._batch = batch

    async def __call__(self, job: Job) -> None:
        core = self._core
        found = await core.db.read(stored_after(int(job.payload.get("after", 0)), self._batch))
        for item in found:
            await self._relist(MessageRow.from_store(item))
        if len(found) == self._batch:
            now = core.clock.now()
            after = {"after": found[-1]["seq"]}
            await core.db.write([jobs.enqueue(RELIST_JOB, after, run_at=now, id=core.ids.job(), now=now)])

    async def _relist(self, row: MessageRow) -> None:
        content = await load_content(self._core, row)
        if content is None:
            return
        listed = attachments_json(await self._core.offload.run(len(content), attachments_of, content))
        if listed == row.attachments:
            return
        row.attachments = listed
        again = extraction_job(self._core, row) if row.inbound else []
        await self._core.db.write([*set_attachments(row), queries.forget_documents(row.id), *again])
