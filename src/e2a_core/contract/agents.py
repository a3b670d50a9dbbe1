"""Agents and their delegations."""

from __future__ import annotations

from typing import Annotated, Protocol

from pydantic import StringConstraints

from e2a_core.contract.base import Instant, Page, Request, Stated, Timestamp, View
from e2a_core.contract.operation import READS, REPEATS, Access, Budget, Confirm, Hints, Tool, operation
from e2a_core.contract.parameters import Cursor, DelegationId, Limit
from e2a_core.contract.sending import SENT, SendResultView
from e2a_core.errors import (
    AddressInTrash,
    AgentTaken,
    Conflict,
    DomainNotRegistered,
    DomainNotVerifiedYet,
    InboundMxCheckFailed,
    InboundMxMissing,
    InvalidCursor,
    InvalidExpiresAt,
    InvalidRecipient,
    InvalidScope,
    InvalidSlug,
    LimitExceeded,
    NotFound,
    NotInTrash,
    RateLimited,
    RecipientSuppressed,
    ReservedDomain,
    SendInProgress,
)

__all__ = [
    "Agents",
    "AgentView",
    "CreateAgentRequest",
    "CreateDelegationRequest",
    "DelegationView",
    "DeleteAgentResult",
    "DeleteDelegationResult",
    "UpdateAgentRequest",
]


Name = Annotated[str, StringConstraints(max_length=200)]
BareAddress = Annotated[str, StringConstraints(max_length=320), Stated(minLength=3, format="email")]
NewAddress = Annotated[str, StringConstraints(max_length=320), Stated(minLength=1)]
"""An address, or the name of one on the shared domain."""


class AgentView(View):
    email: str
    domain: str
    registered_domain: str
    name: str
    domain_verified: bool
    created_at: Timestamp
    deleted_at: Timestamp | None = None
    sending_paused: str | None = None
    """`agent` or `account` if nothing is sent, because the inbox or the whole account is paused."""
    sending_paused_at: Timestamp | None = None


class CreateAgentRequest(Request):
    email: NewAddress
    name: Name | None = None


class UpdateAgentRequest(Request):
    name: Name | None = None


class DeleteAgentResult(View):
    deleted: bool = True
    email: str
    messages_deleted: int


class DeleteDelegationResult(View):
    deleted: bool = True
    id: str


class CreateDelegationRequest(Request):
    """Binds a person's address to an agent: mail proven to come from `human` carries the delegation."""

    human: BareAddress
    valid_from: Instant | None = None
    valid_until: Instant | None = None


class DelegationView(View):
    id: str
    agent_email: str
    human: str
    valid_from: Timestamp
    valid_until: Timestamp | None = None
    created_at: Timestamp


