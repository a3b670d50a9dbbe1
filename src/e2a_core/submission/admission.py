"""The checks on a draft before it is queued: domain, plan, suppressions, gate, rate and reply-loop guard."""

from __future__ import annotations

from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass

from e2a_core.accounts.limits import refuse_beyond_plan
from e2a_core.agents.lookup import lookup_recipient
from e2a_core.agents.queries import AgentRow, take_turns
from e2a_core.clock import from_micros, rfc3339, to_micros
from e2a_core.core import Core
from e2a_core.errors import DomainNotVerified, RateLimited, SendingPaused
from e2a_core.mail.addresses import parse_address
from e2a_core.messages import queries
from e2a_core.messages.rows import MessageRow
from e2a_core.protection.config import config_of, gate_of
from e2a_core.screening.disposition import Disposition, Finding
from e2a_core.screening.gates import Gate, recipient_gate
from e2a_core.store.statement import StaleWrite, Statement
from e2a_core.submission.addressing import local_recipients, sole_recipient
from e2a_core.submission.draft import Draft
from e2a_core.suppressions.check import refuse_suppressed

__all__ = [
    "Admitted",
    "Guards",
    "admit",
    "answers_elsewhere",
    "check_rate",
    "guards",
    "loop_counterparts",
    "rate_exceeded",
    "screen",
]

REPLIES_PER_HOUR = 10
"""Replies per thread to one automatic counterpart; further ones are held for review."""

_MINUTE = 60_000_000
_HOUR = 60 * _MINUTE


@dataclass(frozen=True, slots=True)
class Admitted:
    """A draft that may be sent, with its `local` recipients as from `local_recipients`."""

    draft: Draft
    local: Mapping[str, str]

    @property
    def inside(self) -> bool:
        """True if all recipients are inboxes of this deployment."""
        return all(item in self.local for item in self.draft.recipients)


async def admit(core: Core, agent: AgentRow, draft: Draft, *, held: bool = False) -> Admitted:
    """Checks a new draft, or a `held` one again, which already counts towards the plan.

    Raises `SendingPaused`, `DomainNotVerified`, `LimitExceeded`, `InvalidRequest` or `RecipientSuppressed`.
    """
    if draft.type != "test":
        refuse_paused(agent)
    if not agent.domain_verified:
        raise DomainNotVerified(f"the domain {agent.registered_domain} must be verified before sending")
    if not held:
        await refuse_beyond_plan(core, agent.account_id)
    if draft.unsubscribe:
        sole_recipient(draft, agent.email)
    await refuse_suppressed(core, agent.account_id, agent.email, draft.recipients)
    return Admitted(draft, await local_recipients(core, draft.recipients))


def refuse_paused(agent: AgentRow) -> None:
    """Raises `SendingPaused` if the agent or its account is paused."""
    if agent.account_paused_at is not None:
        since = rfc3339(from_micros(agent.account_paused_at))
        raise SendingPaused(
            f"sending of the whole account is paused since {since}, until its owner resumes it"
        )
    if agent.paused_at is not None:
        since = rfc3339(from_micros(agent.paused_at))
        raise SendingPaused(
            f"sending of this inbox is paused since {since}, until the account's owner resumes it"
        )


@dataclass(frozen=True, slots=True)
class Guards:
    """The conditions for storing the message, as the first statements of that write.

    Checked before the write, concurrent sends could all pass. `rate` is True if the statements guard the send rate;
    `replies` are the counterparts guarded by the statements after it, in the same order.
    """

    statements: Sequence[Statement]
    rate: bool
    replies: Sequence[str]

    def broken(self, stale: StaleWrite) -> bool:
        """Returns True if one of these conditions failed."""
        return stale.index < len(self.statements)

    def loop(self, stale: StaleWrite) -> Finding | None:
        """The finding that holds a reply beyond the hourly limit; None if the rate was exceeded."""
        place = stale.index - 1 - self.rate
        if place < 0:
            return None
        counterpart = self.replies[place]
        detail = f"{counterpart} was answered {REPLIES_PER_HOUR} times within an hour"
        return Finding("send", "reply_loop", Disposition.REVIEW, counterpart, detail)


