"""People whose proven mail an inbox takes as its principal's."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import AwareDatetime, Field

from e2a_core.contract.agents import CreateDelegationRequest, DelegationView, DeleteDelegationResult
from e2a_mcp.schema import object_schema, view_properties
from e2a_mcp.tool import Call, Hints, Reply, Tool
from e2a_mcp.tools.arguments import Confirmed, Email, InboxArguments
from e2a_mcp.tools.outputs import listing

__all__ = ["TOOLS"]


class CreateDelegation(InboxArguments):
    human: Email
    valid_from: AwareDatetime | None = None
    valid_until: AwareDatetime | None = None


class DeleteDelegation(InboxArguments):
    id: Annotated[str, Field(min_length=1)]
    confirm: Confirmed


async def list_delegations(call: Call, arguments: InboxArguments) -> Reply:
    page = await call.session.agents.delegations(call.inbox(arguments.email))
    return Reply({"delegations": [row.to_wire() for row in page.items]})


async def create_delegation(call: Call, arguments: CreateDelegation) -> Reply:
    request = CreateDelegationRequest(**arguments.model_dump(exclude={"email"}, exclude_none=True))
    return Reply((await call.session.agents.delegate(call.inbox(arguments.email), request)).to_wire())


async def delete_delegation(call: Call, arguments: DeleteDelegation) -> Reply:
    result = await call.session.agents.revoke_delegation(call.inbox(arguments.email), arguments.id)
    return Reply(result.to_wire())


_DELEGATION = object_schema(view_properties(DelegationView), ["id", "agent_email", "human"])

TOOLS: tuple[Tool[Any], ...] = (
    Tool(
        "list_delegations",
        "List delegations",
        "People who delegate to an inbox.",
        InboxArguments,
        listing("delegations", _DELEGATION),
        list_delegations,
        Hints(read_only=True, idempotent=True),
    ),
    Tool(
        "create_delegation",
        "Delegate to an inbox",
        "Have mail proven to be from this person carry the delegation. Only on a person's word.",
        CreateDelegation,
        _DELEGATION,
        create_delegation,
        Hints(),
    ),
    Tool(
        "delete_delegation",
        "End a delegation",
        "End a delegation at once.",
        DeleteDelegation,
        object_schema(view_properties(DeleteDelegationResult), ["deleted", "id"]),
        delete_delegation,
        Hints(destructive=True, idempotent=True),
    ),
)
