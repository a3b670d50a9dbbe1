"""Templates of the account, and starter templates to copy."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field

from e2a_mcp.schema import Arguments
from e2a_mcp.tool import Tool
from e2a_mcp.tools.passing import pass_through

__all__ = ["TOOLS"]


class CreateTemplate(Arguments):
    from_starter: Annotated[str, Field(description="copy this starter instead of giving parts")] | None = None


_TEMPLATE = ["id", "name", "subject", "text"]

TOOLS: tuple[Tool[Any], ...] = (
    pass_through("list_templates", ["id", "name"], rows="templates"),
    pass_through("get_template", _TEMPLATE),
    pass_through("create_template", _TEMPLATE, narrowed=CreateTemplate),
    pass_through("update_template", _TEMPLATE),
    pass_through("delete_template", ["deleted", "id"]),
    pass_through("validate_template", ["valid", "errors"]),
    pass_through("list_starter_templates", ["alias", "name"], rows="starter_templates"),
    pass_through("get_starter_template", ["alias", "subject", "text"]),
)
