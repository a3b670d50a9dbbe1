"""`e2a agents`, `e2a delegations`: inboxes, and the people whose word they take."""

from __future__ import annotations

from cyclopts import App

from e2a_mcp.program.commands.derive import Verb, add

__all__ = ["agents", "delegations"]

_AGENTS = ("email", "name", "domain_verified", "sending_paused", "created_at")

agents = App(name="agents")
add(
    agents,
    "agents",
    Verb(
        name="list",
        operation="list_agents",
        shown=_AGENTS,
        empty="no inbox; `e2a agents create NAME` makes one",
    ),
    Verb(name="get", operation="get_agent"),
    Verb(name="create", operation="create_agent", arguments=("email",)),
    Verb(name="update", operation="update_agent"),
    Verb(name="delete", operation="delete_agent"),
    Verb(name="restore", operation="restore_agent"),
    Verb(name="test", operation="test_agent"),
)

delegations = App(name="delegations")
add(
    delegations,
    "agents",
    Verb(name="list", operation="list_delegations"),
    Verb(name="create", operation="create_delegation", arguments=("human",)),
    Verb(name="delete", operation="delete_delegation"),
)
