"""Inboxes of the account."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field

from e2a_core.contract.agents import CreateAgentRequest, DeleteAgentResult, UpdateAgentRequest
from e2a_mcp.schema import Arguments, object_schema, view_properties
from e2a_mcp.tool import Call, Hints, Reply, Tool
from e2a_mcp.tools.arguments import Confirmed, InboxArguments, PageArguments
from e2a_mcp.tools.identity import AGENT
from e2a_mcp.tools.outputs import SEND_RESULT, listed, listing
from e2a_mcp.tools.sending import sent

__all__ = ["TOOLS"]

Name = Annotated[str, Field(max_length=200)]


class ListAgents(PageArguments):
    deleted: Annotated[bool, Field(description="the trash")] = False


class CreateAgent(Arguments):
    email: Annotated[str, Field(max_length=320, description="under the shared domain or a verified one")]
    name: Name | None = None


class UpdateAgent(InboxArguments):
    name: Name


class DeleteAgent(InboxArguments):
    confirm: Confirmed


class RestoreAgent(Arguments):
    email: str


async def list_agents(call: Call, arguments: ListAgents) -> Reply:
    page = await call.session.agents.list(
        deleted=arguments.deleted, cursor=arguments.cursor, limit=arguments.limit
    )
    return listed("agents", page)


async def create_agent(call: Call, arguments: CreateAgent) -> Reply:
    request = CreateAgentRequest(email=arguments.email, name=arguments.name)
    return Reply((await call.session.agents.create(request)).to_wire())


async def update_agent(call: Call, arguments: UpdateAgent) -> Reply:
    request = UpdateAgentRequest(name=arguments.name)
    return Reply((await call.session.agents.update(call.inbox(arguments.email), request)).to_wire())


async def delete_agent(call: Call, arguments: DeleteAgent) -> Reply:
    return Reply((await call.session.agents.delete(call.inbox(arguments.email))).to_wire())


async def restore_agent(call: Call, arguments: RestoreAgent) -> Reply:
    return Reply((await call.session.agents.restore(arguments.email)).to_wire())


async def test_agent(call: Call, arguments: InboxArguments) -> Reply:
    return sent(await call.session.agents.test(call.inbox(arguments.email)))


TOOLS: tuple[Tool[Any], ...] = (
    Tool(
        "list_agents",
        "List inboxes",
        "The account's inboxes.",
        ListAgents,
        listing("agents", AGENT),
        list_agents,
        Hints(read_only=True, idempotent=True),
    ),
    Tool(
        "create_agent",
        "Create an inbox",
        "Make an inbox; it receives mail at once.",
        CreateAgent,
        AGENT,
        create_agent,
        Hints(),
    ),
    Tool(
        "update_agent",
        "Rename an inbox",
        "Change the display name that recipients see.",
        UpdateAgent,
        AGENT,
        update_agent,
        Hints(idempotent=True),
    ),
    Tool(
        "delete_agent",
        "Move an inbox to the trash",
        "Trash an inbox with its mail; mail to it bounces. restore_agent undoes it for about 30 days.",
        DeleteAgent,
        object_schema(view_properties(DeleteAgentResult), ["deleted", "email"]),
        delete_agent,
        Hints(destructive=True, idempotent=True),
    ),
    Tool(
        "restore_agent",
        "Take an inbox out of the trash",
        "Undo delete_agent.",
        RestoreAgent,
        AGENT,
        restore_agent,
        Hints(),
    ),
    Tool(
        "test_agent",
        "Send an inbox a test mail",
        "Have the deployment mail the inbox, to see that mail arrives.",
        InboxArguments,
        SEND_RESULT,
        test_agent,
        Hints(),
    ),
)
