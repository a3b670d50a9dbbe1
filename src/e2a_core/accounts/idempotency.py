"""Idempotency keys: a repeated request gets the response to the first one, without a second effect.

A key is claimed before the work, completed in the commit of its effect, and released if the work fails. Only successes
are remembered.
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
"""How long responses are kept, counted from the claim. Clients stop retrying long before."""
REQUESTS = "request"
"""The namespace of keys that callers choose: one per account, and one per agent for what the agent sends."""
TAKEOVER_AFTER = timedelta(minutes=5)
"""A claim older than this without a response is taken over: its process is assumed dead."""


@dataclass(frozen=True, slots=True)
class StoredResponse:
    """The response to the first request: an HTTP status and the body as JSON text."""

    status: int
    body: str


@dataclass(frozen=True, slots=True)
class Claim:
    """One request's claim of a key. If `stored` is set, the request is a repeat and gets that response."""

    account_id: str
    namespace: str
    key: str
    claimed_at: int
    stored: StoredResponse | None = None


def fingerprint_of(route: str, request: Request) -> str:
    """A digest of route and body; two requests with the same one are repeats. Raises `InvalidRequest`."""
    return hashlib.sha256(f"{route}\n".encode() + request_json(request)).hexdigest()


async def claim(
    core: Core, account_id: str, namespace: str, key: str, fingerprint: str, *, kept: timedelta = KEPT
) -> Claim:
    """Claims `key`, or returns a claim with the stored response. Responses older than `kept` do not count.

    Raises `IdempotencyInFlight` while the first request runs, `IdempotencyKeyReuse` if the key was used for another
    request, and `InvalidRequest` if the key cannot be stored.
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
        raise IdempotencyInFlight("a request with this idempotency key is in progress; repeat it shortly")
    return Claim(account_id, namespace, key, row["created_at"], _answer(row, fingerprint))


@asynccontextmanager
async def claimed(
    core: Core, account_id: str, namespace: str, key: str, fingerprint: str, *, kept: timedelta = KEPT
) -> AsyncIterator[Claim]:
    """Claims the key for the duration of the block, and releases it if the block raises. Raises as `claim` does."""
    mine = await claim(core, account_id, namespace, key, fingerprint, kept=kept)
    try:
        yield mine
    except BaseException:
        if mine.stored is None:
            with CancelScope(shield=True):
                await release(core, mine)
        raise


def complete(mine: Claim, status: int, body: str) -> Statement:
    """Stores the response, to be committed with the effect. Fails with `StaleWrite` if the claim was taken over."""
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
    """Releases the key and deletes its stored response. Does nothing if it was completed or taken over meanwhile."""
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
    """Deletes keys older than `KEPT`; returns their number."""
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
