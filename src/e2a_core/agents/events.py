"""Statements that write an event of an inbox in the same commit as the change it reports."""

from __future__ import annotations

from typing import Any

from e2a_core.clock import from_micros
from e2a_core.core import Core
from e2a_core.store import events as log
from e2a_core.store.statement import Statement

__all__ = ["emit", "payload"]


def emit(core: Core, event_type: str, email: str, account_id: str, now: int) -> list[Statement]:
    """The event that the inbox `email` of the account came or went."""
    return log.append(
        id=core.ids.event(),
        account_id=account_id,
        type=event_type,
        agent_email=email,
        data=payload(email),
        created_at=from_micros(now),
    )


def payload(email: str) -> dict[str, Any]:
    return {"agent_email": email}
