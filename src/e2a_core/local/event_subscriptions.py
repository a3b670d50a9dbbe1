"""The subscriptions that MCP clients make on the local engine."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict
from datetime import datetime, timedelta
from typing import Any

from e2a_core.accounts.sealing import seal, unseal
from e2a_core.agents.lookup import resolve_agent
from e2a_core.clock import from_micros, to_micros
from e2a_core.contract.event_subscriptions import DeliveryStatus, SubscriptionGrant, SubscriptionRequest
from e2a_core.contract.principal import HOME_CREDENTIAL, Principal
from e2a_core.core import Core
from e2a_core.errors import Conflict, LimitExceeded
from e2a_core.push.catalogue import Filters, read_filters
from e2a_core.push.cursors import Cursors, Place, Start
from e2a_core.store.event_feed import EventFeed
from e2a_core.store.statement import StaleWrite, Statement, first
from e2a_core.subscriptions import queries
from e2a_core.subscriptions.rows import SubscriptionRow, principal_hash, subscription_id
from e2a_core.subscriptions.signed import check_secret
from e2a_core.subscriptions.verify import Verifier

__all__ = ["EventSubscriptions", "MAX_OF_DEPLOYMENT", "MAX_OF_PRINCIPAL"]

MAX_OF_PRINCIPAL = 50
MAX_OF_DEPLOYMENT = 500

DEFAULT_TTL = timedelta(hours=24)
MIN_TTL = timedelta(minutes=5)
MAX_TTL = timedelta(days=7)
"""Also for who asks for no end: a client that went away must not be called forever."""
PREVIOUS_KEPT = timedelta(hours=24)
"""How long the secret before a refresh signs along."""


class EventSubscriptions:
    """`engine.EventSubscriptions` over the store."""

    def __init__(self, core: Core, feed: EventFeed, verifier: Verifier, principal: Principal) -> None:
        self._core = core
        self._feed = feed
        self._verifier = verifier
        self._principal = principal
        self._hash = principal_hash(principal)
        self._cursors = Cursors(core, principal.account_id)

    async def subscribe(self, request: SubscriptionRequest) -> SubscriptionGrant:
        filters = await self._filters(request)
        secret = check_secret(request.secret)
        start = await self._start(request)
        self._verifier.host_of(request.url)
        id = subscription_id(self._principal, request.url, request.name, request.arguments)
        if (row := await self._living(id)) is not None:
            return await self._refresh(row, request)
        await self._require_room()
        confirmed = queries.confirmed(self._hash, request.url, self._core.clock.now())
        if not await self._core.db.read(confirmed):
            await self._verifier.verify(self._hash, request.url, id, secret)
        return await self._create(id, request, filters, start)

    async def unsubscribe(self, name: str, arguments: Mapping[str, Any] | None, url: str) -> bool:
        id = subscription_id(self._principal, url, name, arguments)
        [gone] = await self._core.db.write([queries.delete(self._principal.account_id, id)])
        return bool(gone.rowcount)

    async def _filters(self, request: SubscriptionRequest) -> Filters:
        filters = read_filters(self._principal, request.name, request.arguments)
        agent = await resolve_agent(self._core, self._principal, filters.agent_email)
        return filters.of(agent.email, agent.created_at)

    async def _start(self, request: SubscriptionRequest) -> Start:
        present = Place((await self._feed.now()).position, self._core.clock.now())
        return self._cursors.start(request.cursor, present, request.max_age)

    async def _living(self, id: str) -> SubscriptionRow | None:
        found = first(await self._core.db.read(queries.one(id)))
        row = None if found is None else SubscriptionRow.from_store(found)
        return None if row is None or row.expired(self._core.clock.now()) else row

    async def _create(
        self, id: str, request: SubscriptionRequest, filters: Filters, start: Start
    ) -> SubscriptionGrant:
        principal, now = self._principal, self._core.clock.now()
        values = {
            "id": id,
            "account_id": principal.account_id,
            "principal": self._hash,
            "key_id": None if principal.credential_id == HOME_CREDENTIAL else principal.credential_id,
            "scope": principal.scope,
            "url": request.url,
            "filters": json.dumps(asdict(filters)),
            "controls": int(request.controls),
            "secret": seal(request.secret, self._core.secrets),
            "expires_at": to_micros(now + _granted(request.ttl)),
            "since": None if start.since is None else to_micros(start.since),
            "created_at": to_micros(now),
        }
        room = queries.require_room(id, self._hash, own=MAX_OF_PRINCIPAL, total=MAX_OF_DEPLOYMENT, now=now)
        made = queries.insert(values, start.place)
        try:
            async with self._core.db.transaction() as transaction:
                await transaction.read(queries.limit_lock())
                [_, inserted, *_] = await transaction.write(
                    [queries.delete_expired(now, id), made, room, self._wake(id, now)]
                )
        except StaleWrite:
            await self._require_room()
            raise
        row = await self._stored(id)
        if not inserted.rowcount:  # another request was first
            return await self._refresh(row, request)
        return self._grant(row, truncated=start.truncated)

    async def _refresh(self, row: SubscriptionRow, request: SubscriptionRequest) -> SubscriptionGrant:
        now = self._core.clock.now()
        values: dict[str, Any] = {
            "controls": int(request.controls),
            "expires_at": to_micros(now + _granted(request.ttl)),
        }
        if unseal(row.secret, self._core.secrets) != request.secret:
            values |= {
                "secret": seal(request.secret, self._core.secrets),
                "previous_secret": row.secret,
                "previous_expires_at": to_micros(now + PREVIOUS_KEPT),
            }
        truncated = self._cursors.gone(row.place)
        await self._core.db.write([queries.refresh(row.id, values), self._wake(row.id, now)])
        return self._grant(await self._stored(row.id), truncated=truncated)

    async def _stored(self, id: str) -> SubscriptionRow:
        row = await self._living(id)
        if row is None:
            raise Conflict("the subscription was ended meanwhile")
        return row

    def _grant(self, row: SubscriptionRow, *, truncated: bool) -> SubscriptionGrant:
        status = DeliveryStatus(
            active=row.active,
            last_delivery_at=_instant(row.last_delivery_at),
            last_error=row.last_error,
            failed_since=_instant(row.failed_since),
        )
        cursor = self._cursors.text(row.place)
        return SubscriptionGrant(row.id, from_micros(row.expires_at), cursor, truncated, status)

    async def _require_room(self) -> None:
        [row] = await self._core.db.read(queries.counts(self._hash, self._core.clock.now()))
        for used, most in ((row["own"], MAX_OF_PRINCIPAL), (row["total"], MAX_OF_DEPLOYMENT)):
            if used >= most:
                raise LimitExceeded("subscriptions", most, used)

    def _wake(self, id: str, now: datetime) -> Statement:
        return queries.wake(id, ids=self._core.ids, now=now)


def _granted(ttl: timedelta | None) -> timedelta:
    return DEFAULT_TTL if ttl is None else min(max(ttl, MIN_TTL), MAX_TTL)


def _instant(micros: int | None) -> datetime | None:
    return None if micros is None else from_micros(micros)