class Agents(Protocol):
    """Inboxes of the account and their delegations."""

    @operation(
        "GET",
        "/v1/agents",
        id="list_agents",
        errors=(InvalidCursor,),
        tool=Tool("List inboxes", "The account's inboxes.", READS),
    )
    async def list(
        self, *, deleted: bool = False, cursor: Cursor = None, limit: Limit = 100
    ) -> Page[AgentView]:
        """List the inboxes, or those in the trash with `deleted`."""

    @operation(
        "GET",
        "/v1/agents/{email}",
        id="get_agent",
        access=Access.AGENT,
        errors=(NotFound,),
        tool=Tool("Show an inbox", "One inbox: address, name, domain.", READS),
    )
    async def get(self, email: str) -> AgentView:
        """Get one inbox."""

    @operation(
        "POST",
        "/v1/agents",
        id="create_agent",
        answer=201,
        budget=Budget.REGISTRATION,
        errors=(
            AddressInTrash,
            AgentTaken,
            DomainNotRegistered,
            DomainNotVerifiedYet,
            InboundMxCheckFailed,
            InboundMxMissing,
            InvalidSlug,
            LimitExceeded,
            ReservedDomain,
        ),
        tool=Tool("Create an inbox", "Create an inbox; it receives mail at once."),
    )
    async def create(self, request: CreateAgentRequest) -> AgentView:
        """Create an inbox. It receives mail at once."""

    @operation(
        "PATCH",
        "/v1/agents/{email}",
        id="update_agent",
        errors=(NotFound,),
        tool=Tool("Rename an inbox", "Change the display name that recipients see.", REPEATS),
    )
    async def update(self, email: str, request: UpdateAgentRequest) -> AgentView:
        """Change the display name that recipients see."""

    @operation(
        "DELETE",
        "/v1/agents/{email}",
        id="delete_agent",
        confirm=Confirm.ALWAYS,
        errors=(NotFound, SendInProgress),
        tool=Tool(
            "Move an inbox to the trash",
            "Trash an inbox with its mail; mail to it bounces. restore_agent undoes it for about 30 days.",
            Hints(destructive=True, idempotent=True),
        ),
    )
    async def delete(self, email: str, *, permanent: bool = False) -> DeleteAgentResult:
        """Move an inbox to the trash, or delete it with its mail for good with `permanent`."""

    @operation(
        "POST",
        "/v1/agents/{email}/restore",
        id="restore_agent",
        errors=(NotFound, NotInTrash),
        tool=Tool("Take an inbox out of the trash", "Undo delete_agent."),
    )
    async def restore(self, email: str) -> AgentView:
        """Restore an inbox from the trash."""

    @operation(
        "POST",
        "/v1/agents/{email}/pause",
        id="pause_agent",
        errors=(NotFound,),
        tool=Tool(
            "Stop an inbox's sending",
            "Stop all sending of an inbox at once. New mail is refused, queued and scheduled mail waits; it still "
            "receives. resume_agent undoes it.",
            REPEATS,
        ),
    )
    async def pause(self, email: str) -> AgentView:
        """Stop all sending of an inbox. New mail is refused; queued and scheduled mail waits."""

    @operation(
        "POST",
        "/v1/agents/{email}/resume",
        id="resume_agent",
        errors=(NotFound,),
        tool=Tool("Let an inbox send again", "Undo pause_agent; mail that waits goes out.", REPEATS),
    )
    async def resume(self, email: str) -> AgentView:
        """Let a paused inbox send again. The mail that waits goes out, unless its account is paused."""

    @operation(
        "POST",
        "/v1/agents/{email}/test",
        id="test_agent",
        access=Access.AGENT,
        answer=SENT,
        slow=True,
        budget=Budget.SENDING,
        errors=(LimitExceeded, NotFound, RateLimited, RecipientSuppressed),
        tool=Tool("Send an inbox a test mail", "Send the inbox a test mail, to see that mail arrives."),
    )
    async def test(self, email: str) -> SendResultView:
        """Send the inbox a test mail, to see that mail arrives."""

    @operation(
        "GET",
        "/v1/agents/{email}/delegations",
        id="list_delegations",
        errors=(NotFound,),
        tool=Tool("List delegations", "People who delegate to an inbox.", READS),
    )
    async def delegations(self, email: str) -> Page[DelegationView]:
        """List the people who delegate to an inbox."""

    @operation(
        "POST",
        "/v1/agents/{email}/delegations",
        id="create_delegation",
        answer=201,
        errors=(Conflict, InvalidExpiresAt, InvalidRecipient, InvalidScope, NotFound),
        tool=Tool(
            "Delegate to an inbox",
            "Have mail proven to be from this person carry the delegation. Only on a person's word.",
        ),
    )
    async def delegate(self, email: str, request: CreateDelegationRequest) -> DelegationView:
        """Let mail proven to come from a person carry the delegation."""

    @operation(
        "DELETE",
        "/v1/agents/{email}/delegations/{id}",
        id="delete_delegation",
        confirm=Confirm.ALWAYS,
        errors=(NotFound,),
        tool=Tool("End a delegation", "End a delegation at once.", Hints(destructive=True, idempotent=True)),
    )
    async def revoke_delegation(self, email: str, delegation_id: DelegationId) -> DeleteDelegationResult:
        """End a delegation at once."""
