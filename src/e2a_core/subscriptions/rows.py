"""A subscription as stored, and how its id is derived."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Self

from e2a_core.clock import from_micros
from e2a_core.contract.principal import Principal
from e2a_core.push.catalogue import Filters
from e2a_core.push.cursors import Place
from e2a_core.store.events import position_of
from e2a_core.store.statement import Row

__all__ = ["SubscriptionRow", "principal_hash", "subscription_id"]


def principal_hash(principal: Principal) -> str:
    """Returns what stands for a caller: its account, its reach and its credential, never the secret of that."""
    reach = principal.agent_email if principal.scope == "agent" else None
    return _digest([principal.account_id, principal.scope, reach, principal.credential_id])


def subscription_id(principal: Principal, url: str, name: object, arguments: Mapping[str, Any] | None) -> str:
    """Returns the id of the subscription with this key. Arguments are the same in any order of members."""
    return f"sub_{_digest([principal_hash(principal), url, name, arguments or {}])[:32]}"


def _digest(value: object) -> str:
    text = json.dumps(value, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode("ascii")).hexdigest()


@dataclass(frozen=True, slots=True)
class SubscriptionRow:
    """One row of `event_subscriptions`. Instants are microseconds since the Unix epoch; secrets are sealed.

    Everything up to `place` arrived or was given up.
    """

    id: str
    account_id: str
    key_id: str | None
    scope: str
    url: str
    filters: Filters
    controls: bool
    secret: str
    previous_secret: str | None
    previous_expires_at: int | None
    expires_at: int
    place: Place
    since: int | None
    active: bool
    attempts: int
    gone: int
    due_at: int
    last_delivery_at: int | None
    last_error: str | None
    failed_since: int | None

    @classmethod
    def from_store(cls, row: Row) -> Self:
        values: dict[str, Any] = {name: row[name] for name in cls.__slots__ if name != "place"}
        return cls(
            **{
                **values,
                "filters": Filters(**json.loads(row["filters"])),
                "controls": bool(row["controls"]),
                "active": bool(row["active"]),
                "place": Place(position_of(row), from_micros(row["reached_at"])),
            }
        )

    def expired(self, now: datetime) -> bool:
        return from_micros(self.expires_at) <= now
