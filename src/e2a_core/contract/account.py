"""The account: identity, limits, usage and API keys."""

from __future__ import annotations

from typing import Protocol

from e2a_core.contract.base import View
from e2a_core.contract.export import DeleteUserDataResult, UserExport
from e2a_core.contract.operation import READS, Access, Confirm, NoTool, Tool, operation
from e2a_core.errors import SendInProgress

__all__ = [
    "Account",
    "AccountUserView",
    "AccountView",
    "LimitsCapsView",
    "LimitsUsageView",
]


class AccountUserView(View):
    id: str
    email: str


class LimitsCapsView(View):
    max_agents: int
    max_domains: int
    max_messages_month: int
    max_storage_bytes: int


class LimitsUsageView(View):
    agents: int
    domains: int
    messages_month: int
    storage_bytes: int


class AccountView(View):
    user: AccountUserView
    scope: str
    agent_email: str | None = None
    plan_code: str
    limits: LimitsCapsView
    usage: LimitsUsageView
    upgrade_url: str


class Account(Protocol):
    """The account that a credential belongs to."""

    @operation(
        "GET",
        "/v1/account",
        id="get_account",
        access=Access.AGENT,
        tool=Tool(
            "Who am I", "The account, this session's scope and inbox, limits and usage.", READS, name="whoami"
        ),
    )
    async def get(self) -> AccountView:
        """Get the account, the scope of this credential, the limits and the usage."""

    @operation(
        "GET",
        "/v1/account/export",
        id="export_account",
        slow=True,
        tool=Tool(
            "Export the account", "Count what the account holds, and show it whole if it is small.", READS
        ),
    )
    async def export(self) -> UserExport:
        """Export everything the account holds, including trashed objects but no secrets."""

    @operation(
        "DELETE",
        "/v1/account",
        id="delete_account",
        confirm=Confirm.ALWAYS,
        repeatable=False,
        errors=(SendInProgress,),
        tool=NoTool("a deleted account cannot be restored, so a person deletes it through the API"),
    )
    async def delete(self) -> DeleteUserDataResult:
        """Delete the account and all its data in one transaction. Its keys stop working at once."""
