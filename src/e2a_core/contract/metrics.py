"""Message counts and rates in a time window."""

from __future__ import annotations

from typing import ClassVar, Protocol

from e2a_core.contract.base import Moment, Timestamp, View
from e2a_core.contract.operation import READS, Access, Tool, operation
from e2a_core.errors import InvalidFilter, NotFound

__all__ = [
    "Metrics",
    "AccountMetricsView",
    "AgentMetricsGroupView",
    "AgentMetricsView",
    "MetricsBucketView",
    "MetricsCounterView",
    "MetricsRatesView",
    "MetricsSummaryView",
    "WebhookEndpointMetricsView",
    "WebhookMetricsView",
]


class MetricsCounterView(View):
    messages: int
    observations: int
    outcome: str
    reason_code: str
    retryable: bool
    stage: str


class MetricsSummaryView(View):
    accepted: int
    bounced_hard: int
    bounced_soft: int
    bounced_undetermined: int
    complained: int
    delivered: int
    dmarc_error: int
    dmarc_fail: int
    dmarc_none: int
    dmarc_pass: int
    loopback: int
    received: int
    review_approved: int
    review_expired_approved: int
    review_expired_rejected: int
    review_held: int
    review_rejected: int
    send_failed: int
    submitted: int
    suppressed: int


class MetricsRatesView(View):
    nullable: ClassVar[frozenset[str]] = frozenset(
        {"bounce_rate", "complaint_rate", "delivered_rate", "suppression_block_rate"}
    )

    bounce_rate: float | None = None
    complaint_rate: float | None = None
    delivered_rate: float | None = None
    suppression_block_rate: float | None = None


class MetricsBucketView(View):
    day: Timestamp
    rates: MetricsRatesView
    summary: MetricsSummaryView


class AgentMetricsGroupView(View):
    nullable: ClassVar[frozenset[str]] = frozenset({"counters"})

    agent_email: str
    counters: list[MetricsCounterView] | None = None
    messages_in_window: int
    messages_with_lifecycle: int
    rates: MetricsRatesView
    reconstructed_observations: int
    summary: MetricsSummaryView


class AgentMetricsView(View):
    nullable: ClassVar[frozenset[str]] = frozenset({"counters"})

    agent_email: str
    counters: list[MetricsCounterView] | None = None
    end: Timestamp
    messages_in_window: int
    messages_with_lifecycle: int
    rates: MetricsRatesView
    reconstructed_observations: int
    start: Timestamp
    summary: MetricsSummaryView


class WebhookEndpointMetricsView(View):
    nullable: ClassVar[frozenset[str]] = frozenset({"auto_disabled_at", "last_status_code", "success_rate"})

    auto_disable_reason: str
    auto_disabled_at: Timestamp | None = None
    delivered: int
    deliveries: int
    enabled: bool
    endpoint_rejected: int
    last_status_code: int | None = None
    no_response: int
    pending: int
    success_rate: float | None = None
    url_host: str
    webhook_id: str


class WebhookMetricsView(View):
    nullable: ClassVar[frozenset[str]] = frozenset({"endpoints", "success_rate"})

    delivered: int
    deliveries: int
    endpoint_rejected: int
    endpoints: list[WebhookEndpointMetricsView] | None = None
    endpoints_auto_disabled: int
    endpoints_truncated: bool
    no_response: int
    pending: int
    success_rate: float | None = None
    window_exceeds_retention: bool


class AccountMetricsView(View):
    nullable: ClassVar[frozenset[str]] = frozenset({"agents", "buckets", "counters"})

    agents: list[AgentMetricsGroupView] | None = None
    agents_truncated: bool
    buckets: list[MetricsBucketView] | None = None
    counters: list[MetricsCounterView] | None = None
    end: Timestamp
    messages_in_window: int
    messages_with_lifecycle: int
    rates: MetricsRatesView
    reconstructed_observations: int
    start: Timestamp
    summary: MetricsSummaryView
    webhooks: WebhookMetricsView


class Metrics(Protocol):
    """Message counts and rates in a window. `start` is inclusive and `end` exclusive, both RFC 3339."""

    @operation(
        "GET",
        "/v1/metrics",
        id="get_account_metrics",
        errors=(InvalidFilter,),
        tool=Tool("Count the account's mail", "As get_agent_metrics, over all inboxes.", READS),
    )
    async def of_account(
        self,
        *,
        start: Moment | None = None,
        end: Moment | None = None,
        bucket: str | None = None,
        group_by: str | None = None,
    ) -> AccountMetricsView:
        """Count the messages of all inboxes."""

    @operation(
        "GET",
        "/v1/agents/{email}/metrics",
        id="get_agent_metrics",
        access=Access.AGENT,
        errors=(InvalidFilter, NotFound),
        tool=Tool(
            "Count an inbox's mail",
            "Sent, delivered, bounced, held in a window (RFC 3339; default 30 days). A rate is null without traffic.",
            READS,
        ),
    )
    async def of_agent(
        self, email: str, *, start: Moment | None = None, end: Moment | None = None
    ) -> AgentMetricsView:
        """Count the messages of one inbox."""
