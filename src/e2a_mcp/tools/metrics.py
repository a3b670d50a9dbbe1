"""Counts and rates over the messages of a window."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field

from e2a_core.contract.metrics import AccountMetricsView, AgentMetricsView
from e2a_mcp.schema import Arguments, object_schema, view_properties
from e2a_mcp.tool import Call, Hints, Reply, Tool
from e2a_mcp.tools.arguments import InboxArguments

__all__ = ["ACCOUNT_TOOLS", "AGENT_TOOLS"]


class AgentMetrics(InboxArguments):
    start: str | None = None
    end: str | None = None


class AccountMetrics(Arguments):
    start: str | None = None
    end: str | None = None
    bucket: Literal["day"] | None = None
    group_by: Annotated[Literal["agent"], Field(description="also each inbox")] | None = None


async def get_agent_metrics(call: Call, arguments: AgentMetrics) -> Reply:
    email = call.inbox(arguments.email)
    return Reply(
        (await call.session.metrics.of_agent(email, start=arguments.start, end=arguments.end)).to_wire()
    )


async def get_account_metrics(call: Call, arguments: AccountMetrics) -> Reply:
    view = await call.session.metrics.of_account(
        start=arguments.start, end=arguments.end, bucket=arguments.bucket, group_by=arguments.group_by
    )
    return Reply(view.to_wire())


_READS = Hints(read_only=True, idempotent=True)

AGENT_TOOLS: tuple[Tool[Any], ...] = (
    Tool(
        "get_agent_metrics",
        "Count an inbox's mail",
        "Sent, delivered, bounced, held in a window (RFC 3339; default 30 days). A rate is null without traffic.",
        AgentMetrics,
        object_schema(view_properties(AgentMetricsView), ["agent_email", "start", "end", "summary", "rates"]),
        get_agent_metrics,
        _READS,
    ),
)
ACCOUNT_TOOLS: tuple[Tool[Any], ...] = (
    Tool(
        "get_account_metrics",
        "Count the account's mail",
        "As get_agent_metrics, over all inboxes.",
        AccountMetrics,
        object_schema(view_properties(AccountMetricsView), ["start", "end", "summary", "rates"]),
        get_account_metrics,
        _READS,
    ),
)
