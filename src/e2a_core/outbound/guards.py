"""What stands between a draft and the queue: rate, verified domain, gate, and the reply-loop guard."""

from __future__ import annotations

from collections.abc import Sequence

from e2a_core.agents.queries import AgentRow
from e2a_core.clock import to_micros
from e2a_core.core import Core
from e2a_core.errors import DomainNotVerified, RateLimited
from e2a_core.messages import queries
from e2a_core.messages.rows import MessageRow
from e2a_core.outbound.draft import Draft
from e2a_core.protection.config import gate_of
from e2a_core.protection.service import config_of
from e2a_core.screening.disposition import Disposition, Finding
from e2a_core.screening.gates import recipient_gate

__all__ = ["check_domain", "check_rate", "loop_finding", "screen"]

REPLIES_PER_HOUR = 10
"""Answers to one automatic counterpart in one thread before a person has to look."""

_MINUTE = 60_000_000
_HOUR = 60 * _MINUTE


async def check_rate(core: Core, agent: AgentRow) -> None:
    """The agent's sends per minute, counted in the store so that every process shares them."""
    limit = core.settings.send_rate_per_minute
    if not limit:
        return
    now = to_micros(core.clock.now())
    [[row]] = await core.db.lookup([queries.count_sends(agent.email, now - _MINUTE)])
    if row["n"] >= limit:
        wait = (row["first"] + _MINUTE - now) // 1_000_000 + 1
        raise RateLimited(f"at most {limit} messages a minute may be sent", wait)


def check_domain(agent: AgentRow) -> None:
    if not agent.domain_verified:
        raise DomainNotVerified(f"the domain {agent.registered_domain} is not verified yet")


def screen(agent: AgentRow, draft: Draft) -> Finding | None:
    """What the recipient gate finds against the draft."""
    return recipient_gate(
        gate_of(config_of(agent).outbound.gate), recipients=draft.recipients, agent_domain=agent.domain
    )


async def loop_finding(
    core: Core, agent: AgentRow, draft: Draft, parent: MessageRow | None, agents: Sequence[str]
) -> Finding | None:
    """A hold for the answer that would be one too many within the hour.

    Two programs answering each other never tire; a person decides whether they should go on. `agents` are the
    recipients that are inboxes of this deployment.
    """
    if draft.thread_id is None:
        return None
    automatic = parent is not None and parent.inbound and _written_by_machine(parent)
    counterparts = draft.to if automatic else [item for item in draft.to if item.lower() in agents]
    since = to_micros(core.clock.now()) - _HOUR
    for counterpart in counterparts:
        row = await core.db.one(
            queries.count_replies(agent.email, draft.thread_id, counterpart.lower(), since)
        )
        if row is not None and row["n"] >= REPLIES_PER_HOUR:
            detail = f"{REPLIES_PER_HOUR} answers to this counterpart within an hour"
            return Finding("send", "reply_loop", Disposition.REVIEW, counterpart, detail)
    return None


def _written_by_machine(parent: MessageRow) -> bool:
    return (
        parent.auto_submitted is not None
        or (parent.auth_headers or {}).get("X-E2A-Auth-Entity-Type") == "agent"
    )
