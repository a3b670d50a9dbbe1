"""Counts and rates of messages within a period."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field

from e2a_mcp.schema import Arguments
from e2a_mcp.tool import Tool
from e2a_mcp.tools.passing import pass_through

__all__ = ["ACCOUNT_TOOLS", "AGENT_TOOLS"]

_COUNTS = ["start", "end", "summary", "rates"]


class AccountMetrics(Arguments):
    bucket: Literal["day"] | None = None
    group_by: Annotated[Literal["agent"], Field(description="also each inbox")] | None = None


AGENT_TOOLS: tuple[Tool[Any], ...] = (pass_through("get_agent_metrics", ["agent_email", *_COUNTS]),)
ACCOUNT_TOOLS: tuple[Tool[Any], ...] = (
    pass_through("get_account_metrics", _COUNTS, narrowed=AccountMetrics),
)
