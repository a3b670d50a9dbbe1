"""Addresses that must not be written to, by the whole account or by one inbox."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field

from e2a_core.contract.base import Page
from e2a_core.contract.suppressions import AgentSuppressionView, DeleteSuppressionResult
from e2a_mcp.fence import Fence, plain_line
from e2a_mcp.render import page_line, shown_id
from e2a_mcp.schema import Arguments, object_schema, view_properties
from e2a_mcp.tool import Call, Reply, Tool
from e2a_mcp.tools.arguments import Confirmed, Email, PageArguments
from e2a_mcp.tools.outputs import TEXT, listed, listing
from e2a_mcp.tools.passing import by_hand, pass_through

__all__ = ["TOOLS"]

Inbox = Annotated[str, Field(description="this inbox's list; else the account's")]
"""Without it, the account's list is meant, even if the session has an inbox."""


class ListSuppressions(PageArguments):
    email: Inbox | None = None


class CreateSuppression(Arguments):
    email: Annotated[Email, Field(description="the inbox that stops writing to address")]
    """Required even if the session has an inbox: who only gives an address may think of the whole account."""


class DeleteSuppression(Arguments):
    address: Email
    confirm: Confirmed
    email: Inbox | None = None


async def list_suppressions(call: Call, arguments: ListSuppressions) -> Reply:
    lists = call.session.suppressions
    page: Page[Any]
    if arguments.email:
        page = await lists.list_of_agent(arguments.email, cursor=arguments.cursor, limit=arguments.limit)
    else:
        page = await lists.list(cursor=arguments.cursor, limit=arguments.limit)
    reply = listed("suppressions", page)
    fence = Fence(call.services.ids, (entry.reason for entry in page.items))
    lines = [page_line(len(page.items), "address", arguments.email or "the account", page.next_cursor)]
    lines += [fence.notice] if page.items else []
    for entry in page.items:
        reason = f" {fence.inline(plain_line(entry.reason, 500))}" if entry.reason else ""
        lines.append(f"{shown_id(fence, entry.address)} {entry.source}{reason}")
    structured = {**reply.structured, "untrusted": fence.note(["reason", "address"])}
    return Reply(structured, "\n".join(lines), untrusted=True)


async def delete_suppression(call: Call, arguments: DeleteSuppression) -> Reply:
    lists = call.session.suppressions
    if arguments.email:
        return Reply((await lists.delete_of_agent(arguments.email, arguments.address)).to_wire())
    return Reply((await lists.delete(arguments.address)).to_wire())


_ENTRY = {**view_properties(AgentSuppressionView), "source_message_id": TEXT}

TOOLS: tuple[Tool[Any], ...] = (
    by_hand(
        "list_suppressions",
        ListSuppressions,
        listing("suppressions", object_schema(_ENTRY, ["address", "source"])),
        list_suppressions,
    ),
    pass_through("create_agent_suppression", ["address", "agent_email"], narrowed=CreateSuppression),
    by_hand(
        "delete_suppression",
        DeleteSuppression,
        object_schema(view_properties(DeleteSuppressionResult), ["deleted", "address"]),
        delete_suppression,
    ),
)
