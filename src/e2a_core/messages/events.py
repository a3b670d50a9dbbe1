"""Statements that write an event in the same commit as the change it reports."""

from __future__ import annotations

from typing import Any

from e2a_core.clock import from_micros
from e2a_core.core import Core
from e2a_core.ids import event_id
from e2a_core.messages.rows import MessageRow
from e2a_core.store import events as log
from e2a_core.store.statement import Statement

__all__ = ["emit", "emit_unique"]


def emit(core: Core, event_type: str, row: MessageRow, data: dict[str, Any], now: int) -> list[Statement]:
    """An event that a message can have only once; a second insert has no effect."""
    return _append(core, event_id(row.id, event_type), event_type, row, data, now)


def emit_unique(
    core: Core, event_type: str, row: MessageRow, data: dict[str, Any], now: int
) -> list[Statement]:
    """An event that a message can have many times."""
    return _append(core, core.ids.event(), event_type, row, data, now)


def _append(
    core: Core, identifier: str, event_type: str, row: MessageRow, data: dict[str, Any], now: int
) -> list[Statement]:
    return log.append(
        id=identifier,
        account_id=row.account_id,
        type=event_type,
        agent_email=row.agent_email,
        conversation_id=row.conversation_id or None,
        message_id=row.id,
        data=data,
        created_at=from_micros(now),
    )
