"""Delegations: people whose proven mail counts as that of an inbox's principal."""

from __future__ import annotations

from typing import Any

from e2a_mcp.tool import Tool
from e2a_mcp.tools.passing import pass_through

__all__ = ["TOOLS"]

TOOLS: tuple[Tool[Any], ...] = (
    pass_through("list_delegations", ["id", "agent_email", "human"], rows="delegations"),
    pass_through("create_delegation", ["id", "agent_email", "human"]),
    pass_through("delete_delegation", ["deleted", "id"]),
)
