"""The durable job queue: rows written with the change they belong to, claimed by lease, run at least once.

A job row lives until it is done. Claiming it moves `due_at` to the end of the lease and leaves a token; whoever
finishes must still hold that token, so a worker that lost its lease cannot commit what another does again.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from e2a_core.clock import from_micros, to_micros
from e2a_core.json_encoding import compact_json
from e2a_core.store.statement import Row, Statement, sql

__all__ = ["Job", "claim", "earliest_due", "enqueue", "reclaim"]

_ENQUEUE = (
    "INSERT INTO jobs (id, kind, dedupe_key, payload, run_at, due_at, created_at)"
    " VALUES (:id, :kind, :dedupe_key, :payload, :run_at, :run_at, :created_at)"
    " ON CONFLICT (dedupe_key) DO NOTHING"
)
_ENQUEUE_AGAIN = """
    INSERT INTO jobs (id, kind, dedupe_key, payload, run_at, due_at, asked, created_at)
    VALUES (:id, :kind, :dedupe_key, :payload, :run_at, :run_at, 1, :created_at)
    ON CONFLICT (dedupe_key) DO UPDATE SET
        asked = jobs.asked + 1,
        run_at = CASE WHEN jobs.lease IS NULL AND jobs.run_at > excluded.run_at THEN excluded.run_at
            ELSE jobs.run_at END,
        due_at = CASE WHEN jobs.lease IS NULL AND jobs.due_at > excluded.due_at THEN excluded.due_at
            ELSE jobs.due_at END
"""

_CLAIMED = "jobs.id, kind, payload, run_at, attempts, lease, asked, created_at"
_CLAIM = f"""
    UPDATE jobs SET lease = :lease, due_at = :until, attempts = attempts + 1
    WHERE id IN (SELECT id FROM jobs WHERE kind = :kind AND due_at <= :now ORDER BY due_at, id LIMIT :limit)
    RETURNING {_CLAIMED}
"""
_CLAIM_POSTGRESQL = f"""
    WITH due AS MATERIALIZED (
        SELECT id FROM jobs WHERE kind = :kind AND due_at <= :now ORDER BY due_at, id LIMIT :limit
        FOR UPDATE SKIP LOCKED
    )
    UPDATE jobs SET lease = :lease, due_at = :until, attempts = attempts + 1
    FROM due WHERE jobs.id = due.id
    RETURNING {_CLAIMED}
