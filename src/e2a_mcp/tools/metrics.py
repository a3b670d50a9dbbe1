"""Counts and rates of messages within a period."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import Field

from e2a_core.contract.metrics import AccountMetricsView, AgentMetricsView
from e2a_mcp.schema import Arguments
from e2a_mcp.tool import Reply, Tool
from e2a_mcp.tools.passing import pass_through

__all__ = ["ACCOUNT_TOOLS", "AGENT_TOOLS"]

_COUNTS = ["start", "end", "summary", "rates"]


class AccountMetrics(Arguments):
    bucket: Literal["day"] | None = None
    group_by: Annotated[Literal["agent"], Field(description="also each inbox")] | None = None


def _told(view: AgentMetricsView | AccountMetricsView) -> Reply:
    """Returns the counts that are not zero, for all and for each inbox and day that was asked for."""
    structured = view.to_wire()
    whose = structured.get("agent_email", "the account")
    period = f"{structured['start']} to {structured['end']}"
    lines = [f"{whose}, {period}, messages: {view.messages_in_window}, {_figures(structured)}"]
    lines += [f"{group['agent_email']}: {_figures(group)}" for group in structured.get("agents") or ()]
    lines += [f"{day['day'][:10]}: {_figures(day)}" for day in structured.get("buckets") or ()]
    return Reply(structured, "\n".join(lines))


def _figures(members: Mapping[str, Any]) -> str:
    counts = [f"{name}={count}" for name, count in members["summary"].items() if count]
    rates = [f"{name}={rate:.3g}" for name, rate in members["rates"].items() if rate is not None]
    return " ".join([*counts, *rates]) or "nothing"


AGENT_TOOLS: tuple[Tool[Any], ...] = (
    pass_through(
        "get_agent_metrics",
        ["agent_email", *_COUNTS],
        reply=lambda call, arguments, view: _told(view),
    ),
)
ACCOUNT_TOOLS: tuple[Tool[Any], ...] = (
    pass_through(
        "get_account_metrics",
        _COUNTS,
        narrowed=AccountMetrics,
        reply=lambda call, arguments, view: _told(view),
    ),
)
