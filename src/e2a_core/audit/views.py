"""The views of the log's rows."""

from __future__ import annotations

import json

from e2a_core.clock import from_micros
from e2a_core.contract.audit import AuditEntryView
from e2a_core.store.statement import Row

__all__ = ["entry_view"]


def entry_view(row: Row) -> AuditEntryView:
    return AuditEntryView(
        number=row["number"],
        at=from_micros(row["at"]),
        actor=row["actor"],
        actor_kind=row["actor_kind"],
        person=row["person"] or None,
        door=row["door"],
        operation=row["operation"],
        subjects=json.loads(row["subjects"]),
        outcome=row["outcome"],
        code=row["code"] or None,
        hash=row["hash"],
    )
