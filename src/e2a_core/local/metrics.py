"""Metrics as one caller may see them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from e2a_core.agents.lookup import resolve_agent
from e2a_core.clock import from_micros, to_micros
from e2a_core.contract.metrics import (
    AccountMetricsView,
    AgentMetricsGroupView,
    AgentMetricsView,
    MetricsBucketView,
)
from e2a_core.contract.principal import Principal
from e2a_core.core import Core
from e2a_core.erasure.expired import DELIVERIES_KEPT
from e2a_core.errors import InvalidFilter, InvalidRequest
from e2a_core.messages.conditions import instant
from e2a_core.metrics import queries
from e2a_core.metrics.queries import DAY_MICROS, Window
from e2a_core.metrics.summary import Counts, counters, rates, summary
from e2a_core.metrics.webhooks import webhook_counts, webhook_metrics
from e2a_core.store.statement import Row

__all__ = ["Metrics"]

DEFAULT_WINDOW = timedelta(days=30)
LONGEST_WINDOW = timedelta(days=92)
"""A quarter: enough to see a trend, and few enough rows to count while somebody waits."""
MAX_GROUPS = 200
_EARLIEST = to_micros(datetime.min.replace(tzinfo=UTC))


class Metrics:
    """`engine.Metrics`. An agent credential may look at its own agent's figures."""

    def __init__(self, core: Core, principal: Principal) -> None:
        self._core = core
        self._principal = principal

    async def of_agent(
        self, email: str, *, start: str | None = None, end: str | None = None
    ) -> AgentMetricsView:
        agent = await resolve_agent(self._core, self._principal, email)
        window = self._window(start, end, agent.email)
        counts = (await self._count(window, "")).get("", Counts())
        return AgentMetricsView(
            agent_email=agent.email,
            start=from_micros(window.start),
            end=from_micros(window.end),
            **_figures(counts),
        )

    async def of_account(
        self,
        *,
        start: str | None = None,
        end: str | None = None,
        bucket: str | None = None,
        group_by: str | None = None,
    ) -> AccountMetricsView:
        self._principal.require_account()
        _check_choice(bucket, "day", "query.bucket")
        _check_choice(group_by, "agent", "query.group_by")
        window = self._window(start, end)
        counts = (await self._count(window, "")).get("", Counts())
        agents = await self._count(window, "agent") if group_by else {}
        days = await self._count(window, "day") if bucket else {}
        deliveries = await self._core.db.read(webhook_counts(window))
        kept_since = to_micros(self._core.clock.now() - DELIVERIES_KEPT)
        return AccountMetricsView(
            start=from_micros(window.start),
            end=from_micros(window.end),
            agents=_groups(agents),
            agents_truncated=len(agents) > MAX_GROUPS,
            buckets=_buckets(window, days) if bucket else [],
            webhooks=webhook_metrics(deliveries, exceeds_retention=window.start < kept_since),
            **_figures(counts),
        )

    async def _count(self, window: Window, group: str) -> dict[Any, Counts]:
        """By the group's name: an agent's address, a day's number since the epoch, or the empty string."""
        reasons, messages = await self._core.db.read(
            [queries.lifecycle_counts(window, group), queries.message_counts(window, group)]
        )
        return _gathered(reasons, messages)

    def _window(self, start: str | None, end: str | None, agent_email: str | None = None) -> Window:
        now = self._core.clock.now()
        until = instant(end, "query.end", now)
        until = to_micros(now) if until is None else until
        since = instant(start, "query.start", now)
        since = until - DEFAULT_WINDOW // timedelta(microseconds=1) if since is None else since
        if since >= until:
            raise InvalidFilter("must lie before the end", location="query.start")
        if since < _EARLIEST:
            raise InvalidFilter("the window may not begin before the year 1", location="query.start")
        if from_micros(until) - from_micros(since) > LONGEST_WINDOW:
            raise InvalidFilter(
                f"the window may span at most {LONGEST_WINDOW.days} days", location="query.start"
            )
        return Window(self._principal.account_id, since, until, agent_email)


def _gathered(reasons: Sequence[Row], messages: Sequence[Row]) -> dict[Any, Counts]:
    groups: dict[Any, Counts] = {}
    for row in messages:
        figures = {name: value for name, value in row.items() if name != "grp"}
        groups[row["grp"]] = Counts(**figures)
    for row in reasons:
        counts = groups.setdefault(row["grp"], Counts())
        counts.reasons[row["reason"]] = (row["messages"], row["observations"])
    return groups


def _figures(counts: Counts) -> dict[str, Any]:
    totals = summary(counts)
    return {
        "counters": counters(counts),
        "summary": totals,
        "rates": rates(totals),
        "messages_in_window": counts.messages,
        "messages_with_lifecycle": counts.with_lifecycle,
        # Every message has had a ledger from its first row on, so nothing needs to be inferred.
        "reconstructed_observations": 0,
    }


def _groups(agents: dict[Any, Counts]) -> list[AgentMetricsGroupView]:
    """The busiest agents."""
    busiest = sorted(agents.items(), key=lambda item: (-item[1].messages, item[0]))
    return [
        AgentMetricsGroupView(agent_email=email, **_figures(counts)) for email, counts in busiest[:MAX_GROUPS]
    ]


def _buckets(window: Window, days: dict[Any, Counts]) -> list[MetricsBucketView]:
    """Every UTC day that the window touches, quiet ones too."""
    views = []
    for day in range(window.start // DAY_MICROS, (window.end - 1) // DAY_MICROS + 1):
        totals = summary(days.get(day, Counts()))
        views.append(
            MetricsBucketView(day=from_micros(day * DAY_MICROS), summary=totals, rates=rates(totals))
        )
    return views


def _check_choice(value: str | None, allowed: str, location: str) -> None:
    if value is not None and value != allowed:
        raise InvalidRequest(f"must be {allowed}", location=location, status=422)
