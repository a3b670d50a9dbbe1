"""Inboxes of the account."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field

from e2a_mcp.schema import Arguments
from e2a_mcp.tool import Tool
from e2a_mcp.tools.arguments import InboxArguments, NamedInbox
from e2a_mcp.tools.identity import told_account, told_inbox
from e2a_mcp.tools.outputs import SEND_RESULT
from e2a_mcp.tools.passing import pass_through
from e2a_mcp.tools.sending import sent

__all__ = ["TOOLS"]


class ListAgents(Arguments):
    deleted: Annotated[bool, Field(description="the trash")] = False


class CreateAgent(Arguments):
    email: Annotated[str, Field(max_length=320, description="under the shared domain or a verified one")]


class UpdateAgent(InboxArguments):
    name: Annotated[str, Field(max_length=200)]


TOOLS: tuple[Tool[Any], ...] = (
    pass_through("list_agents", ["email"], rows="agents", narrowed=ListAgents),
    pass_through("create_agent", ["email"], narrowed=CreateAgent),
    pass_through("update_agent", ["email"], narrowed=UpdateAgent),
    pass_through("delete_agent", ["deleted", "email"]),
    pass_through("restore_agent", ["email"], narrowed=NamedInbox),
    pass_through("test_agent", output=SEND_RESULT, reply=lambda call, arguments, result: sent(call, result)),
    pass_through(
        "pause_agent", ["email"], narrowed=NamedInbox, reply=lambda call, given, view: told_inbox(view)
    ),
    pass_through(
        "resume_agent", ["email"], narrowed=NamedInbox, reply=lambda call, given, view: told_inbox(view)
    ),
    pass_through("pause_account", ["user", "scope"], reply=lambda call, given, view: told_account(view)),
    pass_through("resume_account", ["user", "scope"], reply=lambda call, given, view: told_account(view)),
)
