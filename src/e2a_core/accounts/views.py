"""The view of an account."""

from __future__ import annotations

from dataclasses import asdict

from e2a_core.accounts import queries
from e2a_core.accounts.limits import limits_of, month_start
from e2a_core.clock import from_micros
from e2a_core.contract.account import (
    AccountUserView,
    AccountView,
    LimitsCapsView,
    LimitsUsageView,
)
from e2a_core.contract.principal import Principal
from e2a_core.core import Core
from e2a_core.errors import NotFound
from e2a_core.store.statement import first

__all__ = [
    "account_view",
]


async def account_view(core: Core, principal: Principal) -> AccountView:
    """The caller's account, with its limits and usage. Raises `NotFound` if it was deleted."""
    db = core.db
    row = first(await db.read(queries.account_by_id(principal.account_id)))
    used = first(await db.read(queries.usage(principal.account_id, month_start(core.clock.now()))))
    if row is None or used is None:
        raise NotFound("no such account")
    account = queries.account_from(row)
    paused, paused_by = account.paused_at, "account"
    if paused is None and principal.scope == "agent":
        agent = first(await db.read(queries.live_agent(principal.account_id, principal.agent_email or "")))
        paused, paused_by = agent["paused_at"] if agent else None, "agent"
    return AccountView(
        user=AccountUserView(id=account.id, email=account.email),
        scope=principal.scope,
        agent_email=principal.agent_email if principal.scope == "agent" else None,
        plan_code=account.plan_code,
        limits=LimitsCapsView(**asdict(limits_of(core.settings))),
        usage=LimitsUsageView(**used),
        upgrade_url="",
        sending_paused=None if paused is None else paused_by,
        sending_paused_at=None if paused is None else from_micros(paused),
    )
