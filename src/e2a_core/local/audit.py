"""The audit log, as an owner may read it."""

from __future__ import annotations

from e2a_core.audit import queries
from e2a_core.audit.views import entry_view
from e2a_core.contract.audit import AuditEntryView, AuditQuery
from e2a_core.contract.base import Page
from e2a_core.contract.principal import Principal
from e2a_core.core import Core
from e2a_core.messages.conditions import instant
from e2a_core.paging import paged
from e2a_core.texts import is_storable

__all__ = ["Audit"]


class Audit:
    """`engine.Audit`."""

    def __init__(self, core: Core, principal: Principal) -> None:
        self._core = core
        self._principal = principal

    async def list(self, query: AuditQuery) -> Page[AuditEntryView]:
        self._principal.require_account()
        now, account = self._core.clock.now(), self._principal.account_id
        if not is_storable(f"{query.actor}{query.operation}"):
            return Page(items=[], next_cursor=None)
        filters: dict[str, str | int | None] = {
            "actor": query.actor,
            "operation": query.operation,
            "since": instant(query.since, "query.since", now),
            "until": instant(query.until, "query.until", now),
        }
        return await paged(
            self._core,
            lambda after, count: queries.page(account, filters, after, count),
            query={"list": "audit", "account": account, **filters},
            cursor=query.cursor,
            limit=query.limit,
            columns=("number", "hash"),
            view=entry_view,
            names=("n", "k"),
        )
