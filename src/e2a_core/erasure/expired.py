"""The steps of the retention job; each returns the number of items deleted."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

from e2a_core.clock import to_micros
from e2a_core.core import Core
from e2a_core.erasure import queries
from e2a_core.people.passkey_queries import expired_attempts
from e2a_core.people.queries import expired_links, expired_sessions
from e2a_core.store.statement import Row, Statement

__all__ = [
    "DELIVERIES_KEPT",
    "purge_content",
    "purge_deliveries",
    "purge_events",
    "purge_orphans",
    "purge_sign_ins",
    "purge_trash",
]

BATCH = 200
"""Messages deleted in one transaction; small, so that mail can be stored in between."""
EVENT_BATCH = 5000
DELIVERIES_KEPT = timedelta(days=90)
SIGN_INS_KEPT = timedelta(days=7)
"""A link that is opened late is told to have expired, and not to be unknown, for this long."""
ORPHAN_AGE = timedelta(hours=1)
"""Content is committed with its message, so content this old without a message stays without one."""


async def purge_trash(core: Core) -> int:
    """Deletes messages that were in the trash for the retention time."""
    before = _before(core, timedelta(days=core.settings.trash_retention_days))
    purged = 0
    while True:
        async with core.db.transaction() as transaction:
            rows = await transaction.read(queries.trashed_messages(before, BATCH))
            if not rows:
                return purged
            ids = [row["id"] for row in rows]
            await transaction.write(
                [
                    queries.unindex([row["seq"] for row in rows]),
                    queries.delete_messages(ids),
                    *_unreferenced(rows),
                ]
            )
        purged += len(rows)


async def purge_deliveries(core: Core) -> int:
    """Deletes what became of deliveries to webhooks long ago; what still waits stays."""
    before = _before(core, DELIVERIES_KEPT)
    purged = 0
    while True:
        [deleted] = await core.db.write([queries.old_deliveries(before, EVENT_BATCH)])
        purged += deleted.rowcount
        if deleted.rowcount < EVENT_BATCH:
            return purged


async def purge_events(core: Core) -> int:
    before = _before(core, timedelta(days=core.settings.event_retention_days))
    purged = 0
    while True:
        [deleted] = await core.db.write([queries.expired_events(before, EVENT_BATCH)])
        purged += deleted.rowcount
        if deleted.rowcount < EVENT_BATCH:
            return purged


async def purge_content(core: Core) -> int:
    """Deletes the content of messages beyond the configured age, if any; their metadata stays."""
    days = core.settings.message_retention_days
    if not days:
        return 0
    before = _before(core, timedelta(days=days))
    purged = 0
    while rows := await core.db.read(queries.aged_content(before, BATCH)):
        ids = [row["id"] for row in rows]
        await core.db.write(
            [
                queries.unindex_bodies([row["seq"] for row in rows]),
                queries.drop_content(ids),
                queries.drop_attachment_texts(ids),
                *_unreferenced(rows),
            ]
        )
        purged += len(rows)
    return purged


async def purge_orphans(core: Core) -> int:
    before = _before(core, ORPHAN_AGE)
    purged = 0
    while True:
        [deleted] = await core.db.write([queries.orphaned_content(before, BATCH)])
        purged += deleted.rowcount
        if deleted.rowcount < BATCH:
            return purged


async def purge_sign_ins(core: Core) -> int:
    """Deletes the links and sessions of people that expired days ago."""
    before = _before(core, SIGN_INS_KEPT)
    purged = 0
    for expired in (expired_links, expired_sessions, expired_attempts):
        while True:
            [deleted] = await core.db.write([expired(before, EVENT_BATCH)])
            purged += deleted.rowcount
            if deleted.rowcount < EVENT_BATCH:
                break
    return purged


def _before(core: Core, age: timedelta) -> int:
    return to_micros(core.clock.now() - age)


def _unreferenced(rows: Sequence[Row]) -> list[Statement]:
    hashes = sorted({row["content_hash"] for row in rows} - {None})
    return [queries.delete_unreferenced_content(hashes)] if hashes else []
