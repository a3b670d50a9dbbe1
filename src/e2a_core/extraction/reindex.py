"""Makes the search terms of stored mail again, after a change of how terms are made.

A message is indexed when it is stored, and keeps the terms of the version that stored it. A migration enqueues this
job for the mail there is; what arrives later is indexed as it is now.
"""

from __future__ import annotations

from e2a_core.core import Core
from e2a_core.mail.parse import parse_message
from e2a_core.messages.content import load_content
from e2a_core.messages.index_queries import index_again
from e2a_core.messages.queries import by_message_id, stored_between
from e2a_core.messages.rows import MessageRow
from e2a_core.messages.terms import MAX_SEARCHED_CHARS, words_of
from e2a_core.store import jobs
from e2a_core.store.jobs import Job
from e2a_core.store.statement import first

__all__ = ["REINDEX_JOB", "Reindex"]

REINDEX_JOB = "reindex"

BATCH = 100
"""Messages read in one job, so that a restart repeats little."""


class Reindex:
    """Handles one batch in the order of arrival, and enqueues the next. To handle a batch twice changes nothing."""

    def __init__(self, core: Core, batch: int = BATCH) -> None:
        self._core = core
        self._batch = batch

    async def __call__(self, job: Job) -> None:
        core, until = self._core, int(job.payload["until"])
        found = await core.db.read(stored_between(int(job.payload.get("after", 0)), until, self._batch))
        for item in found:
            await self._index(item["id"])
        if len(found) == self._batch:
            now, after = core.clock.now(), found[-1]["seq"]
            key = f"{REINDEX_JOB}:{until}:{after}"  # A batch that is handled twice is followed by one.
            rest = {"after": after, "until": until}
            await core.db.write(
                [jobs.enqueue(REINDEX_JOB, rest, run_at=now, id=core.ids.job(), now=now, dedupe_key=key)]
            )

    async def _index(self, message_id: str) -> None:
        # One at a time: a held draft has its files in its row.
        found = first(await self._core.db.read(by_message_id(message_id)))
        if found is None:
            return
        row = MessageRow.from_store(found)
        words = await self._words(row)
        if not index_again(row, words):
            return
        async with self._core.db.transaction() as transaction:
            # As it is now: its list of attachments may have changed meanwhile.
            found = first(await transaction.read(by_message_id(message_id)))
            if found is not None:
                await transaction.write(index_again(MessageRow.from_store(found), words))

    async def _words(self, row: MessageRow) -> list[str]:
        content = await load_content(self._core, row)
        if content is not None:
            return await self._core.offload.run(len(content), _words_of_message, content)
        text = str((row.hold.draft or {}).get("text") or "")[:MAX_SEARCHED_CHARS]
        return await self._core.offload.run(len(text), words_of, text)


def _words_of_message(content: bytes) -> list[str]:
    return words_of(parse_message(content).search_text)