def guards(core: Core, agent: AgentRow, thread_id: str | None, counterparts: Sequence[str]) -> Guards:
    """Guards for the agent's sends per minute and its hourly replies to each of `counterparts` in the thread."""
    limit, now = core.settings.send_rate_per_minute, to_micros(core.clock.now())
    rates = [queries.fewer_sends(agent.email, now - _MINUTE, limit)] if limit else []
    replies = [
        queries.fewer_replies(agent.email, thread_id or "", item, now - _HOUR, REPLIES_PER_HOUR)
        for item in counterparts
    ]
    conditions = [*rates, *replies]
    turn = [take_turns(agent.email)] if conditions else []
    return Guards([*turn, *conditions], bool(rates), counterparts)


async def check_rate(core: Core, agent: AgentRow) -> None:
    """Raises `RateLimited` if the agent has used up its sends per minute, counted in the store for all processes."""
    limit = core.settings.send_rate_per_minute
    if not limit:
        return
    now = to_micros(core.clock.now())
    [row] = await core.db.read(queries.count_sends(agent.email, now - _MINUTE))
    if row["n"] >= limit:
        raise _rate_exceeded(limit, row["first"] + _MINUTE - now)


async def rate_exceeded(core: Core, agent: AgentRow) -> RateLimited:
    """The error to raise after the rate guard failed."""
    now = to_micros(core.clock.now())
    [row] = await core.db.read(queries.count_sends(agent.email, now - _MINUTE))
    return _rate_exceeded(core.settings.send_rate_per_minute, (row["first"] or now) + _MINUTE - now)


async def screen(
    core: Core, agent: AgentRow, recipients: Sequence[str], gate: Gate | None = None
) -> Finding | None:
    """The recipient gate's finding on a message to `recipients`, or None; `gate` is another than the agent has.

    Addresses in Reply-To belong to them, because answers go there with what the message said.
    """
    gate = gate or gate_of(config_of(agent).outbound.gate)
    own = None
    if gate.policy == "domain" and agent.domain == core.settings.shared_domain:
        own = await _inboxes_of(core, agent.account_id, recipients)
    return recipient_gate(gate, recipients=recipients, agent_domain=agent.domain, own=own)


def answers_elsewhere(agent: AgentRow, reply_to: Sequence[str]) -> list[str]:
    """Those of the Reply-To addresses that are not the agent's own."""
    return [item for item in reply_to if parse_address(item).normalized != agent.email]


async def _inboxes_of(core: Core, account_id: str, recipients: Sequence[str]) -> set[str]:
    """Those of `recipients`, as given, that are inboxes of this account."""
    own = set()
    for text in recipients:
        found = await lookup_recipient(core, parse_address(text).normalized)
        if found is not None and found.agent.account_id == account_id:
            own.add(text)
    return own


def loop_counterparts(draft: Draft, parent: MessageRow | None, local: Container[str]) -> list[str]:
    """The recipients to whom this reply counts towards the loop limit: those that may reply automatically.

    `local` contains the recipients, as given, that are inboxes of this deployment.
    """
    if draft.thread_id is None:
        return []
    automatic = parent is not None and parent.inbound and _written_by_machine(parent)
    counted = [item for item in draft.to if automatic or item in local]
    return list(dict.fromkeys(parse_address(item).normalized for item in counted))


def _rate_exceeded(limit: int, wait: int) -> RateLimited:
    return RateLimited(f"the agent may send {limit} messages a minute", max(wait, 0) // 1_000_000 + 1)


def _written_by_machine(parent: MessageRow) -> bool:
    return (
        parent.auto_submitted is not None
        or (parent.auth_headers or {}).get("X-E2A-Auth-Entity-Type") == "agent"
    )
