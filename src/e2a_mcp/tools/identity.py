"""Who the session is, and one inbox."""

from __future__ import annotations

from typing import Any

from e2a_core.contract.account import AccountView
from e2a_core.contract.agents import AgentView
from e2a_mcp.schema import Arguments, object_schema, view_properties
from e2a_mcp.tool import Call, Hints, Reply, Tool
from e2a_mcp.tools.arguments import InboxArguments

__all__ = ["AGENT", "TOOLS", "NoArguments"]

AGENT = object_schema(view_properties(AgentView), ["email"])


class NoArguments(Arguments):
    pass


async def whoami(call: Call, arguments: NoArguments) -> Reply:
    return Reply((await call.session.account.get()).to_wire())


async def get_agent(call: Call, arguments: InboxArguments) -> Reply:
    return Reply((await call.session.agents.get(call.inbox(arguments.email))).to_wire())


TOOLS: tuple[Tool[Any], ...] = (
    Tool(
        "whoami",
        "Who am I",
        "The account, this session's scope and inbox, limits and usage.",
        NoArguments,
        object_schema(view_properties(AccountView), ["user", "scope"]),
        whoami,
        Hints(read_only=True, idempotent=True),
    ),
    Tool(
        "get_agent",
        "Show an inbox",
        "One inbox: address, name, domain.",
        InboxArguments,
        AGENT,
        get_agent,
        Hints(read_only=True, idempotent=True),
    ),
)
