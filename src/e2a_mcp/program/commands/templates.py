"""`e2a templates`: words that are sent again and again, and those to start from."""

from __future__ import annotations

from cyclopts import App

from e2a_mcp.program.commands.derive import Verb, add

__all__ = ["templates"]

templates = App(name="templates")
add(
    templates,
    "templates",
    Verb(name="list", operation="list_templates", shown=("id", "alias", "name", "subject", "updated_at")),
    Verb(name="get", operation="get_template"),
    Verb(name="create", operation="create_template", arguments=("name",)),
    Verb(name="update", operation="update_template"),
    Verb(name="delete", operation="delete_template"),
    Verb(name="validate", operation="validate_template"),
    Verb(name="starters", operation="list_starter_templates", shown=("alias", "name", "description")),
    Verb(name="starter", operation="get_starter_template"),
)
