"""The session's identity, and one inbox."""

from __future__ import annotations

from typing import Any

from e2a_core.contract.account import AccountView
from e2a_core.contract.agents import AgentView
from e2a_mcp.tool import Reply, Tool
from e2a_mcp.tools.passing import pass_through

__all__ = ["TOOLS"]

_UNITS = ("bytes", "kB", "MB", "GB", "TB")


def _who(view: AccountView) -> Reply:
    """Returns who the session is, and what is used of what may be."""
    whose = f" for {view.agent_email}" if view.agent_email else ""
    used, most = view.usage, view.limits
    limits = [
        f"messages this month {used.messages_month} of {most.max_messages_month}",
        f"storage {_size(used.storage_bytes)} of {_size(most.max_storage_bytes)}",
        f"inboxes {used.agents} of {most.max_agents}",
        f"domains {used.domains} of {most.max_domains}",
    ]
    lines = [f"{view.scope} session{whose}; account {view.user.email} ({view.user.id})", ", ".join(limits)]
    return Reply(view.to_wire(), "\n".join(lines))


def _size(octets: int) -> str:
    size, unit = float(octets), 0
    while size >= 1000 and unit < len(_UNITS) - 1:
        size, unit = size / 1000, unit + 1
    return f"{size:.3g} {_UNITS[unit]}" if size < 1000 else f"{size:.0f} {_UNITS[unit]}"


def _inbox(view: AgentView) -> Reply:
    domain = f"domain {view.domain}{'' if view.domain_verified else ' (not verified)'}"
    parts = [view.email, *([f'name "{view.name}"'] if view.name else []), domain]
    return Reply(view.to_wire(), ", ".join([*parts, *(["in the trash"] if view.deleted_at else [])]))


TOOLS: tuple[Tool[Any], ...] = (
    pass_through("get_account", ["user", "scope"], reply=lambda call, arguments, view: _who(view)),
    pass_through("get_agent", ["email"], reply=lambda call, arguments, view: _inbox(view)),
)
