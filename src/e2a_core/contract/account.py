"""The account: identity, limits, usage and API keys."""

from __future__ import annotations

from typing import Protocol

from e2a_core.contract.base import Timestamp, View
from e2a_core.contract.export import DeleteUserDataResult, UserExport
from e2a_core.contract.operation import READS, REPEATS, Access, Confirm, NoTool, Tool, operation
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
    sending_paused: str | None = None
    """`account` if the account is paused, `agent` if the caller's inbox is: nothing is sent then."""
    sending_paused_at: Timestamp | None = None


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
        role="owner",
        slow=True,
        tool=Tool(
            "Export the account", "Count what the account holds, and show it whole if it is small.", READS
        ),
    )
    async def export(self) -> UserExport:
        """Export everything the account holds, including trashed objects but no secrets."""

    @operation(
        "POST",
        "/v1/account/pause",
        id="pause_account",
        tool=Tool(
            "Stop all sending",
            "Stop all sending of every inbox of the account at once. New mail is refused, queued and scheduled mail "
            "waits; they still receive. resume_account undoes it.",
            REPEATS,
        ),
    )
    async def pause(self) -> AccountView:
        """Stop all sending of the account. New mail is refused; queued and scheduled mail waits."""

    @operation(
        "POST",
        "/v1/account/resume",
        id="resume_account",
        tool=Tool("Let the account send again", "Undo pause_account; mail that waits goes out.", REPEATS),
    )
    async def resume(self) -> AccountView:
        """Let a paused account send again. The mail that waits goes out, except that of paused inboxes."""

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
