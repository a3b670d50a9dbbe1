"""The audit log of the account: who did what, by which door."""

from __future__ import annotations

from typing import Protocol

from e2a_core.contract.base import Moment, Page, Query, Timestamp, View
from e2a_core.contract.operation import NoTool, operation
from e2a_core.contract.parameters import Cursor, Limit
from e2a_core.errors import InvalidCursor, InvalidFilter

__all__ = ["Audit", "AuditEntryView", "AuditQuery"]


class AuditQuery(Query):
    """`actor` is the id of a credential, or the address of a person; `operation` the id of an operation."""

    actor: str | None = None
    operation: str | None = None
    since: Moment | None = None
    until: Moment | None = None
    cursor: Cursor = None
    limit: Limit = 100


class AuditEntryView(View):
    """One row. `subjects` are ids by what they are of; `code` is that of the error when `outcome` is not ok.

    `hash` covers the row and the hash of the row before it.
    """

    number: int
    at: Timestamp
    actor: str
    actor_kind: str
    person: str | None = None
    door: str
    operation: str
    subjects: dict[str, str]
    outcome: str
    code: str | None = None
    hash: str


class Audit(Protocol):
    """What account credentials and people did, and what they were refused. Only owners read it."""

    @operation(
        "GET",
        "/v1/audit",
        id="list_audit_log",
        role="owner",
        errors=(InvalidCursor, InvalidFilter),
        tool=NoTool("people check with it what agents and keys did; `e2a audit` and the dashboard show it"),
    )
    async def list(self, query: AuditQuery) -> Page[AuditEntryView]:
        """List what account credentials and people did, newest first."""
