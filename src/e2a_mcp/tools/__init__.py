"""The tools, one module per resource; their order in `tools/list`, and the profiles."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from e2a_core.contract.operation import Access
from e2a_mcp.tool import Tool
from e2a_mcp.tools import (
    account,
    agents,
    api_keys,
    asking,
    attachments,
    contacts,
    delegations,
    domains,
    events,
    identity,
    legacy,
    messages,
    metrics,
    organising,
    outreach,
    protection,
    reviews,
    sending,
    suppressions,
    templates,
    waiting,
    webhooks,
)
from e2a_mcp.tools.passing import derived

__all__ = [
    "ACCOUNT_TOOLS",
    "AGENT_TOOLS",
    "DERIVED_TOOLS",
    "LEGACY_ACCOUNT_TOOLS",
    "LEGACY_AGENT_TOOLS",
    "PROFILES",
    "UNLISTED_AGENT_TOOLS",
]

_AGENT_TOOLS: tuple[Tool[Any], ...] = (
    *identity.TOOLS,
    *messages.TOOLS,
    *attachments.TOOLS,
    *waiting.TOOLS,
    *events.TOOLS,
    *sending.TOOLS,
    *asking.TOOLS,
    *organising.TOOLS,
    *metrics.AGENT_TOOLS,
)
_REVIEW_TOOLS: tuple[Tool[Any], ...] = (*protection.TOOLS, *reviews.TOOLS)
_ACCOUNT_TOOLS: tuple[Tool[Any], ...] = (
    *agents.TOOLS,
    *_REVIEW_TOOLS,
    *api_keys.TOOLS,
    *domains.TOOLS,
    *templates.TOOLS,
    *suppressions.TOOLS,
    *contacts.TOOLS,
    *outreach.TOOLS,
    *delegations.TOOLS,
    *webhooks.TOOLS,
    *metrics.ACCOUNT_TOOLS,
    *account.TOOLS,
)
_NAMED = frozenset(tool.name for tool in (*_AGENT_TOOLS, *_ACCOUNT_TOOLS))
_AGENT_DERIVED = derived(_NAMED, Access.AGENT)
_ACCOUNT_DERIVED = derived(_NAMED, Access.ACCOUNT)
DERIVED_TOOLS = (*_AGENT_DERIVED, *_ACCOUNT_DERIVED)
"""Tools that no module of this package names."""
AGENT_TOOLS = (*_AGENT_TOOLS, *_AGENT_DERIVED)
ACCOUNT_TOOLS = (*_ACCOUNT_TOOLS, *_ACCOUNT_DERIVED)
UNLISTED_AGENT_TOOLS: tuple[Tool[Any], ...] = outreach.TOOLS
"""Callable by agents, but not listed: few agents keep outreach, and every listed tool costs context."""
LEGACY_AGENT_TOOLS = legacy.LEGACY_AGENT_TOOLS
LEGACY_ACCOUNT_TOOLS = legacy.LEGACY_ACCOUNT_TOOLS


def _names(*groups: tuple[Tool[Any], ...]) -> frozenset[str]:
    return frozenset(tool.name for group in groups for tool in group)


_ALWAYS = _names(identity.TOOLS, agents.TOOLS[:1])

PROFILES: Mapping[str, frozenset[str]] = {
    "inbox": _ALWAYS | _names(AGENT_TOOLS, LEGACY_AGENT_TOOLS),
    "review": _ALWAYS | _names(_REVIEW_TOOLS, LEGACY_ACCOUNT_TOOLS),
    "admin": _ALWAYS | (_names(ACCOUNT_TOOLS) - _names(_REVIEW_TOOLS)),
}
"""The names of the tools in each profile. `whoami`, `get_agent` and `list_agents` are in all."""
