"""First look: what runs, how the last days went, and what to do next."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from starlette.responses import Response

from e2a_core.clock import from_micros, rfc3339
from e2a_core.contract.agents import AgentView
from e2a_core.contract.metrics import MetricsBucketView
from e2a_core.contract.protection import ProtectionConfig, ProtectionConfigView
from e2a_core.errors import NotFound
from e2a_core.http.pages.plot import Plot, bars
from e2a_core.http.pages.protection_words import holds_all
from e2a_core.http.pages.routes import Page
from e2a_core.http.pages.visit import Visit

__all__ = ["FirstLook"]

DAYS = 30
FIGURES_DAYS = 7
LOOKED_AT = 100
"""Inboxes whose protection is looked at, or changed by one form."""


@dataclass(frozen=True, slots=True)
class Figures:
    """Counts of the last 7 days, and the plot of 30."""

    received: int
    sent: int
    rejected: int
    failed: int
    plot: Plot
    since: datetime


class FirstLook:
    """The overview and its forms; `hosts` are links that set up an MCP host, by its name."""

    def __init__(self, addresses: Callable[[], Mapping[str, str]], hosts: Mapping[str, str]) -> None:
        self._addresses = addresses
        self._hosts = hosts

    def pages(self) -> tuple[Page, ...]:
        return (
            Page("GET", "/connect", self.connect),
            Page("POST", "/test-mail", send_test),
            Page("POST", "/hold-outgoing", hold_outgoing),
        )

    async def overview(self, visit: Visit) -> Response:
        session = visit.session
        agents = (await session.agents.list(limit=LOOKED_AT)).items
        domains = (await session.domains.list(limit=LOOKED_AT)).items
        shared = visit.core.settings.shared_domain
        seen = (await visit.account_row())["mcp_seen_at"]
        own = [item for item in domains if item.domain != shared]
        configs = [await session.protection.get(agent.email) for agent in agents]
        return await visit.page(
            "home.html",
            title="Overview",
            at="home",
            inbox=_inbox(agents, shared),
            agents=agents,
            addresses=self._addresses(),
            sandbox=visit.core.settings.sandbox,
            mcp_seen=None if seen is None else from_micros(seen),
            free=[agent for agent, config in zip(agents, configs, strict=True) if sends_freely(config)],
            all_held=all(holds_all(config) for config in configs),
            domains=own,
            verified=[item for item in own if item.verified],
            figures=await _figures(visit),
        )

    async def connect(self, visit: Visit) -> Response:
        """How an MCP host is set up."""
        return await visit.page(
            "connect.html", title="Connect an MCP host", hosts=self._hosts, addresses=self._addresses()
        )


async def send_test(visit: Visit) -> Response:
    """A mail of the inbox to itself, on the road of every other mail."""
    result = await visit.session.agents.test(visit.form.text("inbox"))
    if result.status == "pending_review":
        return visit.go("/", said="test-held")
    return visit.go("/", said="test-arrived" if result.status == "sent" else "tested")


async def hold_outgoing(visit: Visit) -> Response:
    """Has a person approve what agents without a policy of their own write to anybody beyond their domain."""
    agents = (await visit.session.agents.list(limit=LOOKED_AT)).items
    if not agents:
        raise NotFound("there is no inbox yet")
    for agent in agents:
        config = await visit.session.protection.get(agent.email)
        if sends_freely(config):
            await visit.session.protection.put(agent.email, _held(config))
    return visit.go("/", said="held-all")


def sends_freely(config: ProtectionConfigView) -> bool:
    """Whether an agent may write to anybody without a person."""
    gate = config.outbound.gate
    return gate.policy in {None, "open"} or gate.action in {None, "allow", "flag"}


def _held(config: ProtectionConfigView) -> ProtectionConfig:
    """The config with an outbound gate that holds mail to anybody beyond the agent's own domain."""
    members = config.to_wire()
    outbound = members.get("outbound", {})
    members["outbound"] = {**outbound, "gate": {"policy": "domain", "allowlist": [], "action": "review"}}
    return ProtectionConfig.model_validate(members)


def _inbox(agents: list[AgentView], shared: str) -> str:
    """The inbox that a first look is about: the oldest under the shared domain."""
    listed = sorted(agents, key=lambda agent: (agent.domain != shared, agent.created_at))
    return listed[0].email if listed else ""


async def _figures(visit: Visit) -> Figures:
    today = visit.now.replace(hour=0, minute=0, second=0, microsecond=0)
    since = today - timedelta(days=DAYS - 1)
    found = await visit.session.metrics.of_account(start=rfc3339(since), end=rfc3339(visit.now), bucket="day")
    by_day: dict[datetime, MetricsBucketView] = {item.day: item for item in found.buckets or []}
    days = [by_day.get(since + timedelta(days=number)) for number in range(DAYS)]
    lately = [day.summary for day in days[-FIGURES_DAYS:] if day]
    return Figures(
        received=sum(item.received for item in lately),
        sent=sum(item.submitted for item in lately),
        rejected=sum(item.review_rejected + item.review_expired_rejected for item in lately),
        failed=sum(item.send_failed + item.bounced_hard for item in lately),
        plot=bars(
            [(day.summary.received, day.summary.submitted) if day else (0, 0) for day in days], ("in", "out")
        ),
        since=since,
    )