"""

_ERROR_LENGTH = 2000
"""Characters of an error kept with its job: enough to recognise it, the log has the rest."""


@dataclass(frozen=True, slots=True)
class Job:
    """A claimed job. `attempts` counts this claim, so it is 1 the first time.

    `asked` is how often it had been asked for at the claim, 0 for a job that cannot be asked for `again`. One asked for
    since then is not done yet.
    """

    id: str
    kind: str
    payload: Mapping[str, Any]
    attempts: int
    lease: str
    created_at: datetime
    run_at: datetime
    asked: int = 0

    @classmethod
    def from_row(cls, row: Row) -> Job:
        return cls(
            id=row["id"],
            kind=row["kind"],
            payload=json.loads(row["payload"]),
            attempts=row["attempts"],
            lease=row["lease"],
            created_at=from_micros(row["created_at"]),
            run_at=from_micros(row["run_at"]),
            asked=row["asked"],
        )

    def complete(self) -> Statement:
        """Done. In the write of the result it makes both happen once.

        `StaleWrite` if the lease was lost, or the job was asked for again.
        """
        return sql(
            "DELETE FROM jobs WHERE id = :id AND lease = :lease AND asked = :asked",
            by_key=True,
            expect=1,
            id=self.id,
            lease=self.lease,
            asked=self.asked,
        )

    def retry(self, run_at: datetime, error: str, *, count_attempt: bool) -> Statement:
        """Run again at `run_at`; without `count_attempt` as if this attempt had not been made.

        A job that was asked for again meanwhile runs at once.
        """
        return sql(
            "UPDATE jobs SET run_at = CASE WHEN asked = :asked THEN :run_at ELSE run_at END,"
            " due_at = CASE WHEN asked = :asked THEN :run_at ELSE run_at END,"
            " lease = NULL, attempts = :attempts, last_error = :error WHERE id = :id AND lease = :lease",
            by_key=True,
            expect=1,
            run_at=to_micros(run_at),
            asked=self.asked,
            attempts=self.attempts if count_attempt else self.attempts - 1,
            error=_storable(error),
            id=self.id,
            lease=self.lease,
        )

    def release(self, now: datetime) -> Statement:
        """Give the job back as it was, due at once."""
        return sql(
            "UPDATE jobs SET due_at = :now, lease = NULL, attempts = :attempts WHERE id = :id AND lease = :lease",
            by_key=True,
            now=to_micros(now),
            attempts=self.attempts - 1,
            id=self.id,
            lease=self.lease,
        )

    def confirm(self) -> Statement:
        """Changes nothing, and fails its write with `StaleWrite` if the lease was lost.

        Belongs into the last write before something that cannot be undone: a worker that was stopped for longer
        than its lease must not do again what another has done meanwhile.
        """
        return sql(
            "UPDATE jobs SET lease = :lease WHERE id = :id AND lease = :lease",
            by_key=True,
            expect=1,
            id=self.id,
            lease=self.lease,
        )

    def renew(self, until: datetime) -> Statement:
        """Keep the lease longer; affects no row once it was lost or the job finished."""
        return sql(
            "UPDATE jobs SET due_at = :until WHERE id = :id AND lease = :lease",
            by_key=True,
            until=to_micros(until),
            id=self.id,
            lease=self.lease,
        )


def enqueue(
    kind: str,
    payload: Mapping[str, Any],
    *,
    run_at: datetime,
    id: str,
    now: datetime,
    dedupe_key: str | None = None,
    again: bool = False,
) -> Statement:
    """Queue a job; does nothing while one with the same `dedupe_key` is queued or running.

    `again` says that the job works off what was written until now: a queued one with the key runs no later than
    `run_at`, and a running one runs once more after it has ended.
    """
    params = {
        "id": id,
        "kind": kind,
        "dedupe_key": dedupe_key,
        "payload": compact_json(payload),
        "run_at": to_micros(run_at),
        "created_at": to_micros(now),
    }
    return Statement(_ENQUEUE_AGAIN if again else _ENQUEUE, params, by_key=True, wakes=True)


def claim(kind: str, *, limit: int, lease: str, now: datetime, duration: timedelta) -> Statement:
    """Take at most `limit` due jobs of `kind`; returns their rows, in no particular order."""
    params = {
        "kind": kind,
        "limit": limit,
        "lease": lease,
        "now": to_micros(now),
        "until": to_micros(now + duration),
    }
    return Statement(_CLAIM, params, _CLAIM_POSTGRESQL, by_key=True)


def reclaim(now: datetime) -> Statement:
    """End every lease; only for who knows that nobody else is at work. Attempts that were begun stay counted."""
    return sql("UPDATE jobs SET due_at = :now, lease = NULL WHERE lease IS NOT NULL", now=to_micros(now))


def earliest_due(kinds: Sequence[str]) -> Statement:
    """Reads one row: when the next job of each kind is due, in columns named `due_0`, `due_1`, ..."""
    columns = (
        f"(SELECT MIN(due_at) FROM jobs WHERE kind = :kind_{index}) AS due_{index}"
        for index in range(len(kinds))
    )
    params = {f"kind_{index}": kind for index, kind in enumerate(kinds)}
    return Statement(f"SELECT {', '.join(columns)}", params, by_key=True)


def _storable(error: str) -> str:
    """What an exception says may quote anything."""
    return error[:_ERROR_LENGTH].encode("utf-8", "replace").decode().replace("\0", "?")
