"""What the process did, in the text format of Prometheus."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, disable_created_metrics
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4, generate_latest
from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from e2a_core.errors import StoreUnavailable

if TYPE_CHECKING:
    from e2a_core.local.backlog import Backlog
    from e2a_core.local.engine import LocalEngine

__all__ = ["CONTENT_TYPE", "ProcessMetrics"]

CONTENT_TYPE = CONTENT_TYPE_PLAIN_0_0_4

REQUEST_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10, 60)
"""The shortest is what a read from memory takes, the longest what `wait_for_message` may."""
SUBMISSION_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300)
"""To the end of the timeouts of RFC 5321, section 4.5.3.2."""
BACKLOG_SECONDS = 5.0
"""Several may watch; the store is asked no more often than this."""


class ProcessMetrics:
    """An `Observer` that counts in a registry of its own."""

    def __init__(self) -> None:
        # When a series began is of no use to anybody here, and would double the page.
        disable_created_metrics()  # type: ignore[no-untyped-call]
        self._registry = registry = CollectorRegistry()
        self._requests = Counter(
            "e2a_http_requests",
            "API requests by operation and status.",
            ["operation", "status"],
            registry=registry,
        )
        self._request_seconds = Histogram(
            "e2a_http_request_seconds",
            "Seconds to the answer of an API request.",
            ["operation"],
            buckets=REQUEST_SECONDS,
            registry=registry,
        )
        self._refusals = Counter(
            "e2a_mcp_http_refusals", "Requests to /mcp refused, by status.", ["status"], registry=registry
        )
        self._tools = Counter(
            "e2a_mcp_tool_calls", "Tool calls by tool and outcome.", ["tool", "outcome"], registry=registry
        )
        self._tool_seconds = Histogram(
            "e2a_mcp_tool_seconds",
            "Seconds spent in a tool.",
            ["tool"],
            buckets=REQUEST_SECONDS,
            registry=registry,
        )
        self._submissions = Histogram(
            "e2a_submission_seconds",
            "Seconds to hand a message to a transport.",
            ["transport", "outcome"],
            buckets=SUBMISSION_SECONDS,
            registry=registry,
        )
        self._connections = Gauge("e2a_http_connections_open", "HTTP connections open.", registry=registry)
        self._backlog: _BacklogCollector | None = None

    def request(self, operation: str, status: int, seconds: float) -> None:
        self._requests.labels(operation, str(status)).inc()
        self._request_seconds.labels(operation).observe(seconds)

    def tool(self, name: str, outcome: str, seconds: float) -> None:
        self._tools.labels(name, outcome).inc()
        self._tool_seconds.labels(name).observe(seconds)

    def refusal(self, status: int) -> None:
        self._refusals.labels(str(status)).inc()

    def submission(self, transport: str, outcome: str, seconds: float) -> None:
        self._submissions.labels(transport, outcome).observe(seconds)

    def watch_http(self, connections: Callable[[], int]) -> None:
        """Shows how many connections the HTTP listener has."""
        self._connections.set_function(connections)

    def watch_home(self, engine: LocalEngine) -> None:
        """Shows what the SMTP listener counted, and what waits to be done."""
        self._registry.register(_IntakeCollector(engine))
        self._backlog = _BacklogCollector(engine)
        self._registry.register(self._backlog)

    async def render(self) -> bytes:
        """The page, of type `CONTENT_TYPE`."""
        if self._backlog is not None:
            await self._backlog.refresh()
        return generate_latest(self._registry)


class _IntakeCollector(Collector):
    """What the SMTP listener of this process counted; all zero where it does not run."""

    def __init__(self, engine: LocalEngine) -> None:
        self._engine = engine

    def collect(self) -> Iterator[Metric]:
        for name, value in self._engine.intake_counters().items():
            falls = name == "connections_open"
            family = GaugeMetricFamily if falls else CounterMetricFamily
            yield family(f"e2a_smtp_{name}", f"SMTP intake: {name.replace('_', ' ')}.", value=value)


class _BacklogCollector(Collector):
    """What waits in the store, as it was when `refresh` last asked; nothing while the store does not answer."""

    def __init__(self, engine: LocalEngine) -> None:
        self._engine = engine
        self._clock = engine.core.clock
        self._backlog: Backlog | None = None
        self._until = float("-inf")

    async def refresh(self) -> None:
        """Looks again once what is known is older than `BACKLOG_SECONDS`."""
        if self._clock.monotonic() < self._until:
            return
        # Moved first, so that those who ask meanwhile do not ask the store as well.
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
