"""API keys of the account. The text of a key is only in the result that makes it."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field

from e2a_mcp.schema import Arguments
from e2a_mcp.tool import Tool
from e2a_mcp.tools.passing import pass_through

__all__ = ["TOOLS"]


class CreateApiKey(Arguments):
    agent_email: Annotated[str, Field(min_length=1)]


_AGENT_KEY = {"scope": "agent"}
"""Tools make no account keys: a key in a model's context must not be able to approve its mail."""

TOOLS: tuple[Tool[Any], ...] = (
    pass_through("list_api_keys", ["id", "key_prefix", "scope"], rows="api_keys"),
    pass_through("create_api_key", ["id", "key"], narrowed=CreateApiKey, fixed=_AGENT_KEY),
    pass_through("delete_api_key", ["deleted", "id"]),
)
