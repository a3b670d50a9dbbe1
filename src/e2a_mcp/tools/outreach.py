"""Outreach of one inbox to its contacts. An agent may manage that of its own inbox."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field

from e2a_core.contract.base import Instant
from e2a_mcp.tool import Tool
from e2a_mcp.tools.arguments import IfUnchanged
from e2a_mcp.tools.passing import pass_through

__all__ = ["TOOLS"]

_OUTREACH = ["address", "agent_email", "stage", "etag"]


class UpsertEngagement(IfUnchanged):
    next_action_at: Annotated[Instant, Field(description="null clears")] | None = None


TOOLS: tuple[Tool[Any], ...] = (
    pass_through("list_engagements", ["address", "stage"], rows="engagements"),
    pass_through("get_engagement", _OUTREACH),
    pass_through("upsert_engagement", _OUTREACH, narrowed=UpsertEngagement, clears=["next_action_at"]),
    pass_through("delete_engagement", ["deleted", "address"]),
)
