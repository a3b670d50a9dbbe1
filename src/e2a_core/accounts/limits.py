"""The limits of an account's plan, and the check whether it has reached them.

Messages are counted in both directions per calendar month (UTC), storage over all messages.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from e2a_core.accounts import queries
from e2a_core.clock import to_micros
from e2a_core.core import Core, Tally
from e2a_core.errors import LimitExceeded
from e2a_core.settings import Settings
from e2a_core.store.statement import first

__all__ = ["DEFAULT_LIMITS", "Limits", "limits_of", "month_start", "refuse_beyond_plan"]


@dataclass(frozen=True, slots=True)
class Limits:
    """The limits of one account; a request beyond one is refused with `LimitExceeded`."""

    max_agents: int
    max_domains: int
    max_messages_month: int
    max_storage_bytes: int


DEFAULT_LIMITS = Limits(
    max_agents=1_000_000, max_domains=1_000_000, max_messages_month=1_000_000_000, max_storage_bytes=2**50
)
"""Only bounds runaway clients, since the owner of the deployment pays for the machine."""

RECOUNT = timedelta(minutes=1)
"""How long a full count is reused; only newer messages are counted each time (0.01 ms). Deleted mail counts until the
next full count, which takes 5 ms for 20,000 messages."""
SETTLED = timedelta(seconds=10)
"""A full count leaves out messages newer than this, since `created_at` is somewhat before the commit."""
_FOREVER = 2**63 - 1


def limits_of(settings: Settings) -> Limits:
    """The limits of every account of the deployment."""
    return replace(
        DEFAULT_LIMITS,
        max_agents=settings.max_agents or DEFAULT_LIMITS.max_agents,
        max_domains=settings.max_domains or DEFAULT_LIMITS.max_domains,
        max_messages_month=settings.max_messages_month or DEFAULT_LIMITS.max_messages_month,
        max_storage_bytes=settings.max_storage_bytes or DEFAULT_LIMITS.max_storage_bytes,
    )


async def refuse_beyond_plan(core: Core, account_id: str) -> None:
    """Raises `LimitExceeded` if the account has used up its messages of the month or its storage.

    Without such limits no query is made; with them usually one, over the mail of the last minute.
    """
    settings = core.settings
    if not (settings.max_messages_month or settings.max_storage_bytes):
        return
    messages, octets = await _used(core, account_id)
    for resource, limit, current in (
        ("messages_month", settings.max_messages_month, messages),
        ("storage_bytes", settings.max_storage_bytes, octets),
    ):
        if limit and current >= limit:
            raise LimitExceeded(resource, limit, current)


async def _used(core: Core, account_id: str) -> tuple[int, int]:
    """Returns the number of messages of the month, and the octets stored."""
    now = core.clock.now()
    month, tally = month_start(now), core.tallies.of(account_id)
    if tally is None or tally.month != month or tally.until < to_micros(now - RECOUNT):
        until = to_micros(now - SETTLED)
        row = first(await core.db.read(queries.mail_usage(account_id, month, 0, until)))
        tally = Tally(month, until, row["messages"] if row else 0, row["octets"] if row else 0)
        core.tallies.keep(account_id, tally)
    [new] = await core.db.read(queries.mail_usage(account_id, month, tally.until, _FOREVER, recent=True))
    return tally.messages + new["messages"], tally.octets + new["octets"]


def month_start(now: datetime) -> int:
    """The first instant of the UTC calendar month of `now`, in microseconds."""
    return to_micros(now.replace(day=1, hour=0, minute=0, second=0, microsecond=0))
