"""How much waits to be done in the whole deployment, for those who watch over it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from e2a_core.clock import to_micros
from e2a_core.contacts.due import CONTACT_DUE_JOB
from e2a_core.core import Core
from e2a_core.erasure.job import RETENTION_JOB
from e2a_core.extraction.job import EXTRACTION_JOB
from e2a_core.extraction.reindex import REINDEX_JOB
from e2a_core.extraction.relist import RELIST_JOB
from e2a_core.holds.hold import EXPIRY_JOB, NOTICE_JOB
from e2a_core.local import queries
from e2a_core.submission.invitation_mail import INVITATION_MAIL_JOB
from e2a_core.submission.queue import SUBMIT_JOB
from e2a_core.submission.sign_in_mail import SIGN_IN_MAIL_JOB
from e2a_core.subscriptions.queries import SUBSCRIPTION_JOB
from e2a_core.subscriptions.sweep import SWEEP_JOB
from e2a_core.webhooks.delivery_queries import WEBHOOK_JOB
from e2a_core.webhooks.watch import WEBHOOK_NOTICE_JOB, WEBHOOK_WATCH_JOB

__all__ = ["JOB_KINDS", "MAX_COUNTED", "Backlog", "backlog"]

JOB_KINDS = (
    SUBMIT_JOB,
    EXPIRY_JOB,
    NOTICE_JOB,
    RETENTION_JOB,
    EXTRACTION_JOB,
    RELIST_JOB,
    REINDEX_JOB,
    WEBHOOK_JOB,
    SUBSCRIPTION_JOB,
    SWEEP_JOB,
    WEBHOOK_WATCH_JOB,
    WEBHOOK_NOTICE_JOB,
    SIGN_IN_MAIL_JOB,
    INVITATION_MAIL_JOB,
    CONTACT_DUE_JOB,
)
MAX_COUNTED = 50_000
"""Of each: nobody needs to know how many more there are, and counting them would take the database's time."""


@dataclass(frozen=True, slots=True)
class Backlog:
    """By kind of job: `queued` are all of them, `due` those that no worker has taken yet; and messages on hold.

    `deliveries` are those to webhooks that have not settled, `subscriptions` the event subscriptions that are active.
    """

    queued: Mapping[str, int]
    due: Mapping[str, int]
    holds: int
    deliveries: int
    subscriptions: int


async def backlog(core: Core) -> Backlog:
    """Counts at most `MAX_COUNTED` of each. Raises `StoreUnavailable`."""
    now = to_micros(core.clock.now())
    *jobs, [holds], [deliveries], [subscriptions] = await core.db.read(
        [
            *(queries.count_jobs(kind, now, MAX_COUNTED) for kind in JOB_KINDS),
            queries.count_holds(MAX_COUNTED),
            queries.count_deliveries(MAX_COUNTED),
            queries.count_subscriptions(now, MAX_COUNTED),
        ]
    )
    counted = dict(zip(JOB_KINDS, (row for [row] in jobs), strict=True))
    return Backlog(
        {kind: row["queued"] for kind, row in counted.items()},
        {kind: row["due"] for kind, row in counted.items()},
        holds["pending"],
        deliveries["pending"],
        subscriptions["active"],
    )
