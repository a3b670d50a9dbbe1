"""Addresses that the account or an agent must not write to."""

from __future__ import annotations

from typing import Annotated, Protocol

from pydantic import StringConstraints

from e2a_core.contract.base import Page, Request, Stated, Timestamp, View
from e2a_core.contract.operation import READS, REPEATS, Confirm, Hints, NoTool, Tool, operation
from e2a_core.contract.parameters import Cursor, Limit
from e2a_core.errors import InvalidCursor, InvalidRecipient, NotFound

__all__ = [
    "Suppressions",
    "AgentSuppressionView",
    "CreateAgentSuppressionRequest",
    "DeleteSuppressionResult",
    "SuppressionView",
]


class SuppressionView(View):
    address: str
    created_at: Timestamp
    reason: str | None = None
    source: str
    source_message_id: str | None = None


class AgentSuppressionView(View):
    address: str
    agent_email: str
    created_at: Timestamp
    reason: str | None = None
    source: str


class CreateAgentSuppressionRequest(Request):
    address: Annotated[str, StringConstraints(max_length=320), Stated(minLength=3)]
    reason: Annotated[str, StringConstraints(max_length=2000)] | None = None


class DeleteSuppressionResult(View):
    address: str
    deleted: bool


class Suppressions(Protocol):
    """Suppressed addresses of the whole account, and of each agent."""

    @operation(
        "GET",
        "/v1/account/suppressions",
        id="list_suppressions",
        errors=(InvalidCursor,),
        tool=Tool(
            "List suppressed addresses",
            "Addresses not written to, and why: bounced, complained, unsubscribed, added manually.",
            READS,
        ),
    )
    async def list(self, *, cursor: Cursor = None, limit: Limit = 100) -> Page[SuppressionView]:
        """List the addresses that the account does not write to, with the reason."""

    @operation(
        "DELETE",
        "/v1/account/suppressions/{address}",
        id="delete_suppression",
        confirm=Confirm.ALWAYS,
        errors=(InvalidRecipient, NotFound),
        tool=Tool(
            "Lift a suppression",
            "Allow writing to an address again. Only with the recipient's consent.",
            Hints(destructive=True, idempotent=True),
        ),
    )
    async def delete(self, address: str) -> DeleteSuppressionResult:
        """Allow the account to write to an address again."""

    @operation(
        "GET",
        "/v1/agents/{email}/suppressions",
        id="list_agent_suppressions",
        errors=(InvalidCursor, NotFound),
        tool=NoTool("list_suppressions takes an inbox"),
    )
    async def list_of_agent(
        self, email: str, *, cursor: Cursor = None, limit: Limit = 100
    ) -> Page[AgentSuppressionView]:
        """List the addresses that one inbox does not write to, with the reason."""

    @operation(
        "POST",
        "/v1/agents/{email}/suppressions",
        id="create_agent_suppression",
        errors=(InvalidRecipient, NotFound),
        tool=Tool(
            "Suppress an address",
            "Stop one inbox from writing to an address. The account's list fills itself.",
            REPEATS,
            name="create_suppression",
        ),
    )
    async def create_for_agent(
        self, email: str, request: CreateAgentSuppressionRequest
    ) -> AgentSuppressionView:
        """Stop one inbox from writing to an address."""

    @operation(
        "DELETE",
        "/v1/agents/{email}/suppressions/{address}",
        id="delete_agent_suppression",
        confirm=Confirm.ALWAYS,
        errors=(InvalidRecipient, NotFound),
        tool=NoTool("delete_suppression takes an inbox"),
    )
    async def delete_of_agent(self, email: str, address: str) -> DeleteSuppressionResult:
        """Allow one inbox to write to an address again."""
