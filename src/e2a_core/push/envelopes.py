"""The envelope of a stored event, the same in its octets on every channel and at every attempt."""

from __future__ import annotations

import json
from collections.abc import Mapping

from e2a_core.clock import from_micros
from e2a_core.contract.base import json_text
from e2a_core.contract.events import EventEnvelope
from e2a_core.store.events import EventRecord
from e2a_core.store.statement import Row

__all__ = ["body_of", "envelope", "envelope_body"]


def envelope(event: EventRecord) -> EventEnvelope:
    return EventEnvelope(type=event.type, id=event.id, created_at=event.created_at, data=dict(event.data))


def body_of(event: EventRecord) -> bytes:
    return json_text(envelope(event))


def envelope_body(row: Row | Mapping[str, object]) -> bytes:
    """The octets for a row with `type`, `id`, `created_at` and `data`."""
    return json_text(
        EventEnvelope(
            type=str(row["type"]),
            id=str(row["id"]),
            created_at=from_micros(int(str(row["created_at"]))),
            data=json.loads(str(row["data"])),
        )
    )
