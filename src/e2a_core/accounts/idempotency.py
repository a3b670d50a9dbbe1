"""Idempotency keys: a repeated request gets the first one's answer instead of a second effect.

A key is claimed before the work, completed in the same commit as the work's effect, and released when the work
fails, so that only successes are remembered.
"""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta

from anyio import CancelScope

from e2a_core.clock import to_micros
from e2a_core.contract.base import Request, request_json
from e2a_core.core import Core
from e2a_core.errors import IdempotencyInFlight, IdempotencyKeyReuse
from e2a_core.store.statement import Row, Statement, first, sql
from e2a_core.texts import require_storable

__all__ = [
    "KEPT",
    "REQUESTS",
    "Claim",
    "StoredResponse",
    "claim",
    "claimed",
    "complete",
    "fingerprint_of",
    "purge_expired",
    "release",
]

KEPT = timedelta(hours=24)
"""Counted from the claim; clients stop repeating long before."""
REQUESTS = "request"
"""The namespace of keys that callers choose: one per account, whatever the operation."""
TAKEOVER_AFTER = timedelta(minutes=5)
"""A request under way for longer is taken for one whose process died."""


@dataclass(frozen=True, slots=True)
class StoredResponse:
    """What the first request was answered: an HTTP status and the body as JSON text."""

    status: int
    body: str


@dataclass(frozen=True, slots=True)
class Claim:
    """One request's hold on a key. With `stored` set there is nothing left to do but to answer it."""

    account_id: str
    namespace: str
    key: str
    claimed_at: int
    stored: StoredResponse | None = None


def fingerprint_of(route: str, request: Request) -> str:
    """What makes two requests the same: where they went and what they said. Raises `InvalidRequest`."""
    return hashlib.sha256(f"{route}\n".encode() + request_json(request)).hexdigest()


async def claim(
    core: Core, account_id: str, namespace: str, key: str, fingerprint: str, *, kept: timedelta = KEPT
) -> Claim:
    """Claim `key`, or find what it was answered; an answer older than `kept` counts no more.

    Raises `IdempotencyInFlight` while the first request runs, `IdempotencyKeyReuse` when it was another request, and
    `InvalidRequest` for a key that cannot be stored.
    """
    require_storable(key, "header.Idempotency-Key")
    now = core.clock.now()
    mine = Claim(account_id, namespace, key, to_micros(now))
    [written] = await core.db.write(
        [
            _take(
                mine,
                fingerprint,
                abandoned=to_micros(now - TAKEOVER_AFTER),
                expired=to_micros(now - kept),
            )
        ]
    )
    if written.rowcount:
        return mine
    row = first(await core.db.read(_stored(mine)))
    if row is None or row["status"] is None:
        raise IdempotencyInFlight("a request with this idempotency key is under way; repeat it shortly")
    return Claim(account_id, namespace, key, row["created_at"], _answer(row, fingerprint))


@asynccontextmanager
async def claimed(
    core: Core, account_id: str, namespace: str, key: str, fingerprint: str, *, kept: timedelta = KEPT
) -> AsyncIterator[Claim]:
    """`claim` for the length of a block; a block that raises releases the key."""
    mine = await claim(core, account_id, namespace, key, fingerprint, kept=kept)
    try:
        yield mine
    except BaseException:
        if mine.stored is None:
            with CancelScope(shield=True):
                await release(core, mine)
        raise


def complete(mine: Claim, status: int, body: str) -> Statement:
    """Stores the answer; commit it with the effect. `StaleWrite` means the claim was taken over meanwhile."""
    return sql(
        "UPDATE idempotency SET status = :status, response = :body "
        "WHERE account_id = :account AND namespace = :namespace AND key = :key "
        "AND created_at = :claimed_at AND status IS NULL",
        by_key=True,
        expect=1,
        status=status,
        body=body,
        account=mine.account_id,
        namespace=mine.namespace,
        key=mine.key,
        claimed_at=mine.claimed_at,
    )


async def release(core: Core, held: Claim) -> None:
    """Give the key up, and the answer it has; one that was completed or taken over meanwhile is left alone."""
    state = "IS NULL" if held.stored is None else "IS NOT NULL"
    await core.db.write(
        [
            sql(
                "DELETE FROM idempotency WHERE account_id = :account AND namespace = :namespace AND key = :key "
                f"AND created_at = :claimed_at AND status {state}",
                by_key=True,
                account=held.account_id,
                namespace=held.namespace,
                key=held.key,
                claimed_at=held.claimed_at,
            )
        ]
    )


async def purge_expired(core: Core) -> int:
    """Forget keys beyond their retention; returns how many."""
    before = to_micros(core.clock.now() - KEPT)
    [deleted] = await core.db.write(
        [sql("DELETE FROM idempotency WHERE created_at <= :before", before=before)]
    )
    return deleted.rowcount


def _answer(row: Row, fingerprint: str) -> StoredResponse:
    if row["fingerprint"] != fingerprint:
        raise IdempotencyKeyReuse("this idempotency key was used for another request; use a new one")
    return StoredResponse(row["status"], row["response"])


def _take(mine: Claim, fingerprint: str, *, abandoned: int, expired: int) -> Statement:
    return sql(
        "INSERT INTO idempotency (account_id, namespace, key, fingerprint, created_at) "
        "VALUES (:account, :namespace, :key, :fingerprint, :claimed_at) "
        "ON CONFLICT (account_id, namespace, key) DO UPDATE SET fingerprint = excluded.fingerprint, "
        "status = NULL, response = NULL, created_at = excluded.created_at "
        "WHERE (idempotency.status IS NULL AND idempotency.created_at <= :abandoned) "
        "OR idempotency.created_at <= :expired",
        by_key=True,
        account=mine.account_id,
        namespace=mine.namespace,
        key=mine.key,
        fingerprint=fingerprint,
        claimed_at=mine.claimed_at,
        abandoned=abandoned,
        expired=expired,
    )


def _stored(mine: Claim) -> Statement:
    return sql(
        "SELECT fingerprint, status, response, created_at FROM idempotency "
        "WHERE account_id = :account AND namespace = :namespace AND key = :key",
        by_key=True,
        account=mine.account_id,
        namespace=mine.namespace,
        key=mine.key,
    )
