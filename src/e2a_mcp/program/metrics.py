"""The metrics of the process, in the text format of Prometheus."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import cache, partial
from typing import TYPE_CHECKING

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, disable_created_metrics
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4, generate_latest
from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from e2a_core.errors import StoreUnavailable
from e2a_core.observer import Channel, SignInWay, StreamKind

if TYPE_CHECKING:
    from e2a_core.local.backlog import Backlog
    from e2a_core.local.engine import LocalEngine

__all__ = ["CONTENT_TYPE", "ProcessMetrics"]

CONTENT_TYPE = CONTENT_TYPE_PLAIN_0_0_4

REQUEST_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10, 60)
"""Buckets from the time of a read from memory to a minute."""
SUBMISSION_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300)
"""Buckets up to the timeouts of RFC 5321 section 4.5.3.2."""
CALLBACK_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 15)
"""Buckets up to the time that a callback has for its answer."""
ARRIVAL_SECONDS = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 15, 60, 300, 3600, 86_400)
"""Buckets from a delivery on the same machine to the last attempts of a day."""
BACKLOG_SECONDS = 5.0
"""How long a count of the store is reused, since several monitors may read the page."""


class ProcessMetrics:
    """An `Observer` that counts in a registry of its own."""

    def __init__(self) -> None:
        # The creation times of series are not needed and would double the page.
        disable_created_metrics()  # type: ignore[no-untyped-call]
        self._registry = registry = CollectorRegistry()
        counter, histogram = partial(Counter, registry=registry), partial(Histogram, registry=registry)
        gauge = partial(Gauge, registry=registry)
        requests = counter(
            "e2a_http_requests", "API requests by operation and status.", ["operation", "status"]
        )
        request_seconds = histogram(
            "e2a_http_request_seconds",
            "Seconds to the answer of an API request.",
            ["operation"],
            buckets=REQUEST_SECONDS,
        )
        # Finding a series takes longer than counting in it; there are as many as operations and statuses.
        self._count_of, self._seconds_of = cache(requests.labels), cache(request_seconds.labels)
        self._refusals = counter("e2a_mcp_http_refusals", "Requests to /mcp refused, by status.", ["status"])
        self._tools = counter("e2a_mcp_tool_calls", "Tool calls by tool and outcome.", ["tool", "outcome"])
        self._tool_seconds = histogram(
            "e2a_mcp_tool_seconds", "Seconds spent in a tool.", ["tool"], buckets=REQUEST_SECONDS
        )
        self._submissions = histogram(
            "e2a_submission_seconds",
            "Seconds to hand a message to a transport.",
            ["transport", "outcome"],
            buckets=SUBMISSION_SECONDS,
        )
        self._callbacks = histogram(
            "e2a_push_callback_seconds",
            "Seconds of a request to a callback.",
            ["channel", "outcome"],
            buckets=CALLBACK_SECONDS,
        )
        self._arrivals = histogram(
            "e2a_push_arrival_seconds",
            "Seconds from an event to its arrival at a callback.",
            ["channel"],
            buckets=ARRIVAL_SECONDS,
        )
        self._websockets = gauge("e2a_websockets_open", "WebSockets open.")
        self._streams = gauge("e2a_mcp_streams_open", "Streams of /mcp open.", ["kind"])
        self._connections = gauge("e2a_http_connections_open", "HTTP connections open.")
        self._failed_sign_ins = counter(
            "e2a_failed_sign_ins", "Attempts that signed nobody in, by way.", ["way"]
        )
        self._backlog: _BacklogCollector | None = None

    def request(self, operation: str, status: int, seconds: float) -> None:
        self._count_of(operation, status).inc()
        self._seconds_of(operation).observe(seconds)

    def tool(self, name: str, outcome: str, seconds: float) -> None:
        self._tools.labels(name, outcome).inc()
        self._tool_seconds.labels(name).observe(seconds)

    def refusal(self, status: int) -> None:
        self._refusals.labels(str(status)).inc()

    def submission(self, transport: str, outcome: str, seconds: float) -> None:
        self._submissions.labels(transport, outcome).observe(seconds)

    def callback(self, channel: Channel, outcome: str, seconds: float) -> None:
        self._callbacks.labels(channel, outcome).observe(seconds)

    def arrival(self, channel: Channel, seconds: float) -> None:
        self._arrivals.labels(channel).observe(seconds)

    def stream(self, kind: StreamKind, change: int) -> None:
        gauge = self._websockets if kind == "websocket" else self._streams.labels(kind)
        gauge.inc(change)

    def failed_sign_in(self, way: SignInWay) -> None:
        self._failed_sign_ins.labels(way).inc()

    def watch_http(self, connections: Callable[[], int]) -> None:
        """Adds the number of open connections of the HTTP listener."""
        self._connections.set_function(connections)

    def watch_home(self, engine: LocalEngine) -> None:
        """Adds the counts of the SMTP listener, and the jobs and holds that wait."""
        self._registry.register(_IntakeCollector(engine))
        self._backlog = _BacklogCollector(engine)
        self._registry.register(self._backlog)

    async def render(self) -> bytes:
        """Returns the page, of type `CONTENT_TYPE`."""
        if self._backlog is not None:
            await self._backlog.refresh()
        return generate_latest(self._registry)


class _IntakeCollector(Collector):
    """Collects the counts of the SMTP listener of this process; all are zero if it does not run here."""

    def __init__(self, engine: LocalEngine) -> None:
        self._engine = engine

    def collect(self) -> Iterator[Metric]:
        for name, value in self._engine.intake_counters().items():
            falls = name == "connections_open"
            family = GaugeMetricFamily if falls else CounterMetricFamily
            yield family(f"e2a_smtp_{name}", f"SMTP intake: {name.replace('_', ' ')}.", value=value)


class _BacklogCollector(Collector):
    """Collects the jobs and holds that wait, as of the last `refresh`; nothing while the store does not answer."""

    def __init__(self, engine: LocalEngine) -> None:
        self._engine = engine
        self._clock = engine.core.clock
        self._backlog: Backlog | None = None
        self._until = float("-inf")

    async def refresh(self) -> None:
        """Counts again if the last count is older than `BACKLOG_SECONDS`."""
        if self._clock.monotonic() < self._until:
            return
        # Set before the query, so that concurrent requests do not query the store too.
        self._until = self._clock.monotonic() + BACKLOG_SECONDS
        try:
            self._backlog = await self._engine.backlog()
        except StoreUnavailable:
            self._backlog = None

    def collect(self) -> Iterator[Metric]:
        if self._backlog is None:
            return
        queued = GaugeMetricFamily(
            "e2a_jobs_queued", "Jobs in the queue, at most 50,000 of a kind.", labels=["kind"]
        )
        due = GaugeMetricFamily("e2a_jobs_due", "Jobs that are due and wait for a worker.", labels=["kind"])
        for kind, count in self._backlog.queued.items():
            queued.add_metric([kind], count)
            due.add_metric([kind], self._backlog.due[kind])
        yield queued
        yield due
        yield GaugeMetricFamily(
            "e2a_holds_pending", "Messages on hold, at most 50,000.", value=self._backlog.holds
        )
        yield GaugeMetricFamily(
            "e2a_webhook_deliveries_pending",
            "Deliveries to webhooks that have not settled, at most 50,000.",
            value=self._backlog.deliveries,
        )
        yield GaugeMetricFamily(
            "e2a_event_subscriptions_active",
            "Event subscriptions of MCP clients that are active.",
            value=self._backlog.subscriptions,
        )
