"""The session's identity, and one inbox."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from e2a_core.contract.account import AccountView
from e2a_core.contract.agents import AgentView
from e2a_mcp.tool import Reply, Tool
from e2a_mcp.tools.passing import pass_through

__all__ = ["TOOLS", "paused_line", "told_account", "told_inbox", "usage_lines"]

NO_MESSAGES_CAP = 1_000_000_000
NO_STORAGE_CAP = 2**50
NO_COUNT_CAP = 1_000_000
"""The figures by which a deployment says that nothing is capped."""
_UNITS = ("bytes", "kB", "MB", "GB", "TB")


def told_account(view: AccountView) -> Reply:
    """Returns who the session is, and what is used of what may be."""
    whose = f" for {view.agent_email}" if view.agent_email else ""
    lines = [
        f"{view.scope} session{whose}; account {view.user.email} ({view.user.id})",
        "; ".join(usage_lines(view)),
    ]
    if paused := paused_line(view):
        lines.append(paused)
    return Reply(view.to_wire(), "\n".join(lines))


def usage_lines(view: AccountView) -> list[str]:
    """What is used of what may be, by kind."""
    used, most = view.usage, view.limits
    return [
        f"messages this month {_of(used.messages_month, most.max_messages_month, NO_MESSAGES_CAP)}",
        f"storage {_of(used.storage_bytes, most.max_storage_bytes, NO_STORAGE_CAP, _size)}",
        f"inboxes {_of(used.agents, most.max_agents, NO_COUNT_CAP)}",
        f"domains {_of(used.domains, most.max_domains, NO_COUNT_CAP)}",
    ]


def paused_line(view: AccountView | AgentView) -> str | None:
    """What a pause does and who ends it, or None if mail may be sent."""
    if not view.sending_paused:
        return None
    whole = view.sending_paused == "account"
    since = view.model_dump(mode="json", include={"sending_paused_at"}).get("sending_paused_at")
    what = "the whole account" if whole else "this inbox"
    undo = "resume_account" if whole else "resume_agent"
    return (
        f"SENDING IS PAUSED for {what}{f' since {since}' if since else ''}: new mail is refused and what waits stays, "
        f"until its owner calls {undo}"
    )


def _of(used: int, most: int, uncapped: int, shown: Callable[[int], str] = str) -> str:
    """How much is used of what may be, or "no limit" for the figures that stand for none."""
    return f"{shown(used)}, no limit" if most >= uncapped else f"{shown(used)} of {shown(most)}"


def _size(octets: int) -> str:
    size, unit = float(octets), 0
    while size >= 1000 and unit < len(_UNITS) - 1:
        size, unit = size / 1000, unit + 1
    return f"{size:.3g} {_UNITS[unit]}" if size < 1000 else f"{size:.0f} {_UNITS[unit]}"


def told_inbox(view: AgentView) -> Reply:
    """Returns what an inbox is, and whether it may send."""
    domain = f"domain {view.domain}{'' if view.domain_verified else ' (not verified)'}"
    parts = [view.email, *([f'name "{view.name}"'] if view.name else []), domain]
    line = ", ".join([*parts, *(["in the trash"] if view.deleted_at else [])])
    return Reply(view.to_wire(), "\n".join([line, *([paused] if (paused := paused_line(view)) else [])]))


TOOLS: tuple[Tool[Any], ...] = (
    pass_through("get_account", ["user", "scope"], reply=lambda call, arguments, view: told_account(view)),
    pass_through("get_agent", ["email"], reply=lambda call, arguments, view: told_inbox(view)),
)
