"""A webhook as stored."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

from e2a_core.store.statement import Row

__all__ = ["WebhookRow"]


@dataclass(frozen=True, slots=True)
class WebhookRow:
    """One row of `webhooks`. Instants are microseconds since the Unix epoch; secrets are sealed.

    `filters` has only the lists that are not empty: `agent_emails`, `conversation_ids`, `labels`.
    """

    id: str
    account_id: str
    url: str
    description: str
    events: frozenset[str]
    filters: Mapping[str, frozenset[str]]
    ordered: bool
    enabled: bool
    secret: str
    previous_secret: str | None
    previous_expires_at: int | None
    disabled_at: int | None
    auto_disabled_at: int | None
    auto_disabled_reason: str | None
    last_delivered_at: int | None
    warned_at: int | None
    resumes_at: int | None
    created_at: int

    @classmethod
    def from_store(cls, row: Row) -> Self:
        values: dict[str, Any] = {name: row[name] for name in cls.__slots__}
        filters = json.loads(row["filters"])
        return cls(
            **{
                **values,
                "events": frozenset(json.loads(row["events"])),
                "filters": {name: frozenset(wanted) for name, wanted in filters.items() if wanted},
                "ordered": bool(row["ordered"]),
                "enabled": bool(row["enabled"]),
            }
        )
