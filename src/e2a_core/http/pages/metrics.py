"""Metrics: what came in and went out by day, verdicts, holds and outcomes, of the account and of each agent."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from starlette.responses import Response

from e2a_core.clock import rfc3339
from e2a_core.contract.metrics import AccountMetricsView, MetricsBucketView, MetricsSummaryView
from e2a_core.http.pages.plot import Plot, bars
from e2a_core.http.pages.routes import Page
from e2a_core.http.pages.visit import Visit
from e2a_core.http.pages.words import count_words

__all__ = ["PAGES"]

SPANS = {"7": 7, "30": 30, "90": 90}

PLOTS: dict[str, tuple[tuple[str, str, tuple[str, ...]], ...]] = {
    "Mail": (("received", "in", ("received",)), ("sent", "out", ("submitted",))),
    "Verdicts on senders": (
        ("verified", "good", ("dmarc_pass",)),
        ("unverified", "warn", ("dmarc_none", "dmarc_error")),
        ("failed", "bad", ("dmarc_fail",)),
    ),
    "Holds": (
        ("held", "warn", ("review_held",)),
        ("approved", "good", ("review_approved", "review_expired_approved")),
        ("rejected", "bad", ("review_rejected", "review_expired_rejected")),
    ),
    "Outcomes of what was sent": (
        ("delivered", "good", ("delivered", "loopback")),
        ("bounced", "warn", ("bounced_hard", "bounced_soft", "bounced_undetermined")),
        ("failed or complained of", "bad", ("send_failed", "complained")),
    ),
}
"""By title, the groups of each plot: what they are, the class of their style, and the members that they count."""


async def metrics(visit: Visit) -> Response:
    span = SPANS.get(visit.asked("days"), 30)
    today = visit.now.replace(hour=0, minute=0, second=0, microsecond=0)
    since = today - timedelta(days=span - 1)
    found = await visit.session.metrics.of_account(
        start=rfc3339(since), end=rfc3339(visit.now), bucket="day", group_by="agent"
    )
    days = _days(found, since, span)
    hooks = found.webhooks
    return await visit.page(
        "metrics.html",
        title="Metrics",
        at="metrics",
        span=span,
        spans=[(f"{count} days", f"/figures?days={name}", count == span) for name, count in SPANS.items()],
        since=since,
        until=visit.now,
        plots=[_plot(title, groups, days, found.summary) for title, groups in PLOTS.items()],
        agents=[(item.agent_email, _line(item.summary)) for item in (found.agents or [])[:50]],
        webhooks=f"{count_words(hooks.delivered, 'event')} delivered, "
        f"{hooks.no_response + hooks.endpoint_rejected:,} not",
    )


def _days(found: AccountMetricsView, since: datetime, span: int) -> list[MetricsSummaryView | None]:
    by_day: dict[datetime, MetricsBucketView] = {item.day: item for item in found.buckets or []}
    buckets = [by_day.get(since + timedelta(days=number)) for number in range(span)]
    return [item.summary if item else None for item in buckets]


def _plot(
    title: str,
    groups: Sequence[tuple[str, str, tuple[str, ...]]],
    days: Sequence[MetricsSummaryView | None],
    whole: MetricsSummaryView,
) -> tuple[str, list[tuple[str, str, int]], Plot]:
    """The title, the sum of each group with its name and class, and the bars."""
    values = [[_sum(day, members) for _, _, members in groups] for day in days]
    sums = [(name, kind, _sum(whole, members)) for name, kind, members in groups]
    return title, sums, bars(values, [kind for _, kind, _ in groups])


def _sum(summary: MetricsSummaryView | None, members: Sequence[str]) -> int:
    return sum(getattr(summary, name) for name in members) if summary else 0


def _line(summary: MetricsSummaryView) -> str:
    return f"{summary.received:,} received, {summary.submitted:,} sent, {summary.review_held:,} held"


PAGES = (Page("GET", "/figures", metrics),)
