"""The session's identity, and one inbox."""

from __future__ import annotations

from typing import Any

from e2a_mcp.tool import Tool
from e2a_mcp.tools.passing import pass_through

__all__ = ["TOOLS"]

TOOLS: tuple[Tool[Any], ...] = (
    pass_through("get_account", ["user", "scope"]),
    pass_through("get_agent", ["email"]),
)
