"""The hourly job that deletes data at the end of its retention."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Mapping
from datetime import timedelta

from e2a_core.accounts.idempotency import purge_expired
from e2a_core.audit.sealing import log_left, prune_log, seal_anew
from e2a_core.core import Core
from e2a_core.erasure.agents import purge_trashed
from e2a_core.erasure.expired import (
    purge_content,
    purge_deliveries,
    purge_events,
    purge_orphans,
    purge_sign_ins,
    purge_trash,
)
from e2a_core.errors import E2AError
from e2a_core.store.errors import StoreError
from e2a_core.store.jobs import Job

__all__ = ["RETENTION_INTERVAL", "RETENTION_JOB", "Retention"]

RETENTION_JOB = "retention"
RETENTION_INTERVAL = timedelta(hours=1)

_STEPS: Mapping[str, Callable[[Core], Awaitable[int]]] = {
    "messages in the trash": purge_trash,
    "agents in the trash": purge_trashed,
    "content beyond its age": purge_content,
    "content of no message": purge_orphans,
    "events": purge_events,
    "deliveries to webhooks": purge_deliveries,
    "idempotency keys": purge_expired,
    "sign-in links and sessions": purge_sign_ins,
    "announcements of operations that never ended": log_left,
    "rows of audit logs": prune_log,
    "seals of older secrets": seal_anew,
}

_log = logging.getLogger(__name__)


class Retention:
    """Handles the retention job. A failing step is logged, and the others still run."""

    def __init__(self, core: Core) -> None:
        self._core = core

    async def __call__(self, job: Job) -> None:
        for name, step in _STEPS.items():
            try:
                purged = await step(self._core)
            except (E2AError, StoreError):
                _log.exception("retention of %s failed and is retried within the hour", name)
                continue
            if purged:
                _log.info("retention deleted %d %s", purged, name)
